import type { Clock } from '../core/clock.ts';

/** Wakes whoever waits; a notice given while nobody waits is kept for the next. */
export class Notifier {
  #noticed = false;
  #wake: (() => void) | null = null;

  notify(): void {
    this.#noticed = true;
    this.#wake?.();
  }

  /** Resolves at the next notice, at once when one was missed, or when the signal aborts. For one waiter at a time. */
  async wait(signal: AbortSignal): Promise<void> {
    if (!this.#noticed && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          signal.removeEventListener('abort', done);
          this.#wake = null;
          resolve();
        };
        this.#wake = done;
        signal.addEventListener('abort', done);
      });
    }
    this.#noticed = false;
  }
}

/** Rests for so long, or until the notice; ends with the signal. */
export async function restUnless(
  notifier: Notifier,
  { clock, ms }: { readonly clock: Clock; readonly ms: number },
  signal: AbortSignal,
): Promise<void> {
  const due = new AbortController();
  const either = AbortSignal.any([signal, due.signal]);
  await Promise.race([clock.delay(ms, either), notifier.wait(either)]);
  due.abort();
}
