import type { Column } from '../catalog/catalog.ts';
import { must } from '../core/assert.ts';
import { planBoolean, planScalarComparisons, type ScalarComparison } from './comparison.ts';
import { mismatch } from './encode.ts';
import { planEnum, planEnums } from './enum-input.ts';
import { selectColumns } from './enumeration.ts';
import { type Input, membersOf, valueOf } from './input.ts';
import { baseType } from './operators.ts';
import { cellGuard, permittedRows } from './permit.ts';
import type { Place } from './places.ts';
import type { Join, Predicate } from './plan.ts';
import { inside, type Planning, type Position, type Rows } from './planning.ts';
import { and, not, TRUE } from './predicates.ts';
import { invalid, notFound } from './problem.ts';
import { BOOLEAN, INTEGER } from './types.ts';
import { type VisibleRelationship, type VisibleTable, visibleRelationship } from './visible.ts';

const SUFFIX = '_aggregate';

/** How a condition inside the predicate's `filter` is planned. */
export type PlanFilter = (planning: Planning, rows: Rows, input: Input, at: FilterAt) => Predicate;

interface FilterAt extends Position {
  readonly negated: boolean;
}

interface Member {
  readonly name: string;
  readonly input: Input;
  readonly at: Position;
}

/** The aggregate predicates a role may use on a relationship's target. */
function aggregatePredicateFunctions(target: VisibleTable): readonly ('count' | 'bool_and' | 'bool_or')[] {
  return booleansOf(target).length === 0 ? ['count'] : ['count', 'bool_and', 'bool_or'];
}

/** `<relationship>_aggregate: {count: {…}}`; null when there is no such relationship for the role. */
export function planAggregatePredicate(
  planning: Planning,
  rows: Rows,
  { name, input: given, at }: Member,
  planFilter: PlanFilter,
): Predicate | null {
  const related = aggregated(planning, rows, name);
  if (related === null) return null;
  const type = related.target.table.derivedType('_aggregate_bool_exp');
  const input = planning.variables.open(given, type, at.path);
  const members = membersOf(input);
  if (members === null) throw mismatch(at.path, 'an object', type, valueOf(input));
  const functions = aggregatePredicateFunctions(related.target);
  for (const [member] of members) {
    if (!functions.some((known) => known === member)) throw notFound(at.path, member, type);
  }
  const [first] = members;
  if (first === undefined || members.length > 1)
    throw invalid(at.path, 'exactly one predicate should be specified');
  const [member, argument] = first;
  const here = { name: member, input: argument, at: inside(planning, at, member) };
  return planFunction({ planning, rows, related, planFilter, type: `${type}_${member}` }, here);
}

interface Context {
  readonly planning: Planning;
  readonly rows: Rows;
  readonly related: VisibleRelationship;
  readonly planFilter: PlanFilter;
  readonly type: string;
}

function planFunction(context: Context, { name, input, at }: Member): Predicate {
  const { planning, type } = context;
  const opened = planning.variables.open(input, type, at.path);
  const members = membersOf(opened);
  if (members === null) throw mismatch(at.path, 'an object', type, valueOf(opened));
  for (const [member] of members) {
    if (!['arguments', 'distinct', 'filter', 'predicate'].includes(member))
      throw notFound(at.path, member, type);
  }
  const given = new Map(members);
  const predicate = given.get('predicate');
  if (predicate === undefined) throw invalid(`${at.path}.predicate`, "missing required field 'predicate'");
  const columns = planColumns(context, name, given.get('arguments'), at);
  const distinct = given.get('distinct');
  const unique = distinct !== undefined && planBoolean(planning, distinct, inside(planning, at, 'distinct'));
  const comparisons = planScalarComparisons(
    planning,
    name === 'count' ? INTEGER : BOOLEAN,
    predicate,
    inside(planning, at, 'predicate'),
  );
  const filter = given.get('filter');
  return and(
    comparisons.map((comparison) =>
      planOne(context, { name, columns, comparison, distinct: unique && columns.length > 0, filter, at }),
    ),
  );
}

