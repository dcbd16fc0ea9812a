import type { Clock } from '../core/clock.ts';
import type { SourceTime } from '../core/watermark.ts';

/** Clocks are slowed down by less than this to be put right, in parts of the time that passes. */
const SLEWED = 0.001;
const SLACK_US = 20_000;

/**
 * Notices when a source's clock goes back, or another with an earlier time has come in its place. What was proved on the
 * clock before would be called too young from then on, and as good as new when the clock comes to that time again.
 */
export class SourceClock {
  readonly #clock: Clock;
  #last: { readonly time: SourceTime; readonly atMs: number } | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes a reading that was asked for at `askedMs`; true when less time has passed on the source than here since the last. */
  isBehind(time: SourceTime, askedMs: number): boolean {
    const last = this.#last;
    this.#last = { time, atMs: this.#clock.monotonicMs() };
    if (last === null) return false;
    const leastUs = (askedMs - last.atMs) * 1000;
    return time - last.time < leastUs * (1 - SLEWED) - SLACK_US;
  }
}
