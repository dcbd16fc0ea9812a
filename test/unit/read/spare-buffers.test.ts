import { expect, test } from 'vitest';
import { SpareBuffers } from '../../../src/read/wire/spare-buffers.ts';

test('memory is used again once it was given back, by one at a time', () => {
  const buffers = new SpareBuffers();
  const first = buffers.take(10_000);
  const second = buffers.take(10_000);
  expect(second.buffer).not.toBe(first.buffer);
  buffers.giveBack(first.subarray(100, 200));
  buffers.giveBack(first);
  const third = buffers.take(16_000);
  expect([third.length, third.buffer]).toEqual([16_000, first.buffer]);
  expect(buffers.take(10_000).buffer).not.toBe(first.buffer);
});

test.each([
  ['of others', () => Buffer.allocUnsafeSlow(8192), 8000],
  ['that Node cuts into pieces', (buffers: SpareBuffers) => buffers.take(4000), 8000],
  ['too large to keep', (buffers: SpareBuffers) => buffers.take(5_000_000), 5_000_000],
])('memory %s is not taken back', (_, made, wanted) => {
  const buffers = new SpareBuffers();
  const held = made(buffers);
  buffers.giveBack(held);
  expect(buffers.take(wanted).buffer).not.toBe(held.buffer);
});

test('no more is kept than 16 MB', () => {
  const buffers = new SpareBuffers();
  const taken = Array.from({ length: 20 }, () => buffers.take(1_000_000));
  for (const buffer of taken) buffers.giveBack(buffer);
  const known = new Set(taken.map(({ buffer }) => buffer));
  const again = Array.from({ length: 20 }, () => buffers.take(1_000_000).buffer);
  expect(again.filter((memory) => known.has(memory))).toHaveLength(16);
});
