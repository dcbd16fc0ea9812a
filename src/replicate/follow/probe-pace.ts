import type { ProbeWish } from '../../cache/feed/probe-wish.ts';
import type { Clock } from '../../core/waiting/clock.ts';
import { Notifier, restUnless } from '../../core/waiting/notifier.ts';

/** The interval of probes while somebody asks for a small bound. */
const WISHED_MS = 20;
/** A reader wishes again once a second while such queries come. */
const WISH_LASTS_MS = 3_000;

/** How often one feed is probed: at its usual interval, or at short ones while readers wish it. */
export class ProbePace {
  readonly #usualMs: number;
  readonly #clock: Clock;
  readonly #hurry = new Notifier();
  #wishedUntilMs = Number.NEGATIVE_INFINITY;
  #storedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(usualMs: number, clock: Clock) {
    this.#usualMs = usualMs;
    this.#clock = clock;
  }

  /** From the beginning of one probe to the beginning of the next. */
  get intervalMs(): number {
    return this.#clock.monotonicMs() < this.#wishedUntilMs
      ? Math.min(WISHED_MS, this.#usualMs)
      : this.#usualMs;
  }

  /** Whether one of the readers who wish it sees only what is stored. */
  get isStored(): boolean {
    return this.#clock.monotonicMs() < this.#storedUntilMs;
  }

  /** A reader wishes short intervals, or all probes to be stored: that holds for a while. */
  wish({ stored, hurried }: Pick<ProbeWish, 'stored' | 'hurried'>): void {
    const untilMs = this.#clock.monotonicMs() + WISH_LASTS_MS;
    if (stored) this.#storedUntilMs = untilMs;
    if (!hurried) return;
    this.#wishedUntilMs = untilMs;
    this.#hurry.notify();
  }

  /** Rests until the next probe is due, counted from when the last one began; a wish may bring it forward. */
  async rest(begunMs: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const leftMs = begunMs + this.intervalMs - this.#clock.monotonicMs();
      if (leftMs <= 0) return;
      await restUnless(this.#hurry, { clock: this.#clock, ms: leftMs }, signal);
    }
  }
}
