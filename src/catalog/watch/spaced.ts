import { keptIn } from '../../core/kept-in.ts';
import type { Clock } from '../../core/waiting/clock.ts';

interface Turn {
  begunMs: number;
  /** The next run, which has not begun; null when none was asked for. */
  next: Promise<void> | null;
}

/** Work that many may ask for at once: each caller waits for a run that begins after the call, and runs are at least `restMs` apart. */
export class Spaced<Key> {
  readonly #restMs: number;
  readonly #clock: Clock;
  readonly #work: (key: Key) => Promise<void>;
  readonly #turns = new Map<Key, Turn>();

  constructor(restMs: number, clock: Clock, work: (key: Key) => Promise<void>) {
    this.#restMs = restMs;
    this.#clock = clock;
    this.#work = work;
  }

  /** Resolves when the work is done, begun after this call. */
  next(key: Key): Promise<void> {
    const turn = keptIn(this.#turns, key, () => ({ begunMs: Number.NEGATIVE_INFINITY, next: null }));
    turn.next ??= this.#begin(key, turn);
    return turn.next;
  }

  async #begin(key: Key, turn: Turn): Promise<void> {
    const restMs = turn.begunMs + this.#restMs - this.#clock.monotonicMs();
    await this.#clock.delay(Math.max(0, restMs));
    // A caller from here on may know of a change that this run does not see, so it gets another.
    turn.next = null;
    turn.begunMs = this.#clock.monotonicMs();
    await this.#work(key);
  }
}
