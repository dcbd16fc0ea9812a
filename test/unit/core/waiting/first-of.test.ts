import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { systemClock } from '../../../../src/core/waiting/clock.ts';
import { firstOf } from '../../../../src/core/waiting/first-of.ts';
import { Notifier, restUnless } from '../../../../src/core/waiting/notifier.ts';
import type { StopSignal } from '../../../../src/core/waiting/stop-signal.ts';

const HOUR_MS = 3_600_000;

/** How many signals made by `AbortSignal.any` a signal keeps. */
function dependants(signal: AbortSignal): number {
  const [key] = Object.getOwnPropertySymbols(signal).filter((symbol) => String(symbol).includes('Dependant'));
  return key === undefined ? 0 : ((signal as unknown as Record<symbol, Set<unknown>>)[key]?.size ?? 0);
}

test('the first that is over ends the others', async () => {
  const signal = new AbortController().signal;
  let others: StopSignal | undefined;
  await firstOf(
    signal,
    (until) => {
      others = until;
      return systemClock.delay(HOUR_MS, until);
    },
    () => Promise.resolve(),
  );
  expect(others?.aborted).toBe(true);
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

test('the signal ends all, before and meanwhile, and what fails is thrown', async () => {
  const stop = new AbortController();
  const waiting = firstOf(stop.signal, (until) => systemClock.delay(HOUR_MS, until));
  stop.abort();
  await waiting;
  await firstOf(stop.signal, (until) => systemClock.delay(HOUR_MS, until));
  const { signal } = new AbortController();
  await expect(firstOf(signal, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

test('a signal that lives on keeps nothing of a thousand rests', async () => {
  const { signal } = new AbortController();
  const notifier = new Notifier();
  for (let i = 0; i < 1_000; i += 1) {
    const resting = restUnless(notifier, { clock: systemClock, ms: HOUR_MS }, signal);
    notifier.notify();
    await resting;
  }
  expect(getEventListeners(signal, 'abort')).toEqual([]);
  expect(dependants(signal)).toBe(0);
});
