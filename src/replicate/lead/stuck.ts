import type { Lsn } from '../../core/position/lsn.ts';
import type { Clock } from '../../core/waiting/clock.ts';
import { Backoff } from '../backoff.ts';

/** From one copy of everything because of a change that cannot be sent to the next. */
const FIRST_MS = 600_000;
const LONGEST_MS = 6 * 3_600_000;

/**
 * What to do when the target cannot send a change. A stream that breaks where it broke before cannot get past it, and all
 * others wait behind. A slot that is made anew begins behind it, and a table whose rows cannot be copied either is left out
 * then. Where they can be, the row's next change breaks the stream again, so that this is done less and less often.
 */
export class Stuck {
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  /** The position that was stored when the stream broke last. */
  #at: Lsn | null = null;
  #untilMs = 0;

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#backoff = new Backoff(FIRST_MS, LONGEST_MS, random);
  }

  /** The stream broke behind this position. */
  broke(position: Lsn | null): 'try again' | 'pass by' | 'rest' {
    const isStuck = position !== null && position === this.#at;
    this.#at = position;
    if (!isStuck) return 'try again';
    const now = this.#clock.monotonicMs();
    if (now < this.#untilMs) return 'rest';
    this.#untilMs = now + this.#backoff.nextMs();
    return 'pass by';
  }

  /** Somebody has made the row smaller, or wants it passed by at once. */
  forget(): void {
    this.#untilMs = 0;
  }
}
