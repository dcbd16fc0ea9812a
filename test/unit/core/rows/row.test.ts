import { expect, test } from 'vitest';
import { completed, picked, rowOf, UNCHANGED } from '../../../../src/core/rows/row.ts';
import { cellsOf } from '../../../support/cells-of.ts';

test('a row seen through places has the cells in their order, and null where there is none', () => {
  const row = picked(rowOf(['a', UNCHANGED, 'c']), [2, 1, -1]);
  expect(cellsOf(row)).toEqual(['c', UNCHANGED, null]);
  expect(row.isWhole).toBe(false);
  expect(picked(row, [0]).isWhole).toBe(true);
});

test('cells that were not sent come from the other row, those that were stay', () => {
  const row = completed(rowOf(['new', UNCHANGED, null]), rowOf(['old', 'kept', 'old']));
  expect(cellsOf(row)).toEqual(['new', 'kept', null]);
  expect(row.isWhole).toBe(true);
});

test('only cells at the positions are completed, and one the other row lacks is still missing', () => {
  const row = completed(rowOf([UNCHANGED, UNCHANGED]), rowOf(['key', 'other']), [0]);
  expect(cellsOf(row)).toEqual(['key', UNCHANGED]);
  expect(cellsOf(completed(row, rowOf(['x', UNCHANGED])))).toEqual(['key', UNCHANGED]);
});

test('a row completed ten thousand times over is no chain', () => {
  let row = rowOf(['1', 'big']);
  for (let n = 0; n < 10_000; n += 1) row = completed(rowOf([String(n), UNCHANGED]), row);
  expect(cellsOf(row)).toEqual(['9999', 'big']);
});

test('a cell that came as bytes is a text to who reads it, and bytes to who passes it on', () => {
  const row = rowOf([Buffer.from('häh'), null, 'x']);
  const taken: string[] = [];
  const sink = {
    bytes: (from: Uint8Array, start: number, end: number) =>
      void taken.push(`${end - start} of ${from.length}`),
    text: (value: string) => void taken.push(value),
    null: () => void taken.push('null'),
  };
  for (let at = 0; at < row.width; at += 1) row.give(at, sink);
  expect(taken).toEqual(['4 of 4', 'null', 'x']);
  expect([row.bytes, ...cellsOf(row)]).toEqual([64 + 4 + 1, 'häh', null, 'x']);
});

test('a cell that was not sent is never handed on', () => {
  const sink = { bytes: () => undefined, text: () => undefined, null: () => undefined };
  expect(() => rowOf([UNCHANGED]).give(0, sink)).toThrow('bug');
});
