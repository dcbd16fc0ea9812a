import { NearjoinError } from '../../core/errors.ts';
import { Stop, type StopSignal } from '../../core/waiting/stop-signal.ts';

/** Node's longest timer. */
const LONGEST_MS = 2 ** 31 - 1;

/** Does the work under a signal that aborts with the given one, and when the time is up. */
export async function within<T>(
  seconds: number,
  signal: StopSignal,
  work: (signal: StopSignal) => Promise<T>,
): Promise<T> {
  const stop = new Stop();
  const stopped = (): void => stop.abort(signal.reason);
  const timer = setTimeout(
    () => {
      const message = `the operation took longer than the limit of ${seconds} seconds`;
      stop.abort(new NearjoinError('time-limit-exceeded', message));
    },
    Math.min(seconds * 1000, LONGEST_MS),
  );
  if (signal.aborted) stopped();
  signal.addEventListener('abort', stopped);
  try {
    return await work(stop);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stopped);
  }
}
