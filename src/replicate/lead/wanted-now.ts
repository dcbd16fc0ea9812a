import type { FeedOptions } from '../feed-options.ts';
import { Linger, type Lingering } from '../table/linger.ts';
import { isNothing, type Wanted } from '../table/wanted.ts';

/** What a feed is wanted for now: what was asked for last, and the tables that were until a moment ago. */
export class WantedNow {
  readonly #options: FeedOptions;
  readonly #linger: Linger;
  readonly #signal: AbortSignal;
  readonly #onTimeOver: (asked: Wanted) => void;
  #asked: Wanted;
  #now: Wanted;
  #waiting = new AbortController();

  /** Until the signal aborts, `onTimeOver` is to ask for the same again when the time of a table that lingers is over. */
  constructor(options: FeedOptions, asked: Wanted, signal: AbortSignal, onTimeOver: (asked: Wanted) => void) {
    this.#options = options;
    this.#signal = signal;
    this.#linger = new Linger(options.limits.removalDelayMs, options.clock);
    this.#onTimeOver = onTimeOver;
    this.#asked = asked;
    this.#now = this.#linger.soften(asked);
  }

  get asked(): Wanted {
    return this.#asked;
  }

  get now(): Wanted {
    return this.#now;
  }

  get isNothing(): boolean {
    return isNothing(this.#now);
  }

  /** Takes what is asked for now; true when that changes more than which tables are wanted. */
  ask(asked: Wanted): boolean {
    const before = { kind: this.#now.kind, isNothing: this.isNothing };
    this.#asked = asked;
    this.#now = this.#linger.soften(asked);
    this.#wait();
    return before.kind !== this.#now.kind || before.isNothing !== this.isNothing;
  }

  /** This time it is meant: no table lingers. */
  forget(): void {
    this.#linger.forget();
  }

  lingering(): readonly Lingering[] {
    return this.#linger.lingering();
  }

  /** Takes over what an earlier leader kept; counts when it is asked again. */
  restore(copies: Parameters<Linger['restore']>[0]): void {
    this.#linger.restore(copies);
  }

  /** Asks again when the time of the next table that lingers is over. */
  #wait(): void {
    const { clock, log } = this.#options;
    this.#waiting.abort();
    this.#waiting = new AbortController();
    const ms = this.#linger.nextMs();
    if (ms === null) return;
    log.info({ ms: Math.round(ms) }, 'a table is wanted no more: its copy is kept for a while');
    const signal = AbortSignal.any([this.#waiting.signal, this.#signal]);
    void clock.delay(ms, signal).then(() => {
      if (!signal.aborted) this.#onTimeOver(this.#asked);
    });
  }
}
