import type { SelectionSetNode } from 'graphql';
import type { Catalog, Column } from '../../catalog/catalog.ts';
import type { RoleName } from '../../core/names.ts';
import {
  type CollectedField,
  checkArguments,
  checkIsLeaf,
  collectFields,
  planTypename,
  unknownField,
} from '../operation/collect.ts';
import type { Operand, Predicate, RootField } from '../plan.ts';
import type { Planning } from '../planning.ts';
import { and, compare, TRUE } from '../predicates.ts';
import { invalid, missingField, notFound } from '../problem.ts';
import { type VisibleTable, visibleTable } from '../role/visible.ts';
import { guarded } from '../rule/permit.ts';
import { permittedSelect } from '../select/rows.ts';
import { planFields } from '../select/select.ts';
import { hasVariable, type Input, literal, valueOf } from '../value/input.ts';
import { type Run, valuesIn } from '../value/representations.ts';

/** The root fields of a service in an Apollo federation. */
export const SERVICE = '_service';
export const ENTITIES = '_entities';
/** The type of what `_entities` answers: any of the entities. */
export const ENTITY = '_Entity';

type ServiceField = NonNullable<Extract<RootField, { kind: 'introspection' }>['service']>[number];
type EntitiesField = Extract<RootField, { kind: 'entities' }>;

/** The entities that a role sees, key included. */
export function visibleEntities(catalog: Catalog, role: RoleName): readonly VisibleTable[] {
  return (catalog.entities ?? []).flatMap(({ source, ref, primaryKey }) => {
    const view = visibleTable(catalog, role, source, ref);
    const isSeen = view !== null && primaryKey.every(({ field }) => view.columnByField.has(field));
    return isSeen ? [view] : [];
  });
}

/** The members of `_service` that are asked for. */
export function planService(planning: Planning, field: CollectedField): readonly ServiceField[] {
  checkArguments(field, []);
  return collectFields(planning, field.sets, '_Service', field.at).map((member) => {
    const typename = planTypename(member, '_Service');
    if (typename !== null) return typename;
    if (member.name !== 'sdl') throw unknownField(member, '_Service');
    checkArguments(member, []);
    checkIsLeaf(member);
    return { key: member.key, json: null };
  });
}

/**
 * Plans `_entities`, which looks rows up by key. Each run of representations of one type makes a root field; all have the
 * same response key.
 */
export function planEntities(planning: Planning, field: CollectedField): readonly RootField[] {
  checkArguments(field, ['representations']);
  const path = `${field.at.path}.args.representations`;
  const node = field.arguments.get('representations');
  if (node === undefined) throw missingField(path, 'representations');
  const given = literal(node);
  const input = planning.variables.open(given, '[_Any!]!', path);
  if (given === input && hasVariable(node))
    throw invalid(path, 'representations must be a variable, or have none inside');
  refuseFields(field.sets, `${field.at.path}.selectionSet`);
  const runs = planning.representations.runs(valueOf(input), path);
  planning.budget.rootFields(runs.length);
  if (runs.length === 0) return [{ kind: 'constant', key: field.key, json: '[]' }];
  const views = visibleEntities(planning.catalog, planning.role);
  const seen = new Map(views.map((view) => [view.table.typeName, view]));
  return runs.map((run, index) => planRun(planning, field, { run, index, input, path, seen }));
}

interface GivenRun {
  readonly run: Run;
  readonly index: number;
  readonly input: Input;
  readonly path: string;
  /** What the role sees of entities, by their type. */
  readonly seen: ReadonlyMap<string, VisibleTable>;
}

function planRun(planning: Planning, field: CollectedField, given: GivenRun): EntitiesField {
  const { typename } = given.run;
  const view = given.seen.get(typename);
  if (view === undefined)
    throw invalid(
      given.path,
      `${typename} is not found in selection set or apollo federation is not enabled for the type`,
    );
  const { table } = view;
  const place = planning.places.open(table, { rootSource: table.source, options: null });
  const rows = { view, place };
  const selected = permittedSelect(planning, rows);
  const by = table.primaryKey.map((column) => ({ column, values: keysOf(planning, column, given) }));
  const shown = table.primaryKey.map((column) => guarded(planning, { ...rows, column }, TRUE, false));
  const fields = planFields(planning, rows, field.sets, field.at);
  const where = and([selected.where, ...shown]);
  return { kind: 'entities', key: field.key, by, select: { ...selected, where, fields } };
}

function keysOf(planning: Planning, { type, field }: Column, { run, index, input, path }: GivenRun): Operand {
  const what = { type, list: true, pattern: null, enumeration: null };
  if (input.kind === 'literal') return planning.params.plain(valuesIn(run, field, path), what, path);
  return planning.params.representations([String(input.path[0]), index, field], what, path);
}

/** Outside a fragment on a type only `__typename` can be asked of an entity. */
function refuseFields(sets: readonly SelectionSetNode[], path: string): void {
  for (const selection of sets.flatMap(({ selections }) => selections)) {
    if (selection.kind === 'InlineFragment' && selection.typeCondition === undefined)
      refuseFields([selection.selectionSet], path);
    else if (selection.kind === 'Field' && selection.name.value !== '__typename')
      throw notFound(path, selection.name.value, ENTITY);
  }
}

/** A condition that holds for all rows with these keys, and where a key has several columns perhaps for a few more. */
export function amongKeys({ by }: EntitiesField): Predicate {
  return and(by.map(({ column, values }) => compare(column, 'in', values)));
}
