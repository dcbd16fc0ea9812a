import { expect, test } from 'vitest';
import { UNCHANGED } from '../../../src/core/change.ts';
import { TableNet } from '../../../src/replicate/net.ts';

// Rows are (key, a, big).

test('an insert, an update and a delete of one key leave the delete', () => {
  const net = new TableNet([0]);
  net.insert(['1', 'a', 'big']);
  net.update(null, ['1', 'b', UNCHANGED]);
  net.remove(['1', null, null]);
  expect(net.steps()).toEqual([{ kind: 'rows', removes: [['1', null, null]], writes: [] }]);
});

test('values not sent are filled from the write before', () => {
  const net = new TableNet([0]);
  net.insert(['1', 'a', 'big']);
  net.update(null, ['1', 'b', UNCHANGED]);
  expect(net.steps()).toEqual([{ kind: 'rows', removes: [], writes: [['1', 'b', 'big']] }]);
});

test('values not sent stay so when the write before lacks them', () => {
  const net = new TableNet([0]);
  net.update(null, ['1', 'a', UNCHANGED]);
  net.update(null, ['1', 'b', UNCHANGED]);
  expect(net.steps()).toEqual([{ kind: 'rows', removes: [], writes: [['1', 'b', UNCHANGED]] }]);
});

test('a key change with all values is a delete and a write', () => {
  const net = new TableNet([0]);
  net.insert(['1', 'a', 'big']);
  net.update(['1', null, null], ['2', 'a', UNCHANGED]);
  expect(net.steps()).toEqual([{ kind: 'rows', removes: [['1', null, null]], writes: [['2', 'a', 'big']] }]);
});

test('a key change that needs the old row comes after what was before it and before what is after', () => {
  const net = new TableNet([0]);
  net.insert(['9', 'x', 'x']);
  net.update(['1', null, null], ['2', 'a', UNCHANGED]);
  net.remove(['9', null, null]);
  expect(net.steps()).toEqual([
    { kind: 'rows', removes: [], writes: [['9', 'x', 'x']] },
    { kind: 'rekey', before: ['1', null, null], after: ['2', 'a', UNCHANGED] },
    { kind: 'rows', removes: [['9', null, null]], writes: [] },
  ]);
});

test('a truncate makes everything before it pointless', () => {
  const net = new TableNet([0]);
  net.insert(['1', 'a', 'big']);
  net.update(['1', null, null], ['3', 'a', UNCHANGED]);
  net.clear();
  net.insert(['2', 'b', 'big']);
  expect(net.steps()).toEqual([
    { kind: 'clear' },
    { kind: 'rows', removes: [], writes: [['2', 'b', 'big']] },
  ]);
});

test('a long key that was not sent again is taken from the old row', () => {
  const net = new TableNet([0]);
  net.update(['key', null, null], [UNCHANGED, 'a', 'b']);
  expect(net.steps()).toEqual([{ kind: 'rows', removes: [], writes: [['key', 'a', 'b']] }]);
});

test('composite keys of other texts are other keys', () => {
  const net = new TableNet([0, 1]);
  net.insert(['a', 'bc', '1']);
  net.insert(['ab', 'c', '2']);
  expect(net.steps()).toEqual([
    {
      kind: 'rows',
      removes: [],
      writes: [
        ['a', 'bc', '1'],
        ['ab', 'c', '2'],
      ],
    },
  ]);
});
