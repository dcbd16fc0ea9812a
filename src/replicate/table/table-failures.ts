import { keptIn } from '../../core/kept-in.ts';
import { type TableRef, tableKey } from '../../core/names.ts';
import type { Clock } from '../../core/waiting/clock.ts';
import { Backoff } from '../backoff.ts';

interface Failure {
  readonly backoff: Backoff;
  /** When it was heard of last. */
  atMs: number;
  reason: string;
  /** Until then the table is left alone; copied again at once when that has passed. */
  untilMs: number;
  /** The generation that the stream can no longer be applied to; null when there is none. */
  broken: string | null;
  /** Only its copy was interrupted: what there is of it stays. */
  interrupted: boolean;
}

const FIRST_REST_MS = 2_000;
const LONGEST_REST_MS = 300_000;
/** What fails after so long has nothing to do with what failed before. */
const WELL_AFTER_MS = 3_600_000;

/** Which tables of a feed failed, so that one that fails again and again rests longer and longer. */
export class TableFailures {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #failures = new Map<string, Failure>();
  #lookedMs = 0;

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  /**
   * The stream cannot be applied to one generation of the table, which is copied again. The first time that happens at once,
   * unless `leastMs` asks for a rest.
   */
  broke(
    { table, relation, message }: { table: TableRef; relation: string; message: string },
    leastMs: number,
  ): void {
    const failure = this.#failureOf(table, message);
    failure.broken = relation;
    failure.interrupted = false;
    const pauseMs = failure.backoff.nextMs();
    const isAtOnce = failure.backoff.failures === 1 && leastMs === 0;
    failure.untilMs = isAtOnce ? 0 : this.#clock.monotonicMs() + Math.max(leastMs, pauseMs);
  }

  /** A copy of the table failed; it is left alone for so long at least. */
  copyFailed(table: TableRef, reason: string, leastMs: number): void {
    const failure = this.#failureOf(table, reason);
    failure.interrupted = false;
    failure.untilMs = this.#clock.monotonicMs() + Math.max(leastMs, failure.backoff.nextMs());
  }

  /** A copy was interrupted and will go on where it is. */
  copyInterrupted(table: TableRef, reason: string): void {
    const failure = this.#failureOf(table, reason);
    failure.interrupted = true;
    failure.untilMs = this.#clock.monotonicMs() + failure.backoff.nextMs();
  }

  /** The broken copies are gone. */
  discarded(): void {
    for (const failure of this.#failures.values()) failure.broken = null;
  }

  /** An administrator wants everything tried now. */
  forget(): void {
    this.#failures.clear();
  }

  /** No table rests any longer; those that fail again rest for as long as if they had. */
  wake(): void {
    for (const failure of this.#failures.values()) failure.untilMs = 0;
  }

  /** The tables are looked at: those that rest now are left alone until they are looked at again. */
  looked(): void {
    this.#lookedMs = this.#clock.monotonicMs();
  }

  /** Some table failed lately. */
  get isTroubled(): boolean {
    return this.#failures.size > 0;
  }

  /** Generations that cannot be used, by the names of their relations, and why. */
  broken(): ReadonlyMap<string, string> {
    const found = [...this.#failures.values()].flatMap(({ broken, reason }) =>
      broken === null ? [] : [[broken, reason] as const],
    );
    return new Map(found);
  }

  /** Tables to leave alone for now, and why. */
  resting(): ReadonlyMap<string, string> {
    const now = this.#clock.monotonicMs();
    return this.#reasons((failure) => failure.untilMs > now && !failure.interrupted);
  }

  /** Tables whose interrupted copy is not to go on yet. */
  interrupted(): ReadonlySet<string> {
    const now = this.#clock.monotonicMs();
    return new Set(this.#reasons((failure) => failure.untilMs > now && failure.interrupted).keys());
  }

  /** Milliseconds until the first table that rested when they were looked at may be tried again; null when none did. */
  nextMs(): number | null {
    const untils = [...this.#failures.values()]
      .map(({ untilMs }) => untilMs)
      .filter((ms) => ms > this.#lookedMs);
    return untils.length === 0 ? null : Math.max(0, Math.min(...untils) - this.#clock.monotonicMs());
  }

  #failureOf(table: TableRef, reason: string): Failure {
    const failure = keptIn(this.#failures, tableKey(table), () => this.#none());
    const now = this.#clock.monotonicMs();
    if (now - failure.atMs >= WELL_AFTER_MS) failure.backoff.succeeded();
    failure.atMs = now;
    failure.reason = reason;
    return failure;
  }

  #none(): Failure {
    const backoff = new Backoff(FIRST_REST_MS, LONGEST_REST_MS, this.#random);
    return { backoff, atMs: 0, reason: '', untilMs: 0, broken: null, interrupted: false };
  }

  #reasons(which: (failure: Failure) => boolean): ReadonlyMap<string, string> {
    const found = [...this.#failures].filter(([, failure]) => which(failure));
    return new Map(found.map(([key, { reason }]) => [key, reason]));
  }
}
