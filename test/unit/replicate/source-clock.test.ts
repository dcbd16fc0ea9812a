import { expect, test } from 'vitest';
import { systemClock } from '../../../src/core/waiting/clock.ts';
import { SourceClock } from '../../../src/replicate/source-clock.ts';

/** Readings of a source's clock, each with the time here when it was asked for and answered. */
function read(...readings: readonly (readonly [timeMs: number, askedMs: number, answeredMs: number])[]) {
  let now = 0;
  const tested = new SourceClock({ ...systemClock, monotonicMs: () => now });
  return readings.map(([timeMs, askedMs, answeredMs]) => {
    now = answeredMs;
    return tested.isBehind(timeMs * 1000, askedMs);
  });
}

test('a clock that goes on is not set back, however long the way to it', () => {
  expect(read([5_000, 0, 100], [5_300, 300, 310], [9_000, 400, 4_010], [9_210, 4_210, 4_215])).toEqual([
    false,
    false,
    false,
    false,
  ]);
});

test('a clock set forward is not set back', () => {
  expect(read([5_000, 0, 1], [3_605_200, 200, 201])).toEqual([false, false]);
});

test('a clock set back is noticed once, also when its time is later than the last that was seen', () => {
  expect(read([5_000, 0, 1], [5_100, 200, 201], [5_300, 400, 401])).toEqual([false, true, false]);
  expect(read([5_000, 0, 1], [-3_595_000, 200, 201])).toEqual([false, true]);
});

test('a clock set back while a statement was blocked is noticed with the next one', () => {
  expect(read([5_000, 0, 1], [6_100, 200, 3_200], [6_400, 3_400, 3_401], [6_600, 3_600, 3_601])).toEqual([
    false,
    false,
    true,
    false,
  ]);
});

test('a clock that is slowed down to be put right is not set back', () => {
  expect(read([0, 0, 0], [59_960, 60_000, 60_001])).toEqual([false, false]);
  const slewed = Array.from({ length: 50 }, (_, at) => [at * 184, at * 200, at * 200 + 3] as const);
  expect(read(...slewed)).toEqual(slewed.map(() => false));
});

test('that a clock was set back is known until it is noted', () => {
  let now = 0;
  const tested = new SourceClock({ ...systemClock, monotonicMs: () => now });
  tested.isBehind(5_000_000, 0);
  now = 200;
  tested.isBehind(0, 200);
  now = 400;
  tested.isBehind(200_000, 400);
  expect(tested.wasSetBack).toBe(true);
  tested.noted();
  expect(tested.wasSetBack).toBe(false);
});
