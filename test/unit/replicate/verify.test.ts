import { expect, test } from 'vitest';
import type { RowMark } from '../../../src/core/rows/compared-rows.ts';
import { differingKeys } from '../../../src/replicate/verify/compare-table.ts';
import { judge } from '../../../src/replicate/verify/proof.ts';
import { isSameOrder } from '../../../src/replicate/verify/sides.ts';

/** A row by what it says and when it was written. */
const row = (digest: string, version = digest): RowMark => ({ key: ['1'], digest, version, bytes: 1 });
const NONE = undefined;

test.each([
  // equal once the cache has caught up
  [row('a'), row('b'), row('a'), row('a'), 'same'],
  [NONE, row('a'), NONE, NONE, 'same'],
  // unchanged on the target all the while: the cache is wrong
  [row('a'), NONE, row('a'), NONE, 'insert'],
  [row('a'), row('b'), row('a'), row('b'), 'update'],
  [NONE, row('b'), NONE, row('b'), 'delete'],
  // written meanwhile, on either side
  [row('a', '1'), row('b'), row('a', '2'), row('b'), 'undecided'],
  [row('a'), row('b'), row('c'), row('b'), 'undecided'],
  [row('a'), row('a'), row('a'), row('b'), 'undecided'],
  [NONE, NONE, row('a'), NONE, 'undecided'],
  [row('a'), row('a'), NONE, row('a'), 'undecided'],
  [NONE, row('b', '1'), NONE, row('b', '2'), 'undecided'],
  [NONE, NONE, NONE, row('b'), 'undecided'],
] as const)(
  'before %j, in the cache %j, exactly %j, in the cache after it %j: %s',
  (...[before, here, there, after, verdict]) => {
    expect(judge({ before, here, there, after })).toBe(verdict);
  },
);

test('keys differ that are on one side only or have another checksum', () => {
  const mark = (key: string, digest: string): RowMark => ({ key: [key], digest, version: '', bytes: 1 });
  const there = [mark('1', 'a'), mark('2', 'b'), mark('3', 'c')];
  const here = [mark('3', 'c'), mark('2', 'x'), mark('4', 'd')];
  expect(differingKeys(there, here)).toEqual([['1'], ['2'], ['4']]);
});

test.each([
  [[{ name: 'id', type: 'bigint', oid: 20 }], true],
  [[{ name: 'id', type: 'uuid', oid: 2950 }], true],
  // a collation decides
  [[{ name: 'id', type: 'text', oid: 25 }], false],
  [[{ name: 'id', type: 'character(3)', oid: 1042 }], false],
  // an enum, cached as text
  [[{ name: 'id', type: 'text', oid: 70_001 }], false],
  // what is no part of the key does not matter
  [
    [
      { name: 'id', type: 'text', oid: 25 },
      { name: 'n', type: 'integer', oid: 23 },
    ],
    false,
  ],
] as const)('a key of %j has the same order everywhere: %s', (columns, same) => {
  expect(isSameOrder({ columns, key: ['id'] })).toBe(same);
});
