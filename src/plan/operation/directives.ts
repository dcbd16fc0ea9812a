import type { DirectiveNode } from 'graphql';
import type { Planning } from '../planning.ts';
import { missingField } from '../problem.ts';
import { mismatch } from '../value/encode.ts';
import { isNull, literal, valueOf } from '../value/input.ts';
import { checkDirectives, type DirectivePlace } from './known-directives.ts';

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

function condition(planning: Planning, node: DirectiveNode, path: string): boolean {
  const at = `${path}.args.if`;
  const given = node.arguments?.find(({ name }) => name.value === 'if');
  if (given === undefined) throw missingField(at, 'if');
  const input = planning.variables.open(literal(given.value), 'Boolean!', at);
  const value = valueOf(input);
  if (isNull(input) || typeof value !== 'boolean') throw mismatch(at, 'a boolean', 'Boolean', value);
  return value;
}
