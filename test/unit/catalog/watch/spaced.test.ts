import { expect, test, vi } from 'vitest';
import { Spaced } from '../../../../src/catalog/watch/spaced.ts';
import type { Clock } from '../../../../src/core/waiting/clock.ts';

/** A clock that jumps to the end of each delay. */
function jumpingClock(): Clock & { now: number } {
  const clock = {
    now: 0,
    monotonicMs: () => clock.now,
    delay: async (ms: number) => {
      await Promise.resolve();
      clock.now += ms;
    },
  };
  return clock;
}

test('everybody who asks before it begins shares it; who asks later gets the next one, after the rest', async () => {
  const clock = jumpingClock();
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  const spaced = new Spaced<string>(250, clock, () => {
    begun.push(clock.now);
    return new Promise((resolve) => ends.push(resolve));
  });
  const [first, same] = [spaced.next('a'), spaced.next('a')];
  expect(same).toBe(first);
  await Promise.resolve();
  await Promise.resolve();
  expect(begun).toEqual([0]);
  clock.now = 100;
  const second = spaced.next('a');
  expect(second).not.toBe(first);
  ends[0]?.();
  await first;
  await Promise.resolve();
  expect(begun).toEqual([0, 250]);
  ends[1]?.();
  await second;
});

test('one key’s runs follow each other, and keep those of no other waiting', async () => {
  const begun: string[] = [];
  const ends: (() => void)[] = [];
  const spaced = new Spaced<string>(0, jumpingClock(), (key) => {
    begun.push(key);
    return new Promise((resolve) => ends.push(resolve));
  });
  expect(spaced.isIdle('a')).toBe(true);
  const first = spaced.next('a');
  await vi.waitUntil(() => begun.length === 1);
  const second = spaced.next('a');
  const other = spaced.next('b');
  await vi.waitUntil(() => begun.length === 2);
  expect(begun).toEqual(['a', 'b']);
  expect(spaced.isIdle('a')).toBe(false);
  ends[1]?.();
  await other;
  expect(spaced.isIdle('b')).toBe(true);
  ends[0]?.();
  await first;
  await vi.waitUntil(() => begun.length === 3);
  ends[2]?.();
  await Promise.all([second, spaced.ended()]);
  expect(spaced.isIdle('a')).toBe(true);
});

test('what fails is told to those who asked, and does not keep the next from beginning', async () => {
  let runs = 0;
  const spaced = new Spaced<string>(0, jumpingClock(), async () => {
    runs += 1;
    if (runs === 1) throw new Error('not now');
  });
  await expect(spaced.next('a')).rejects.toThrow('not now');
  await spaced.next('a');
  expect(runs).toBe(2);
});
