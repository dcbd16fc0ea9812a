import type { DirectiveNode } from 'graphql';
import { invalid, quotedList } from '../problem.ts';

/** Where a directive may stand. */
export type DirectivePlace =
  | 'a field'
  | 'a fragment definition'
  | 'a fragment spread'
  | 'an inline fragment'
  | 'a variable definition'
  | 'a query'
  | 'a subscription';

interface KnownDirective {
  readonly places: readonly DirectivePlace[];
  readonly arguments: readonly string[];
}

const SELECTIONS: readonly DirectivePlace[] = ['a field', 'a fragment spread', 'an inline fragment'];
const OPERATIONS: readonly DirectivePlace[] = ['a query', 'a subscription'];
const KNOWN: ReadonlyMap<string, KnownDirective> = new Map([
  ['include', { places: SELECTIONS, arguments: ['if'] }],
  ['skip', { places: SELECTIONS, arguments: ['if'] }],
  ['cached', { places: ['a query'], arguments: ['ttl', 'refresh'] }],
  ['freshness', { places: OPERATIONS, arguments: ['max_staleness_ms', 'fallback', 'token'] }],
]);

/** Refuses directives that are unknown, misplaced or repeated, or have arguments they should not. */
export function checkDirectives(
  nodes: readonly DirectiveNode[] | undefined,
  place: DirectivePlace,
  path: string,
): void {
  if (nodes === undefined || nodes.length === 0) return;
  const seen = new Set<string>();
  const repeated = new Set<string>();
  for (const node of nodes) {
    const { name } = node;
    const known = KNOWN.get(name.value);
    if (known === undefined) throw invalid(path, `directive '${name.value}' is not defined in the schema`);
    if (!known.places.includes(place))
      throw invalid(path, `directive '${name.value}' is not allowed on ${place}`);
    checkArguments(node, known, path);
    if (seen.has(name.value)) repeated.add(name.value);
    seen.add(name.value);
  }
  if (repeated.size > 0) {
    throw invalid(path, `the following directives are used more than once: ${quotedList(repeated)}`);
  }
}

function checkArguments(node: DirectiveNode, known: KnownDirective, path: string): void {
  const unknown = node.arguments?.find(({ name }) => !known.arguments.includes(name.value));
  if (unknown === undefined) return;
  throw invalid(
    `${path}.${node.name.value}`,
    `'${node.name.value}' has no argument named '${unknown.name.value}'`,
  );
}
