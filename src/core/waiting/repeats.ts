import type { Clock } from './clock.ts';

interface Said {
  gapMs: number;
  dueMs: number;
  leftOut: number;
}

const FIRST_GAP_MS = 60_000;
const LONGEST_GAP_MS = 3_600_000;
const MOST_TEXTS = 32;
/**
 * What is another each time though the failure is the same: positions in a log, generations of copies, and numbers that stand by
 * themselves, as of processes, transactions and bytes. Not those that are a part of a name, an address or a SQLSTATE.
 */
const PASSING = /\b[0-9A-F]+\/[0-9A-F]+\b|(?<=__[go])\d+\b|(?<![\w.:/"'([-]|SQLSTATE )\d+(?![\w:"']|\.\d)/g;

/** Decides when a failure that comes again and again is said again: after a minute, then at doubling distances. */
export class Repeats {
  readonly #clock: Clock;
  readonly #said = new Map<string, Said>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How often the text, or one of other numbers, was left out since it was said last, when it is to be said now; else null. */
  heard(text: string): number | null {
    const now = this.#clock.monotonicMs();
    const kind = text.replace(PASSING, '0');
    const said = this.#said.get(kind);
    if (said === undefined) {
      if (this.#said.size >= MOST_TEXTS) this.#said.clear();
      this.#said.set(kind, { gapMs: FIRST_GAP_MS, dueMs: now + FIRST_GAP_MS, leftOut: 0 });
      return 0;
    }
    if (now < said.dueMs) {
      said.leftOut += 1;
      return null;
    }
    const { leftOut } = said;
    said.gapMs = Math.min(said.gapMs * 2, LONGEST_GAP_MS);
    said.dueMs = now + said.gapMs;
    said.leftOut = 0;
    return leftOut;
  }

  /** What failed works again: the next failure is the first of a new series. */
  forget(): void {
    this.#said.clear();
  }
}
