import { expect, test } from 'vitest';
import type { Lsn } from '../../../../src/core/position/lsn.ts';
import type { Relation, StreamItem } from '../../../../src/core/rows/change.ts';
import { rowOf } from '../../../../src/core/rows/row.ts';
import { ChangeBuffer } from '../../../../src/replicate/follow/buffer.ts';

const relation: Relation = {
  oid: 1,
  table: { schema: 'public', name: 't' },
  replicaIdentity: 'd',
  columns: [],
};
const lsn = (position: number): Lsn => BigInt(position) as Lsn;
const begin: StreamItem = { kind: 'begin', xid: 1, commit: lsn(0) };
const change: StreamItem = { kind: 'insert', relation, after: rowOf(['x']) };
const commit = (end: number): StreamItem => ({ kind: 'commit', end: lsn(end), time: end });
const progress = (position: number): StreamItem => ({ kind: 'progress', position: lsn(position) });
const kinds = (items: readonly StreamItem[]): string => items.map((item) => item.kind).join(' ');

function buffer(): ChangeBuffer {
  return new ChangeBuffer({ rows: 3, bytes: 10_000 });
}

test('whole transactions are taken together, an unfinished one waits', () => {
  const made = buffer();
  made.push([begin, change, commit(10), begin, commit(20), begin, change]);
  const batch = made.take();
  expect({ ...batch, items: kinds(batch.items) }).toMatchObject({
    items: 'begin insert commit begin commit',
    position: 20n,
    xids: [1, 1],
  });
  expect(made.isReady).toBe(false);
  const rest = made.bytes;
  expect(rest).toBeGreaterThan(0);
  made.push([commit(30)]);
  const last = made.take();
  expect({ ...last, items: kinds(last.items) }).toMatchObject({
    items: 'begin insert commit',
    xids: [1],
    bytes: rest,
    commit: { end: 30n },
  });
  expect(made.bytes).toBe(0);
});

test('progress alone is a position without changes', () => {
  const made = buffer();
  made.push([progress(5)]);
  expect(made.take()).toEqual({ items: [], position: 5n, commit: null, xids: [], bytes: 0 });
});

test('changes fill a batch, and transactions without any by what they hold', () => {
  const made = buffer();
  for (let n = 1; n <= 2; n += 1) made.push([begin, change, commit(n)]);
  expect(made.isFull).toBe(false);
  made.push([begin, change, commit(4)]);
  expect(made.isFull).toBe(true);
  made.take();
  for (let n = 5; n < 55; n += 1) made.push([begin, commit(n)]);
  expect(made.isFull).toBe(true);
});

test('a large transaction is taken in parts, and no position is told before its end', () => {
  const made = buffer();
  made.push([begin, change, change, change]);
  expect(made.isReady).toBe(true);
  expect(made.take()).toMatchObject({ position: null, xids: [] });
  made.push([progress(99), change]);
  expect(made.isReady).toBe(false);
  made.push([change, commit(120), progress(130)]);
  const last = made.take();
  expect({ ...last, items: kinds(last.items) }).toMatchObject({
    items: 'insert insert commit',
    position: 130n,
    xids: [1],
  });
});

test('a position seen before a large transaction began to be taken is told first', () => {
  const made = buffer();
  made.push([progress(5), begin, change, change, change, change]);
  expect(made.take()).toMatchObject({ position: 5n });
  expect(made.take()).toMatchObject({ position: null });
});

test('reading stops when enough waits', () => {
  const made = buffer();
  made.push([begin, change, commit(1), begin, change, change]);
  expect(made.isFull).toBe(true);
  made.take();
  expect(made.isFull).toBe(false);
});
