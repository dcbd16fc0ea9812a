import type { StopSignal } from './stop-signal.ts';

/**
 * The outcome of the work, or a failure with the reason as soon as the signal aborts. Work that goes on then must see to
 * itself.
 */
export async function orStopped<T>(
  work: Promise<T>,
  signal: StopSignal,
  reason: () => unknown = () => signal.reason,
): Promise<T> {
  let stop: () => void = () => undefined;
  const stopped = new Promise<never>((_resolve, reject) => {
    stop = () => reject(reason());
  });
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  try {
    return await Promise.race([work, stopped]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
