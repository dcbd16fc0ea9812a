import type { Clock } from '../../src/core/waiting/clock.ts';

/** A clock that a test moves. */
export class HandClock implements Clock {
  #now = 0;
  readonly #waiting = new Set<{ readonly at: number; readonly wake: () => void }>();

  monotonicMs(): number {
    return this.#now;
  }

  delay: Clock['delay'] = (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) return resolve();
      const entry = { at: this.#now + ms, wake: () => undefined as void };
      const done = (): void => {
        this.#waiting.delete(entry);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      entry.wake = done;
      this.#waiting.add(entry);
      signal?.addEventListener('abort', done);
    });

  /** Lets time pass, millisecond by millisecond, and everything that it wakes. */
  async pass(ms: number): Promise<void> {
    await settled();
    for (let step = 0; step < ms; step += 1) await this.standStill(1);
  }

  /** Lets time pass in which the process does nothing, and then everything that it would have woken. */
  async standStill(ms: number): Promise<void> {
    this.#now += ms;
    const due = [...this.#waiting].filter(({ at }) => at <= this.#now);
    for (const { wake } of due) wake();
    if (due.length > 0) await settled();
  }
}

async function settled(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}
