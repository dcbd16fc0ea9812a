import { type DirectiveNode, print } from 'graphql';
import { mismatch } from './encode.ts';
import { isNull, literal, valueOf } from './input.ts';
import type { Planning } from './planning.ts';
import { invalid, quotedList } from './problem.ts';

/** Where a directive may stand. */
export type DirectivePlace =
  | 'a field'
  | 'a fragment spread'
  | 'an inline fragment'
  | 'a query'
  | 'a subscription';

const SELECTIONS: readonly DirectivePlace[] = ['a field', 'a fragment spread', 'an inline fragment'];
const OPERATIONS: readonly DirectivePlace[] = ['a query', 'a subscription'];
const KNOWN: ReadonlyMap<string, readonly DirectivePlace[]> = new Map([
  ['include', SELECTIONS],
  ['skip', SELECTIONS],
  ['cached', ['a query']],
  ['freshness', OPERATIONS],
]);

/** Refuses directives that are unknown, misplaced or repeated. */
export function checkDirectives(nodes: readonly DirectiveNode[], place: DirectivePlace, path: string): void {
  const seen = new Set<string>();
  const repeated = new Set<string>();
  for (const { name } of nodes) {
    const places = KNOWN.get(name.value);
    if (places === undefined) throw invalid(path, `directive '${name.value}' is not defined in the schema`);
    if (!places.includes(place)) throw invalid(path, `directive '${name.value}' is not allowed on ${place}`);
    if (seen.has(name.value)) repeated.add(name.value);
    seen.add(name.value);
  }
  if (repeated.size > 0) {
    throw invalid(path, `the following directives are used more than once: ${quotedList(repeated)}`);
  }
}

/** Whether `@include` and `@skip` let a selection stand; both must. */
export function isIncluded(
  planning: Planning,
  nodes: readonly DirectiveNode[] | undefined,
  place: DirectivePlace,
  path: string,
): boolean {
  if (nodes === undefined || nodes.length === 0) return true;
  checkDirectives(nodes, place, path);
  // Every condition is read, also after one has said no: a wrong one is an error all the same.
  const answers = nodes.map(
    (node) => condition(planning, node, `${path}.${node.name.value}`) === (node.name.value === 'include'),
  );
  return !answers.includes(false);
}

/** A text that is equal when two selections carry the same arguments. */
export function printArguments(nodes: DirectiveNode['arguments']): string {
  return (nodes ?? []).map(print).sort().join();
}

function condition(planning: Planning, node: DirectiveNode, path: string): boolean {
  for (const { name } of node.arguments ?? []) {
    if (name.value !== 'if')
      throw invalid(path, `'${node.name.value}' has no argument named '${name.value}'`);
  }
  const at = `${path}.args.if`;
  const given = node.arguments?.find(({ name }) => name.value === 'if');
  if (given === undefined) throw invalid(at, "missing required field 'if'");
  const input = planning.variables.open(literal(given.value), 'Boolean!', at);
  const value = valueOf(input);
  if (isNull(input) || typeof value !== 'boolean') throw mismatch(at, 'a boolean', 'Boolean', value);
  return value;
}
