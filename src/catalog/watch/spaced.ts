import { keptIn } from '../../core/kept-in.ts';
import type { Clock } from '../../core/waiting/clock.ts';

interface Turn {
  begunMs: number;
  /** The next run, which has not begun; null when none was asked for. */
  next: Promise<void> | null;
  running: Promise<void> | null;
}

/**
 * Work that many may ask for at once: each caller waits for a run that begins after the call. The runs of one key follow each other,
 * and begin at least `restMs` apart.
 */
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
    const turn = keptIn(this.#turns, key, () => ({
      begunMs: Number.NEGATIVE_INFINITY,
      next: null,
      running: null,
    }));
    turn.next ??= this.#begin(key, turn);
    return turn.next;
  }

  /** Whether nothing is running or asked for. */
  isIdle(key: Key): boolean {
    const turn = this.#turns.get(key);
    return turn === undefined || (turn.next === null && turn.running === null);
  }

  /** Resolves when what is running now has ended. */
  async ended(): Promise<void> {
    const running = [...this.#turns.values()].flatMap((turn) => turn.running ?? []);
    await Promise.allSettled(running);
  }

  async #begin(key: Key, turn: Turn): Promise<void> {
    const restMs = turn.begunMs + this.#restMs - this.#clock.monotonicMs();
    await this.#clock.delay(Math.max(0, restMs));
    if (turn.running !== null) await turn.running.catch(() => undefined);
    // A caller from here on may know of a change that this run does not see, so it gets another.
    turn.next = null;
    turn.begunMs = this.#clock.monotonicMs();
    turn.running = this.#work(key).finally(() => {
      turn.running = null;
    });
    await turn.running;
  }
}
