import { Stop, type StopSignal } from './stop-signal.ts';

/**
 * Waits until the first of several waits is over or the signal stops, and ends the others. For what waits again and again:
 * on Node 20 every signal of `AbortSignal.any` leaves an entry in its parents for as long as they live
 * (nodejs/node#55351, #64476).
 */
export async function firstOf(
  signal: StopSignal,
  ...waits: readonly ((until: StopSignal) => Promise<void>)[]
): Promise<void> {
  const until = new Stop();
  const stop = (): void => until.abort(signal.reason);
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  try {
    await Promise.race(waits.map((wait) => wait(until)));
  } finally {
    signal.removeEventListener('abort', stop);
    until.abort(undefined);
  }
}
