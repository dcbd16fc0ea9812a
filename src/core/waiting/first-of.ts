import type { StopSignal } from './stop-signal.ts';
import { under } from './under.ts';

/**
 * Waits until the first of several waits is over or the signal stops, and ends the others. For what waits again and again:
 * on Node 20 every signal of `AbortSignal.any` leaves an entry in its parents for as long as they live
 * (nodejs/node#55351, #64476).
 */
export async function firstOf(
  signal: StopSignal,
  ...waits: readonly ((until: StopSignal) => Promise<void>)[]
): Promise<void> {
  await under(signal, (until) =>
    Promise.race(waits.map((wait) => wait(until))).finally(() => until.abort(undefined)),
  );
}
