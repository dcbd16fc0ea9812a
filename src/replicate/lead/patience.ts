import type { Clock } from '../../core/waiting/clock.ts';

const LONGEST_MS = 60_000;

/**
 * How long a leader may be silent before this process ends it. Each time this process has done so, the time doubles: on
 * overloaded machines replicators would otherwise take the lead from one another before any gets to work. It is back to the usual
 * when nobody had to be ended for ten times as long.
 */
export class Patience {
  readonly #usualMs: number;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  #ms: number;
  #ended: { readonly leader: string; readonly atMs: number } | null = null;

  constructor(usualMs: number, clock: Pick<Clock, 'monotonicMs'>) {
    this.#usualMs = usualMs;
    this.#clock = clock;
    this.#ms = usualMs;
  }

  get ms(): number {
    const isForgotten = this.#ended !== null && this.#clock.monotonicMs() - this.#ended.atMs > this.#ms * 10;
    if (isForgotten) [this.#ms, this.#ended] = [this.#usualMs, null];
    return this.#ms;
  }

  /** This leader was silent for too long. It may be reported several times until it is gone, and counts once. */
  spent(leader: string): void {
    if (this.#ended?.leader === leader) return;
    this.#ended = { leader, atMs: this.#clock.monotonicMs() };
    this.#ms = Math.max(this.#usualMs, Math.min(this.#ms * 2, LONGEST_MS));
  }
}
