import { Stop, type StopSignal } from './stop-signal.ts';

/** Node's longest timer. */
const LONGEST_MS = 2 ** 31 - 1;

/** Does the work under a signal of its own, which aborts with the given one. */
export async function under<T>(signal: StopSignal, work: (own: Stop) => Promise<T>): Promise<T> {
  const own = new Stop();
  const stop = (): void => own.abort(signal.reason);
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  try {
    return await work(own);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** The same, under a signal that aborts also when the time is up, for the reason that `late` gives. */
export function within<T>(
  { ms, late }: { readonly ms: number; readonly late: () => unknown },
  signal: StopSignal,
  work: (signal: StopSignal) => Promise<T>,
): Promise<T> {
  return under(signal, async (own) => {
    const timer = setTimeout(() => own.abort(late()), Math.min(ms, LONGEST_MS));
    try {
      return await work(own);
    } finally {
      clearTimeout(timer);
    }
  });
}
