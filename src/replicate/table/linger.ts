import { type TableRef, tableKey } from '../../core/names.ts';
import type { Clock } from '../../core/waiting/clock.ts';
import type { Wanted } from './wanted.ts';

/** A table that is wanted no more, and how long its copy stays. */
export interface Lingering {
  readonly table: TableRef;
  readonly leftMs: number;
}

interface Kept {
  readonly table: TableRef;
  /** Null while the catalog wants it. */
  untilMs: number | null;
}

/**
 * Keeps the copies of tables for a while after the catalog has stopped wanting them: a slip in the metadata, put right a
 * moment later, must not cost a copy of a hundred million rows.
 */
export class Linger {
  readonly #delayMs: number;
  readonly #clock: Clock;
  readonly #kept = new Map<string, Kept>();
  #isMeant = false;

  constructor(delayMs: number, clock: Clock) {
    this.#delayMs = delayMs;
    this.#clock = clock;
  }

  /** What is wanted, with the tables that were wanted until a moment ago. */
  soften(asked: Wanted): Wanted {
    if (asked.kind === 'unknown') return asked;
    if (asked.tables.length > 0) this.#isMeant = false;
    const wanted = new Set(asked.tables.map(({ table }) => tableKey(table.ref)));
    for (const { table } of asked.tables)
      this.#kept.set(tableKey(table.ref), { table: table.ref, untilMs: null });
    const now = this.#clock.monotonicMs();
    for (const [key, kept] of this.#kept) {
      if (wanted.has(key)) continue;
      kept.untilMs ??= now + this.#delayMs;
      if (kept.untilMs <= now) this.#kept.delete(key);
    }
    return { ...asked, lingering: this.lingering().map(({ table }) => table) };
  }

  /**
   * Takes over the copies that an earlier leader left, each with what is left of its time; null where nobody has noticed
   * yet that it is wanted no more.
   */
  restore(copies: readonly { readonly table: TableRef; readonly leftMs: number | null }[]): void {
    if (this.#isMeant) return;
    const now = this.#clock.monotonicMs();
    for (const { table, leftMs } of copies) {
      const key = tableKey(table);
      // More than that is left only where the source's clock was set back.
      const untilMs = leftMs === null ? null : now + Math.min(leftMs, this.#delayMs);
      if (!this.#kept.has(key)) this.#kept.set(key, { table, untilMs });
    }
  }

  /** Forgets what was wanted: this time it is meant. */
  forget(): void {
    this.#isMeant = true;
    this.#kept.clear();
  }

  /** The tables that are wanted no more and whose time is not over. */
  lingering(): readonly Lingering[] {
    const now = this.#clock.monotonicMs();
    return [...this.#kept.values()].flatMap(({ table, untilMs }) =>
      untilMs === null ? [] : [{ table, leftMs: Math.max(0, untilMs - now) }],
    );
  }

  /** Milliseconds until the first of them is wanted no longer; null when all of them are. */
  nextMs(): number | null {
    const lefts = this.lingering().map(({ leftMs }) => leftMs);
    return lefts.length === 0 ? null : Math.min(...lefts);
  }
}
