import type { DirectiveNode } from 'graphql';
import type { Planning } from '../planning.ts';
import { missingField } from '../problem.ts';
import { booleanOf, integerOf } from '../value/built-in.ts';
import { literal, valueOf } from '../value/input.ts';
import { checkDirectives, type DirectivePlace } from './known-directives.ts';
import type { VariableScope } from './variables.ts';

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

function condition({ variables }: Planning, node: DirectiveNode, path: string): boolean {
  const at = `${path}.args.if`;
  const given = node.arguments?.find(({ name }) => name.value === 'if');
  if (given === undefined) throw missingField(at, 'if');
  return booleanOf(valueOf(variables.open(literal(given.value), 'Boolean!', at)), at);
}

/** Refuses arguments of `@cached` that are not of their types, though nothing comes of their values. */
export function checkCached(variables: VariableScope, nodes: readonly DirectiveNode[] = []): void {
  const cached = nodes.find(({ name }) => name.value === 'cached');
  for (const { name, value } of cached?.arguments ?? []) {
    const path = `$.cached.args.${name.value}`;
    const open = (type: string): unknown => valueOf(variables.open(literal(value), type, path));
    if (name.value === 'ttl') integerOf(open('Int'), path);
    else booleanOf(open('Boolean'), path);
  }
}
