import { expect, test } from 'vitest';
import { findTable } from '../../../../src/catalog/catalog.ts';
import { must } from '../../../../src/core/assert.ts';
import { bound, SHOP } from '../plan-for.ts';

const FEDERATED = {
  ...SHOP,
  entities: ['order', 'user'].map((name) =>
    must(findTable(SHOP, name === 'order' ? 'pg1' : 'pg2', { schema: 'public', name }), name),
  ),
};

test('representations are read once to plan and once to bind, however many runs they are and fields ask for them', () => {
  let reads = 0;
  const representation = (typename: string, id: number): object => ({
    get __typename(): string {
      reads += 1;
      return typename;
    },
    id,
  });
  const r = Array.from({ length: 100 }, (_, id) => representation(id % 2 === 0 ? 'order' : 'user', id));
  const query = `query ($r: [_Any!]!) {
    a: _entities(representations: $r) { __typename }
    b: _entities(representations: $r) { __typename }
  }`;
  expect(bound({ query, variables: { r }, catalog: FEDERATED })).toHaveLength(200);
  expect(reads).toBe(200);
});
