import { keptIn } from '../core/kept-in.ts';
import type { Clock } from '../core/waiting/clock.ts';
import { Stop, type StopSignal } from '../core/waiting/stop-signal.ts';
import type { CompiledPlan } from '../read/compiled-plan.ts';
import { MOST_TOGETHER } from '../read/wire/shares.ts';

/** How long a round is meant to take: other plans wait for it. */
const ROUND_MS = 25;
/** What takes longer does not keep those waiting that are quick: perhaps somebody holds a lock, or a network is silent. */
const LATE_MS = 250;
/** Any round may be late for a moment: late ones in a row make their plan late once they have taken so long together. */
const FORGIVEN_MS = 2 * LATE_MS;

/** One reading, which is told how many begin with it. */
type Reading = (together: number) => Promise<unknown>;

/** Readings that have begun together. */
interface Round {
  readonly plan: CompiledPlan;
  isLate: boolean;
}

/**
 * Lets so many rounds of readings go on at once. Those that wait with one plan begin together, so that the read lane
 * can answer them by one execution: as many as were done in time before. Plans take turns; late ones leave a place to the
 * others, which begin beside them when all places are taken by what has become late.
 */
export class Rounds {
  readonly #clock: Clock;
  readonly #atOnce: number;
  readonly #running = new Set<Round>();
  /** By plan, the plan whose turn is next first; its readings in the order they came. */
  readonly #waiting = new Map<CompiledPlan, Set<Reading>>();
  readonly #sizes = new WeakMap<CompiledPlan, number>();
  /** By plan, what its last rounds took together, all of which were late. */
  readonly #lateMs = new WeakMap<CompiledPlan, number>();

  constructor(atOnce: number, clock: Clock) {
    this.#atOnce = atOnce;
    this.#clock = clock;
  }

  /** Reads when its turn has come; throws the signal's reason when that aborts first. */
  take<T>(plan: CompiledPlan, read: (together: number) => Promise<T>, signal: StopSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const waiting = keptIn(this.#waiting, plan, () => new Set());
      const leave = (): void => {
        waiting.delete(mine);
        if (waiting.size === 0) this.#waiting.delete(plan);
        reject(signal.reason);
      };
      const mine: Reading = (together) => {
        signal.removeEventListener('abort', leave);
        const reading = read(together);
        resolve(reading);
        return reading;
      };
      signal.addEventListener('abort', leave);
      waiting.add(mine);
      this.#begin();
    });
  }

  #begin(): void {
    for (const [plan, waiting] of this.#waiting) {
      const late = [...this.#running].filter(({ isLate }) => isLate).length;
      const isFull = this.#running.size >= this.#atOnce;
      if (isFull && late < this.#running.size) return;
      if (this.#isLate(plan) && (isFull || late >= Math.max(1, this.#atOnce - 1))) continue;
      const readings = [...waiting].slice(0, this.#sizes.get(plan) ?? 1);
      for (const reading of readings) waiting.delete(reading);
      // Behind the others, if any are left.
      this.#waiting.delete(plan);
      if (waiting.size > 0) this.#waiting.set(plan, waiting);
      void this.#run(plan, readings);
    }
  }

  async #run(plan: CompiledPlan, readings: readonly Reading[]): Promise<void> {
    const startedMs = this.#clock.monotonicMs();
    const ended = new Stop();
    const round = { plan, isLate: this.#isLate(plan) };
    this.#running.add(round);
    void this.#watch(round, ended);
    await Promise.allSettled(readings.map((reading) => reading(readings.length)));
    ended.abort(null);
    this.#running.delete(round);
    const tookMs = this.#clock.monotonicMs() - startedMs;
    this.#sizes.set(plan, sizeAfter(readings.length, tookMs));
    const before = this.#lateMs.get(plan) ?? 0;
    this.#lateMs.set(plan, round.isLate && tookMs >= LATE_MS ? before + tookMs : 0);
    this.#begin();
  }

  /** Whether a round of it takes long, or its last ones did. */
  #isLate(plan: CompiledPlan): boolean {
    if ((this.#lateMs.get(plan) ?? 0) >= FORGIVEN_MS) return true;
    return [...this.#running].some((round) => round.isLate && round.plan === plan);
  }

  /** Notes when it becomes late. A timer that comes much too late has told of this process, which stood still, and nothing of the round. */
  async #watch(round: Round, ended: StopSignal): Promise<void> {
    let sinceMs: number;
    do {
      sinceMs = this.#clock.monotonicMs();
      await this.#clock.delay(LATE_MS, ended);
      if (ended.aborted) return;
    } while (this.#clock.monotonicMs() - sinceMs >= LATE_MS * 1.5);
    round.isLate = true;
    this.#begin();
  }
}

/** How many are done in time if each takes its share of what the last ones took together. */
function sizeAfter(size: number, tookMs: number): number {
  return Math.max(1, Math.min(MOST_TOGETHER, Math.floor((size * ROUND_MS) / tookMs)));
}
