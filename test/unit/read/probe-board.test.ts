import { expect, test } from 'vitest';
import type { Lsn } from '../../../src/core/position/lsn.ts';
import { ProbeBoard } from '../../../src/read/probe-board.ts';

const lsn = (n: number): Lsn => BigInt(n) as Lsn;

test('only a probe whose position is applied proves anything, and of those the newest counts', () => {
  const board = new ProbeBoard();
  board.put('a', 'b', { freshAsOf: 100, position: lsn(10) });
  board.put('a', 'b', { freshAsOf: 200, position: lsn(10) });
  board.put('a', 'b', { freshAsOf: 300, position: lsn(20) });
  expect([lsn(9), lsn(10), lsn(19), lsn(20)].map((at) => board.latest('a', 'b', at))).toEqual([
    null,
    200,
    200,
    300,
  ]);
  expect(board.latest('b', 'a', lsn(99))).toBeNull();
  board.put('a', 'b', null);
  expect(board.latest('a', 'b', lsn(99))).toBeNull();
});

test('no more probes are kept than those of the last seconds', () => {
  const board = new ProbeBoard();
  for (let at = 0; at < 1_000; at += 1) board.put('a', 'b', { freshAsOf: at, position: lsn(at) });
  expect(board.latest('a', 'b', lsn(700))).toBeNull();
  expect(board.latest('a', 'b', lsn(800))).toBe(800);
});
