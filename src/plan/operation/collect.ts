import {
  type FieldNode,
  type FragmentDefinitionNode,
  Kind,
  print,
  type SelectionNode,
  type SelectionSetNode,
  type ValueNode,
} from 'graphql';
import { must } from '../../core/assert.ts';
import { keptIn } from '../../core/kept-in.ts';
import { weightOf } from '../budget.ts';
import type { Planning, Position } from '../planning.ts';
import { invalid, notFound } from '../problem.ts';
import { isIncluded } from './directives.ts';
import type { DirectivePlace } from './known-directives.ts';

/** A field after fragments are spread and equal response keys are merged. */
export interface CollectedField {
  /** The response key. */
  readonly key: string;
  readonly name: string;
  readonly arguments: ReadonlyMap<string, ValueNode>;
  /** Sub-selections of all merged fields; empty when there are none. */
  readonly sets: readonly SelectionSetNode[];
  readonly at: Position;
}

/** The selected fields of an object type in response order; what a fragment on another type selects is left out. */
export function collectFields(
  planning: Planning,
  sets: readonly SelectionSetNode[],
  type: string,
  at: Position,
): readonly CollectedField[] {
  const path = `${at.path}.selectionSet`;
  if (sets.length === 0) throw invalid(path, `missing selection set for '${type}'`);
  const collection: Collection = {
    planning,
    type,
    path,
    depth: at.depth + 1,
    fields: new Map(),
    spread: new Set(),
  };
  planning.budget.descend(collection.depth, path);
  // The operation itself is no field.
  if (at.depth > 0) planning.budget.select(at.depth);
  for (const set of sets) collectInto(collection, set, 0);
  return [...collection.fields.values()].map((field) => ({
    key: field.key,
    name: field.node.name.value,
    arguments: new Map((field.node.arguments ?? []).map(({ name, value }) => [name.value, value])),
    sets: field.sets,
    at: { path: `${path}.${field.node.name.value}`, depth: collection.depth },
  }));
}

/** Refuses arguments a field does not have. */
export function checkArguments(field: CollectedField, known: readonly string[]): void {
  for (const name of field.arguments.keys()) {
    if (!known.includes(name))
      throw invalid(field.at.path, `'${field.name}' has no argument named '${name}'`);
  }
}

/** Refuses a sub-selection of a field that is a plain value. */
export function checkIsLeaf(field: CollectedField): void {
  if (field.sets.length > 0) throw invalid(field.at.path, 'unexpected subselection set for non-object field');
}

/** `__typename`, which every object type has, as its constant; null for every other field. */
export function planTypename(
  field: CollectedField,
  type: string,
): { kind: 'constant'; key: string; json: string } | null {
  if (field.name !== '__typename') return null;
  checkArguments(field, []);
  checkIsLeaf(field);
  return { kind: 'constant', key: field.key, json: JSON.stringify(type) };
}

/** The complaint about a field the type does not have. */
export function unknownField(field: CollectedField, type: string): Error {
  const parent = field.at.path.slice(0, -(field.name.length + 1));
  return notFound(parent, field.name, type);
}

const PLACES: Record<SelectionNode['kind'], DirectivePlace> = {
  [Kind.FIELD]: 'a field',
  [Kind.INLINE_FRAGMENT]: 'an inline fragment',
  [Kind.FRAGMENT_SPREAD]: 'a fragment spread',
};

interface Collection {
  readonly planning: Planning;
  readonly type: string;
  readonly path: string;
  readonly depth: number;
  readonly fields: Map<
    string,
    { readonly key: string; readonly node: FieldNode; readonly sets: SelectionSetNode[] }
  >;
  /** Fragments spread already: a second time adds nothing. */
  readonly spread: Set<string>;
}

function collectInto(collection: Collection, set: SelectionSetNode, depth: number): void {
  const { planning, path } = collection;
  planning.budget.descend(depth, path);
  for (const selection of set.selections) {
    planning.budget.spend(path);
    if (!isIncluded(planning, selection.directives, PLACES[selection.kind], path)) continue;
    if (selection.kind === Kind.FIELD) {
      addField(collection, selection);
      continue;
    }
    const fragment =
      selection.kind === Kind.INLINE_FRAGMENT ? selection : spread(collection, selection.name.value);
    const on = fragment?.typeCondition?.name.value ?? collection.type;
    if (fragment !== null && on === collection.type)
      collectInto(collection, fragment.selectionSet, depth + 1);
  }
}

/** The fragment's definition when it is spread here for the first time. */
function spread({ planning, spread: seen }: Collection, name: string): FragmentDefinitionNode | null {
  if (seen.has(name)) return null;
  seen.add(name);
  return must(planning.fragments.get(name), 'fragment');
}

function addField({ planning, fields, path }: Collection, node: FieldNode): void {
  const key = node.alias?.value ?? node.name.value;
  planning.budget.spend(path, weightOf(key.length));
  const known = fields.get(key);
  if (known === undefined) {
    fields.set(key, { key, node, sets: node.selectionSet === undefined ? [] : [node.selectionSet] });
    return;
  }
  const [before, now] = [known.node.name.value, node.name.value];
  if (before !== now) {
    throw invalid(
      path,
      `selection of both '${before}' and '${now}' specify the same response name, '${key}'`,
    );
  }
  if (printArguments(planning, known.node) !== printArguments(planning, node)) {
    throw invalid(path, `inconsistent arguments between multiple selections of field '${before}'`);
  }
  if (node.selectionSet !== undefined) known.sets.push(node.selectionSet);
}

/** A text that is equal when two selections carry the same arguments; fragments bring the same ones again and again. */
function printArguments({ printed }: Planning, field: FieldNode): string {
  const { arguments: given = [] } = field;
  return given.length === 0 ? '' : keptIn(printed, field, () => given.map(print).sort().join());
}
