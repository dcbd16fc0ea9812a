import { expect, test } from 'vitest';
import { sees, seesAllOf } from '../../../../connectors/postgres/shown.ts';

test('a snapshot sees what is older than all that runs, and what is over', () => {
  expect(sees('10:20:10,14', [3, 9, 11, 19])).toBe(true);
  expect(sees('10:20:10,14', [11, 14])).toBe(false);
  expect(sees('10:20:10,14', [20])).toBe(false);
  expect(sees('20:20:', [19])).toBe(true);
  expect(sees('20:20:', [])).toBe(true);
});

test('numbers are compared across the turn of their 32 bits', () => {
  const turn = 4_294_967_296n;
  const snapshot = `${turn - 5n}:${turn + 5n}:${turn - 5n},${turn + 1n}`;
  expect(sees(snapshot, [4_294_967_290, 4_294_967_295, 0, 4])).toBe(true);
  expect(sees(snapshot, [4_294_967_291])).toBe(false);
  expect(sees(snapshot, [1])).toBe(false);
  expect(sees(snapshot, [5])).toBe(false);
  expect(sees(`${7n * turn}:${7n * turn}:`, [4_294_967_295])).toBe(true);
});

test('a snapshot sees all of an exported one when what still runs is hidden there too', () => {
  expect(seesAllOf('10:20:10,14', '10:20:10,14,15')).toBe(true);
  expect(seesAllOf('10:25:10,22', '10:20:10,14')).toBe(true);
  expect(seesAllOf('20:21:20', '10:20:10,14')).toBe(true);
  expect(seesAllOf('20:20:', '10:20:10,14')).toBe(true);
  expect(seesAllOf('10:20:10,14', '10:20:10,15')).toBe(false);
  expect(seesAllOf('14:18:14', '14:20:14,18,19')).toBe(true);
  expect(seesAllOf('14:18:14', '14:20:14,18')).toBe(false);
});
