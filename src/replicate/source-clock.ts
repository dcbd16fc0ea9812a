import type { SourceTime } from '../core/position/watermark.ts';
import type { Clock } from '../core/waiting/clock.ts';

/** Clocks are slowed down by less than this to be put right, in parts of the time that passes (chrony: by a twelfth). */
const SLEWED = 0.1;
const SLACK_US = 20_000;

/**
 * Notices when a source's clock goes back, or another with an earlier time has come in its place. What was proved on the
 * clock before would be called too young from then on, and as good as new when the clock comes to that time again.
 */
export class SourceClock {
  readonly #clock: Clock;
  /** The newest reading that tells how far the source's clock is at least. One that took long tells less than one before. */
  #best: { readonly time: SourceTime; readonly atMs: number } | null = null;
  #wasSetBack = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** It went back, and that is not noted where readers see it: who noticed may have lost the lead since. */
  get wasSetBack(): boolean {
    return this.#wasSetBack;
  }

  /** What was proved before is forgotten. */
  noted(): void {
    this.#wasSetBack = false;
  }

  /** Takes a reading that was asked for at `askedMs`; true when less time has passed on the source than here. */
  isBehind(time: SourceTime, askedMs: number): boolean {
    const atMs = this.#clock.monotonicMs();
    const best = this.#best;
    const isBehind = best !== null && time < leastAt(askedMs, best) - SLACK_US;
    this.#wasSetBack ||= isBehind;
    if (best === null || isBehind || time >= leastAt(atMs, best)) this.#best = { time, atMs };
    return isBehind;
  }
}

/** What the source's clock must show at least at a time here, by a reading that was there then. */
function leastAt(ms: number, { time, atMs }: { readonly time: SourceTime; readonly atMs: number }): number {
  return time + (ms - atMs) * 1000 * (1 - SLEWED);
}
