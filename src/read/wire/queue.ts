import type { StopSignal } from '../../core/waiting/stop-signal.ts';
import type { WireConnection } from './connection.ts';
import { abortError } from './failure.ts';

/** A request that waits for a session. */
export interface Queued {
  readonly start: (connection: WireConnection) => void;
  readonly reject: (error: unknown) => void;
}

/** Requests in the order they came; one whose client goes away leaves it. */
export class RequestQueue {
  readonly #waiting: Queued[] = [];

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Waits with the request until a session is given to it. */
  join<T>(signal: StopSignal | null, work: (connection: WireConnection) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const leave = (): void => signal?.removeEventListener('abort', onAbort);
      const queued: Queued = {
        start: (connection) => {
          leave();
          resolve(work(connection));
        },
        reject: (error) => {
          leave();
          reject(error);
        },
      };
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(queued), 1);
        if (signal !== null) reject(abortError(signal));
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(queued);
    });
  }

  /** Takes out the one that came first. */
  next(): Queued | undefined {
    return this.#waiting.shift();
  }

  /** Takes out all. */
  takeAll(): readonly Queued[] {
    return this.#waiting.splice(0);
  }
}
