import type { StopSignal } from './stop-signal.ts';

/** Time of this process: for time-outs, back-off and durations, never for freshness. */
export interface Clock {
  /** Milliseconds that only grow. */
  monotonicMs(): number;
  /** Resolves after the delay, or early when the signal aborts. */
  delay(ms: number, signal?: StopSignal): Promise<void>;
}

/** The machine's clock. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  delay: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) return resolve();
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal?.addEventListener('abort', done);
    }),
};