interface One {
  readonly name: string;
  readonly columns: readonly Column[];
  readonly comparison: ScalarComparison;
  readonly distinct: boolean;
  readonly filter: Input | undefined;
  readonly at: Position;
}

/** Each comparison has rows of its own, so that a plan never meets the same place twice. */
function planOne(context: Context, { name, columns, comparison, distinct, filter, at }: One): Predicate {
  const { planning, rows, related } = context;
  const { join, to } = planning.places.follow(rows.place, related.relationship, related.target.table);
  const target = { view: related.target, place: to };
  const filtered =
    filter === undefined ? TRUE : planFiltered(context, target, filter, inside(planning, at, 'filter'));
  const where = and([permittedRows(planning, target), filtered]);
  const onlyIf = columns.map((column) => cellGuard(planning, target, to.read(column)));
  const called = functionNamed(name);
  if (comparison.kind === 'is-null') {
    return nullness(
      { join, to, where },
      { columns, onlyIf, isCount: called === 'count', negated: comparison.negated },
    );
  }
  const { operator, value } = comparison;
  const shared = { join, to: to.planTable, where, columns, onlyIf, distinct, operator, value };
  return { kind: 'exists-aggregate', function: called, ...shared };
}

function planFiltered(
  { planning, planFilter }: Context,
  target: Rows,
  filter: Input,
  at: Position,
): Predicate {
  const opened = planning.variables.open(filter, target.view.table.derivedType('_bool_exp'), at.path);
  return planFilter(planning, target, opened, { ...at, negated: false });
}

interface Related {
  readonly join: Join;
  readonly to: Place;
  readonly where: Predicate;
}

interface Nullness {
  readonly columns: readonly Column[];
  readonly onlyIf: readonly (Predicate | null)[];
  readonly isCount: boolean;
  readonly negated: boolean;
}

/** A count is never null; `bool_and` and `bool_or` are when no row has a value. */
function nullness({ join, to, where }: Related, { columns, onlyIf, isCount, negated }: Nullness): Predicate {
  if (isCount) return negated ? TRUE : not(TRUE);
  const column = must(columns[0], 'column');
  const present: Predicate = { kind: 'is-null', column, negated: true };
  const found: Predicate = {
    kind: 'exists',
    join,
    to: to.planTable,
    where: and([where, onlyIf[0] ?? TRUE, present]),
  };
  return negated ? found : not(found);
}

function planColumns(
  context: Context,
  name: string,
  given: Input | undefined,
  at: Position,
): readonly Column[] {
  const { planning, related, type } = context;
  const here = { path: `${at.path}.arguments`, depth: at.depth + 1 };
  const named = (field: string): Column => must(related.target.columnByField.get(field), 'column');
  if (name === 'count') {
    const fields =
      given === undefined ? null : planEnums(planning, given, selectColumns(related.target), here);
    return (fields ?? []).map(named);
  }
  const values = booleansOf(related.target).map(({ field }) => field);
  const enumeration = {
    name: `${related.target.table.derivedType('_select_column')}_${type}_arguments_columns`,
    values,
  };
  const field = given === undefined ? null : planEnum(planning, given, enumeration, here);
  if (field === null) throw invalid(here.path, "missing required field 'arguments'");
  return [named(field)];
}

function aggregated(planning: Planning, rows: Rows, name: string): VisibleRelationship | null {
  if (!name.endsWith(SUFFIX)) return null;
  const related = visibleRelationship(planning.catalog, rows.view, name.slice(0, -SUFFIX.length));
  return related?.relationship.kind === 'array' && related.target.mayAggregate ? related : null;
}

function booleansOf(target: VisibleTable): readonly Column[] {
  return target.columns.filter(({ type }) => baseType(type).name === 'bool');
}

function functionNamed(name: string): 'count' | 'bool_and' | 'bool_or' {
  return name === 'bool_and' || name === 'bool_or' ? name : 'count';
}
