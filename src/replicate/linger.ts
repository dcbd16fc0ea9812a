import type { Desired } from '../catalog/catalog.ts';
import type { Clock } from '../core/clock.ts';
import { tableKey } from '../core/names.ts';
import type { Desire } from './wanted.ts';

interface Kept {
  readonly desired: Desired;
  /** Null while the catalog wants it. */
  untilMs: number | null;
}

/**
 * Goes on wanting tables for a while after the catalog has stopped: a slip in the metadata, put right a moment later,
 * must not cost a copy of a hundred million rows.
 */
export class Linger {
  readonly #delayMs: number;
  readonly #clock: Clock;
  readonly #kept = new Map<string, Kept>();

  constructor(delayMs: number, clock: Clock) {
    this.#delayMs = delayMs;
    this.#clock = clock;
  }

  /** What is wanted, with what was wanted until a moment ago. */
  soften(desire: Desire): Desire {
    if (desire.kind === 'unknown') return desire;
    const wanted = new Map(desire.tables.map((each) => [tableKey(each.table.ref), each]));
    for (const [key, desired] of wanted) this.#kept.set(key, { desired, untilMs: null });
    const now = this.#clock.monotonicMs();
    for (const [key, kept] of this.#kept) {
      if (wanted.has(key)) continue;
      kept.untilMs ??= now + this.#delayMs;
      if (kept.untilMs <= now) this.#kept.delete(key);
    }
    const lingering = [...this.#kept].filter(([key]) => !wanted.has(key)).map(([, { desired }]) => desired);
    return { kind: 'tables', tables: [...desire.tables, ...lingering] };
  }

  /** Forgets what was wanted: this time it is meant. */
  forget(): void {
    this.#kept.clear();
  }

  /** Milliseconds until the first of them is wanted no longer; null when all of them are. */
  nextMs(): number | null {
    const now = this.#clock.monotonicMs();
    const untils = [...this.#kept.values()].flatMap(({ untilMs }) =>
      untilMs === null ? [] : [untilMs - now],
    );
    return untils.length === 0 ? null : Math.max(0, Math.min(...untils));
  }
}
