import { expect, test } from 'vitest';
import { refusal, SHOP } from './plan-for.ts';

const of = (clerk: number) => ({ global: 100, per_role: { clerk } });

test.each<[query: string, depth: number, nodes: number]>([
  ['{ __typename }', 0, 0],
  ['{ __schema { types { fields { type { name } } } } }', 0, 0],
  ['{ order { id } }', 1, 1],
  ['{ order { id } again: order { id } __schema { types { name } } }', 1, 2],
  ['{ ...root } fragment root on query_root { order { ... on order { id } } order { total } }', 1, 1],
  ['{ order { items { id } } item { id } }', 2, 3],
  ['{ item_aggregate { aggregate { count max { id } } nodes { id } } }', 3, 4],
  ['{ order { user { ...u } } } fragment u on user { boss { name boss { name } } }', 4, 4],
  ['{ order { id items @include(if: false) { id } } }', 1, 1],
  ['subscription { order { items { id } } }', 2, 2],
])('%s is %i deep and has %i nodes', (query, depth, nodes) => {
  const refused = (limits: object, role = 'clerk') =>
    refusal({ query, role, catalog: { ...SHOP, limits } })?.code;
  expect(refused({ depth_limit: of(depth), node_limit: of(nodes) })).toBeUndefined();
  if (depth === 0) return;
  expect(refused({ depth_limit: of(depth - 1) })).toBe('depth-limit-exceeded');
  expect(refused({ node_limit: of(nodes - 1) })).toBe('node-limit-exceeded');
  expect(refused({ depth_limit: { global: 0 }, node_limit: { global: 0 } }, 'admin')).toBeUndefined();
});
