import { expect, test } from 'vitest';
import { equalKeys } from '../../../../src/cache/rows/write-rows.ts';

test('keys are compared by an operator for which none of a schema of the search path can stand in, but for types found there', () => {
  const columns = [
    { name: 'code', type: 'character varying(9)', oid: 1043 },
    { name: 'name', type: 'public.citext', oid: 16400 },
    { name: 'note', type: 'text', oid: 25 },
  ];
  expect(equalKeys({ columns, key: ['code', 'name'] }, ['a', 'b'], ['c', 'd'])).toBe(
    'a operator(pg_catalog.=) c and b = d',
  );
});
