import { expect, test } from 'vitest';
import type { Clock } from '../../../src/core/waiting/clock.ts';
import type { WireRow } from '../../../src/read/wire/request.ts';
import { Shares } from '../../../src/read/wire/shares.ts';

const LIST = { text: 'alone', together: { text: 'together', isLookUp: false } };

/** Shares on a clock moved by hand, and a database that finds an execution for two so dear. */
function open(cost: number | null) {
  let now = 0;
  const clock: Clock = { monotonicMs: () => now, delay: () => Promise.resolve() };
  const shares = new Shares(clock);
  const asked: string[] = [];
  const ask = async (text: string): Promise<readonly WireRow[]> => {
    asked.push(text);
    if (cost === null) throw new Error('refused');
    return [[Buffer.from(JSON.stringify([{ Plan: { 'Total Cost': cost, 'Plan Rows': 2 } }]))]];
  };
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const most = async (): Promise<number> => {
    const now = shares.most(LIST, ask);
    await settled();
    return now;
  };
  return { shares, asked, most, pass: (ms: number) => (now += ms) };
}

test.each([
  [2, 32],
  [80, 6],
  [241, 1],
  [100_000, 1],
])('two that cost %d let %d share an execution, once that is known', async (cost, expected) => {
  const { asked, most } = open(cost);
  expect([await most(), await most(), await most()]).toEqual([1, expected, expected]);
  expect(asked).toEqual(['explain (format json) together']);
});

test('what the database thinks is asked for again after a while, and what it refuses to say each time', async () => {
  const known = open(80);
  await known.most();
  known.pass(61_000);
  expect([await known.most(), await known.most()]).toEqual([6, 6]);
  expect(known.asked).toHaveLength(2);
  const refused = open(null);
  expect([await refused.most(), await refused.most()]).toEqual([1, 1]);
  expect(refused.asked).toHaveLength(2);
});

test('executions that take long again and again let none share one until the database is asked again', async () => {
  const { shares, most, pass } = open(80);
  await most();
  for (let i = 0; i < 7; i += 1) shares.took(LIST, 6, 51);
  expect(await most()).toBe(6);
  shares.took(LIST, 6, 51);
  expect(await most()).toBe(1);
  pass(61_000);
  expect([await most(), await most()]).toEqual([1, 6]);
});

test('what takes long once in a while shares as before, and what does so for some values goes alone', async () => {
  const { shares, most } = open(80);
  await most();
  const took = (of: number): void => shares.took(LIST, 6, of % 20 === 0 ? 200 : 50);
  for (let i = 1; i < 2000; i += 1) took(i);
  expect(await most()).toBe(6);
  for (let i = 0; i < 200; i += 1) shares.took(LIST, 6, i % 8 === 0 ? 200 : 50);
  expect(await most()).toBe(1);
});

test('where one request alone takes as long, many share as before', async () => {
  const { shares, most } = open(80);
  await most();
  for (let i = 0; i < 100; i += 1) {
    shares.took(LIST, 1, 60);
    shares.took(LIST, 6, 150);
  }
  expect(await most()).toBe(6);
  for (let i = 0; i < 8; i += 1) shares.took(LIST, 6, 200);
  expect(await most()).toBe(1);
});

test('look-ups share without asking, however long they take', () => {
  const { shares, asked } = open(1);
  const lookUp = { text: 'alone', together: { text: 'together', isLookUp: true } };
  shares.took(lookUp, 6, 1000);
  expect(shares.most(lookUp, () => Promise.reject(new Error('asked')))).toBe(32);
  expect(asked).toEqual([]);
});
