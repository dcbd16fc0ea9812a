import type { StopSignal } from './stop-signal.ts';

interface Waiter {
  readonly place: number;
  readonly go: () => void;
}

/** Lets so many pieces of work run at once; the others follow in the order of their places. */
export class Turns {
  #free: number;
  #lastPlace = 0;
  readonly #waiting: Waiter[] = [];

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  /** The last place in the queue; it can be taken again. */
  place(): number {
    this.#lastPlace += 1;
    return this.#lastPlace;
  }

  /** Runs the work when its turn has come; throws the signal's reason when that aborts first. */
  async take<T>(work: () => Promise<T>, signal: StopSignal, place: number = this.place()): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await this.#wait(signal, place);
    try {
      signal.throwIfAborted();
      return await work();
    } finally {
      this.#pass();
    }
  }

  /** Straight to the next: whoever asks again at once is behind those who wait. */
  #pass(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next.go();
  }

  #wait(signal: StopSignal, place: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(mine), 1);
        reject(signal.reason);
      };
      const go = (): void => {
        signal.removeEventListener('abort', stop);
        resolve();
      };
      const mine = { place, go };
      if (signal.aborted) return reject(signal.reason);
      signal.addEventListener('abort', stop);
      const behind = this.#waiting.findIndex((one) => one.place > place);
      this.#waiting.splice(behind < 0 ? this.#waiting.length : behind, 0, mine);
    });
  }
}
