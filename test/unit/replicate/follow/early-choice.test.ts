import { expect, test } from 'vitest';
import { systemClock } from '../../../../src/core/waiting/clock.ts';
import { DEFAULT_LIMITS } from '../../../../src/replicate/feed-options.ts';
import { EarlyChoice } from '../../../../src/replicate/follow/early-choice.ts';

test('after one was refused, transactions come as wholes until it has been applied and for a while, or for a long time', () => {
  let nowMs = 1_000;
  const limits = { ...DEFAULT_LIMITS.early, openMs: 600, settledMs: 60 };
  const choice = new EarlyChoice(limits, { ...systemClock, monotonicMs: () => nowMs });
  const after = (ms: number): boolean => {
    nowMs += ms;
    return choice.isAllowed;
  };
  expect(after(0)).toBe(true);
  choice.refused(7);
  choice.refused(8);
  choice.applied([7, 9]);
  expect([after(0), after(599), after(1)]).toEqual([false, false, true]);
  choice.refused(9);
  choice.applied([9]);
  expect([after(0), after(59), after(1)]).toEqual([false, false, true]);
  choice.applied([8]);
  expect(after(0)).toBe(true);
});
