import type { Clock } from '../../core/waiting/clock.ts';
import type { EarlyLimits } from '../feed-options.ts';

/** Whether a feed's next stream may send transactions in progress: not while one that was refused before is still to come. */
export class EarlyChoice {
  readonly #limits: EarlyLimits;
  readonly #clock: Clock;
  readonly #refused = new Set<number>();
  #notBeforeMs = Number.NEGATIVE_INFINITY;

  constructor(limits: EarlyLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  get isAllowed(): boolean {
    return this.#clock.monotonicMs() >= this.#notBeforeMs;
  }

  /** Notes a refused transaction. It may be rolled back and never come, so it is waited for only `openMs`. */
  refused(xid: number): void {
    if (this.isAllowed) this.#refused.clear();
    this.#refused.add(xid);
    this.#notBeforeMs = this.#clock.monotonicMs() + this.#limits.openMs;
  }

  /** These transactions were applied. */
  applied(xids: readonly number[]): void {
    if (this.#refused.size === 0) return;
    for (const xid of xids) this.#refused.delete(xid);
    if (this.#refused.size === 0) this.#notBeforeMs = this.#clock.monotonicMs() + this.#limits.settledMs;
  }
}
