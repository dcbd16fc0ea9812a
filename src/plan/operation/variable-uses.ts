import type {
  ArgumentNode,
  DocumentNode,
  OperationDefinitionNode,
  SelectionSetNode,
  ValueNode,
} from 'graphql';
import { fragmentsOf } from './fragments.ts';

/**
 * How a variable's value enters a plan. `value`: only as a parameter. `members`: as a function's `args`, whose members are parameters.
 * `condition`: as (part of) a `where`, whose shape is planned and whose values are parameters. `cursor`: as (part of) a stream's
 * cursor, the same but for its ordering. `entities`: as representations, whose types are planned. `whole`: planned in full, like an ordering or a limit.
 */
export type VariableUse = 'value' | 'members' | 'condition' | 'cursor' | 'entities' | 'whole';

/** The strongest use of every variable an operation names, fragments included. */
export type VariableUses = ReadonlyMap<string, VariableUse>;

const STRENGTH: Record<VariableUse, number> = {
  value: 0,
  members: 1,
  condition: 2,
  cursor: 3,
  entities: 4,
  whole: 5,
};
const PLANNED_ARGUMENTS: ReadonlySet<string> = new Set([
  'limit',
  'order_by',
  'orderBy',
  'distinct_on',
  'distinctOn',
  'columns',
  'distinct',
  'batch_size',
  'batchSize',
]);

/** Collects the uses of variables; iterative, and every fragment is read once. */
export function usesOf(document: DocumentNode, operation: OperationDefinitionNode): VariableUses {
  const uses = new Map<string, VariableUse>();
  const add = (value: ValueNode, use: VariableUse): void => {
    for (const name of variablesIn(value)) {
      const known = uses.get(name);
      if (known === undefined || STRENGTH[known] < STRENGTH[use]) uses.set(name, use);
    }
  };
  const directives = (
    nodes: readonly { readonly arguments?: readonly ArgumentNode[] | undefined }[] = [],
  ): void => {
    for (const node of nodes) for (const argument of node.arguments ?? []) add(argument.value, 'whole');
  };
  directives(operation.directives);
  const unread = new Map(fragmentsOf(document));
  const pending: SelectionSetNode[] = [operation.selectionSet];
  for (let set = pending.pop(); set !== undefined; set = pending.pop()) {
    for (const selection of set.selections) {
      directives(selection.directives);
      if (selection.kind === 'FragmentSpread') {
        const fragment = unread.get(selection.name.value);
        unread.delete(selection.name.value);
        if (fragment !== undefined) pending.push(fragment.selectionSet);
        continue;
      }
      if (selection.selectionSet !== undefined) pending.push(selection.selectionSet);
      if (selection.kind !== 'Field') continue;
      for (const argument of selection.arguments ?? []) {
        add(argument.value, useOf(argument));
        for (const planned of plannedWithin(argument)) add(planned, 'whole');
      }
    }
  }
  return uses;
}

function useOf({ name: { value: name }, value }: ArgumentNode): VariableUse {
  if (PLANNED_ARGUMENTS.has(name)) return 'whole';
  if (name === 'cursor') return 'cursor';
  if (name === 'where') return 'condition';
  if (name === 'representations') return 'entities';
  // In a literal each variable is one argument of the function, whatever it holds.
  return name === 'args' && value.kind === 'Variable' ? 'members' : 'value';
}

/** What stands in a literal and is planned in full, though the rest of the argument is not. */
function plannedWithin({ name, value }: ArgumentNode): readonly ValueNode[] {
  if (name.value === 'where') return aggregated(value);
  return name.value === 'cursor' ? cursorOrderings(value) : [];
}

/** Columns that a condition aggregates. Those of a column that is called `arguments` are comparisons, not names. */
function aggregated(condition: ValueNode): readonly ValueNode[] {
  const found: ValueNode[] = [];
  const pending: ValueNode[] = [condition];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (node.kind === 'ListValue') pending.push(...node.values);
    if (node.kind !== 'ObjectValue') continue;
    for (const { name, value } of node.fields) {
      if (name.value === 'arguments' && !isComparison(value)) found.push(value);
      else pending.push(value);
    }
  }
  return found;
}

/** Operators begin with an underscore; an aggregate of two columns calls them `X` and `Y`. */
function isComparison(node: ValueNode): boolean {
  return node.kind === 'ObjectValue' && node.fields.every(({ name }) => name.value.startsWith('_'));
}

/** What a literal cursor says of its ordering, which is part of the plan. */
function cursorOrderings(value: ValueNode): readonly ValueNode[] {
  const items = value.kind === 'ListValue' ? value.values : [value];
  const members = items.flatMap((item) => (item.kind === 'ObjectValue' ? item.fields : []));
  return members.filter((member) => member.name.value === 'ordering').map((member) => member.value);
}

function variablesIn(value: ValueNode): readonly string[] {
  const names: string[] = [];
  const pending: ValueNode[] = [value];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (node.kind === 'Variable') names.push(node.name.value);
    if (node.kind === 'ListValue') pending.push(...node.values);
    if (node.kind === 'ObjectValue') pending.push(...node.fields.map((field) => field.value));
  }
  return names;
}
