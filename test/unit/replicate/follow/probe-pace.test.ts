import { expect, test } from 'vitest';
import { readWish, wishText } from '../../../../src/cache/feed/probe-wish.ts';
import type { Clock } from '../../../../src/core/waiting/clock.ts';
import { ProbePace } from '../../../../src/replicate/follow/probe-pace.ts';

const signal = new AbortController().signal;

/** A clock that stands still but for delays, which pass at once and are noted. */
function quickClock(): Clock & { nowMs: number; readonly delays: number[] } {
  const clock = {
    nowMs: 0,
    delays: [] as number[],
    monotonicMs: () => clock.nowMs,
    delay: (ms: number) => {
      clock.delays.push(ms);
      clock.nowMs += ms;
      return Promise.resolve();
    },
  };
  return clock;
}

test('freshness is proved seldom, often while wished, and seldom again when wishes end', async () => {
  const clock = quickClock();
  const pace = new ProbePace(200, clock);
  await pace.rest(clock.nowMs, signal);
  expect(clock.delays.splice(0)).toEqual([200]);
  pace.wish({ stored: false, hurried: true });
  await pace.rest(clock.nowMs, signal);
  expect(clock.delays.splice(0).at(-1)).toBe(20);
  clock.nowMs += 2_900;
  pace.wish({ stored: false, hurried: true });
  clock.nowMs += 2_900;
  expect(pace.intervalMs).toBe(20);
  clock.nowMs += 200;
  expect(pace.intervalMs).toBe(200);
});

test('a wish shortens the rest under way', async () => {
  const clock: Clock = {
    monotonicMs: () => 100,
    delay: (_ms, stop) => new Promise((resolve) => stop?.addEventListener('abort', () => resolve())),
  };
  const pace = new ProbePace(60_000, clock);
  const resting = pace.rest(50, signal);
  pace.wish({ stored: false, hurried: true });
  await resting;
});

test('proofs are stored only for readers that do not hear of them', () => {
  const clock = quickClock();
  const pace = new ProbePace(200, clock);
  pace.wish({ stored: false, hurried: true });
  expect(pace.isStored).toBe(false);
  pace.wish({ stored: true, hurried: true });
  pace.wish({ stored: false, hurried: true });
  expect(pace.isStored).toBe(true);
  clock.nowMs += 3_000;
  expect(pace.isStored).toBe(false);
});

test('an interval set shorter than what is wished stays', () => {
  const clock = quickClock();
  const pace = new ProbePace(10, clock);
  pace.wish({ stored: true, hurried: true });
  expect(pace.intervalMs).toBe(10);
});

test('a wish travels as text, and what is none is passed over', () => {
  const wish = { target: 'pg "2"', stored: true, hurried: false };
  expect(readWish({ channel: 'nearjoin_proof', payload: wishText(wish) })).toEqual(wish);
  const older = { channel: 'nearjoin_proof', payload: '{"target":"a","stored":true}' };
  expect(readWish(older)).toEqual({ target: 'a', stored: true, hurried: true });
  expect(readWish({ channel: 'another', payload: wishText(wish) })).toBeNull();
  for (const payload of ['', 'null', '7', '{"target":1,"stored":true}', '{"target":"a"}'])
    expect(readWish({ channel: 'nearjoin_proof', payload })).toBeNull();
  expect(readWish({ channel: 'nearjoin_proof' })).toBeNull();
});
