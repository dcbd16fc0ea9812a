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
