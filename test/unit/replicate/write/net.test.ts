import { expect, test } from 'vitest';
import { type Cell, type Row, rowOf, UNCHANGED } from '../../../../src/core/rows/row.ts';
import { TableNet, Unnamed } from '../../../../src/replicate/write/net.ts';
import { cellsOf } from '../../../support/cells-of.ts';

// Rows are (key, a, big).

/** A net spoken to in lists of cells. */
class PlainNet {
  readonly #net: TableNet;

  constructor(keys: readonly number[]) {
    this.#net = new TableNet(keys);
  }

  insert(row: readonly Cell[]): void {
    this.#net.insert(rowOf(row));
  }

  remove(before: readonly Cell[]): void {
    this.#net.remove(rowOf(before));
  }

  update(before: readonly Cell[] | null, sent: readonly Cell[]): void {
    this.#net.update(before === null ? null : rowOf(before), rowOf(sent));
  }

  clear(): void {
    this.#net.clear();
  }

  steps(): unknown {
    const plain = (rows: readonly Row[]): unknown => rows.map(cellsOf);
    return this.#net.steps().map((step) => {
      if (step.kind === 'rows')
        return {
          kind: step.kind,
          removes: plain(step.removes),
          inserts: plain(step.inserts),
          writes: plain(step.writes),
        };
      if (step.kind === 'rekey') return { ...step, before: cellsOf(step.before), after: cellsOf(step.after) };
      return step;
    });
  }
}

test('an insert, an update and a delete of one key leave the delete', () => {
  const net = new PlainNet([0]);
  net.insert(['1', 'a', 'big']);
  net.update(null, ['1', 'b', UNCHANGED]);
  net.remove(['1', null, null]);
  expect(net.steps()).toEqual([{ kind: 'rows', removes: [['1', null, null]], inserts: [], writes: [] }]);
});

test('rows are the same only where all columns of their keys are', () => {
  const net = new PlainNet([0, 1]);
  const rows = [
    ['a', 'bc', null],
    ['ab', 'c', null],
    ['a', 'c', null],
  ];
  for (const row of rows) net.insert(row);
  expect(net.steps()).toEqual([{ kind: 'rows', removes: [], inserts: rows, writes: [] }]);
});

test('values not sent are filled from the write before', () => {
  const net = new PlainNet([0]);
  net.insert(['1', 'a', 'big']);
  net.update(null, ['1', 'b', UNCHANGED]);
  expect(net.steps()).toEqual([{ kind: 'rows', removes: [], inserts: [['1', 'b', 'big']], writes: [] }]);
});

test('values not sent stay so when the write before lacks them', () => {
  const net = new PlainNet([0]);
  net.update(null, ['1', 'a', UNCHANGED]);
  net.update(null, ['1', 'b', UNCHANGED]);
  expect(net.steps()).toEqual([{ kind: 'rows', removes: [], inserts: [], writes: [['1', 'b', UNCHANGED]] }]);
});

test('a row that tells of itself before the change and keeps its key is written where it is', () => {
  const net = new PlainNet([0]);
  net.update(['1', 'a', 'big'], ['1', 'b', UNCHANGED]);
  expect(net.steps()).toEqual([{ kind: 'rows', removes: [], inserts: [], writes: [['1', 'b', UNCHANGED]] }]);
});

test('what comes before a change of a key that lacks values is written once, before it', () => {
  const net = new PlainNet([0]);
  net.update(null, ['1', 'a', UNCHANGED]);
  net.update(['2', null, null], ['3', 'b', UNCHANGED]);
  net.insert(['4', 'c', 'big']);
  expect(net.steps()).toEqual([
    { kind: 'rows', removes: [], inserts: [], writes: [['1', 'a', UNCHANGED]] },
    { kind: 'rekey', before: ['2', null, null], after: ['3', 'b', UNCHANGED] },
    { kind: 'rows', removes: [], inserts: [['4', 'c', 'big']], writes: [] },
  ]);
});

test('a change that does not name its row is refused', () => {
  expect(() => new PlainNet([0]).remove([null, 'a', 'big'])).toThrow(Unnamed);
});

test('a key change with all values is a delete and a write', () => {
  const net = new PlainNet([0]);
  net.insert(['1', 'a', 'big']);
  net.update(['1', null, null], ['2', 'a', UNCHANGED]);
  expect(net.steps()).toEqual([
    { kind: 'rows', removes: [['1', null, null]], inserts: [], writes: [['2', 'a', 'big']] },
  ]);
});

test('a key change that needs the old row comes after what was before it and before what is after', () => {
  const net = new PlainNet([0]);
  net.insert(['9', 'x', 'x']);
  net.update(['1', null, null], ['2', 'a', UNCHANGED]);
  net.remove(['9', null, null]);
  expect(net.steps()).toEqual([
    { kind: 'rows', removes: [], inserts: [['9', 'x', 'x']], writes: [] },
    { kind: 'rekey', before: ['1', null, null], after: ['2', 'a', UNCHANGED] },
    { kind: 'rows', removes: [['9', null, null]], inserts: [], writes: [] },
  ]);
});

test('a truncate makes everything before it pointless', () => {
  const net = new PlainNet([0]);
  net.insert(['1', 'a', 'big']);
  net.update(['1', null, null], ['3', 'a', UNCHANGED]);
  net.clear();
  net.insert(['2', 'b', 'big']);
  expect(net.steps()).toEqual([
    { kind: 'clear' },
    { kind: 'rows', removes: [], inserts: [['2', 'b', 'big']], writes: [] },
  ]);
});

test('a long key that was not sent again is taken from the old row', () => {
  const net = new PlainNet([0]);
  net.update(['key', null, null], [UNCHANGED, 'a', 'b']);
  expect(net.steps()).toEqual([{ kind: 'rows', removes: [], inserts: [], writes: [['key', 'a', 'b']] }]);
});

test('composite keys of other texts are other keys', () => {
  const net = new PlainNet([0, 1]);
  net.insert(['a', 'bc', '1']);
  net.insert(['ab', 'c', '2']);
  expect(net.steps()).toEqual([
    {
      kind: 'rows',
      removes: [],
      inserts: [
        ['a', 'bc', '1'],
        ['ab', 'c', '2'],
      ],
      writes: [],
    },
  ]);
});

test('a row is new only when nothing was done to its key before its insert', () => {
  const net = new PlainNet([0]);
  net.remove(['1', null, null]);
  net.insert(['1', 'again', 'big']);
  net.update(['2', null, null], ['3', 'moved', 'big']);
  net.insert(['2', 'in its place', 'big']);
  net.insert(['4', 'a', 'big']);
  net.remove(['4', null, null]);
  net.insert(['4', 'b', 'big']);
  net.insert(['5', 'a', 'big']);
  net.update(null, ['5', 'b', UNCHANGED]);
  expect(net.steps()).toEqual([
    {
      kind: 'rows',
      removes: [],
      inserts: [['5', 'b', 'big']],
      writes: [
        ['1', 'again', 'big'],
        ['2', 'in its place', 'big'],
        ['3', 'moved', 'big'],
        ['4', 'b', 'big'],
      ],
    },
  ]);
});
