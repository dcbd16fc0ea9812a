import type { Clock } from './clock.ts';
import { firstOf } from './first-of.ts';
import type { StopSignal } from './stop-signal.ts';

/** Wakes whoever waits; a notice given while nobody waits is kept for the next. */
export class Notifier {
  #noticed = false;
  #wake: (() => void) | null = null;
  /** The signal listened to: one that is waited with again and again is not listened to anew each time. */
  #signal: StopSignal | null = null;
  readonly #begin = (resolve: () => void): void => {
    this.#wake = resolve;
  };
  readonly #end = (): void => {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  };

  notify(): void {
    this.#noticed = true;
    this.#end();
  }

  /** Resolves at the next notice, at once when one was missed, or when the signal aborts. For one waiter at a time. */
  async wait(signal: StopSignal): Promise<void> {
    this.#listen(signal);
    if (!this.#noticed && !signal.aborted) await new Promise<void>(this.#begin);
    this.#noticed = false;
  }

  #listen(signal: StopSignal): void {
    if (signal === this.#signal) return;
    this.#signal?.removeEventListener('abort', this.#end);
    this.#signal = signal;
    signal.addEventListener('abort', this.#end, { once: true });
  }
}

/** Rests for so long, or until the notice; ends with the signal. */
export async function restUnless(
  notifier: Notifier,
  { clock, ms }: { readonly clock: Clock; readonly ms: number },
  signal: StopSignal,
): Promise<void> {
  await firstOf(
    signal,
    (until) => clock.delay(ms, until),
    (until) => notifier.wait(until),
  );
}
