import { type Clock, systemClock } from '../core/clock.ts';

const STEP_MS = 10;

/** Asks again and again until the answer is yes (true) or the time is over (false); an abort ends it with its reason. */
export async function waitFor(
  timeMs: number,
  signal: AbortSignal,
  isMet: () => Promise<boolean>,
  clock: Clock = systemClock,
): Promise<boolean> {
  const end = clock.monotonicMs() + timeMs;
  for (;;) {
    signal.throwIfAborted();
    if (await isMet()) return true;
    if (clock.monotonicMs() >= end) return false;
    await clock.delay(STEP_MS, signal);
  }
}
