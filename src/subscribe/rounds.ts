import { keptIn } from '../core/kept-in.ts';
import type { Clock } from '../core/waiting/clock.ts';
import type { StopSignal } from '../core/waiting/stop-signal.ts';
import type { CompiledPlan } from '../read/compiled-plan.ts';

/** Most readings of a round: as many as share an execution. */
const MOST = 32;
/** How long a round is meant to take: other plans wait for it. */
const ROUND_MS = 25;

/** One reading, which is told how many begin with it. */
type Reading = (together: number) => Promise<unknown>;

/**
 * Lets so many rounds of readings go on at once. Those that wait with one plan begin together, so that the read lane
 * can answer them by one execution: as many as were done in time before. Plans take turns.
 */
export class Rounds {
  readonly #clock: Clock;
  #free: number;
  /** By plan, the plan whose turn is next first; its readings in the order they came. */
  readonly #waiting = new Map<CompiledPlan, Set<Reading>>();
  readonly #sizes = new WeakMap<CompiledPlan, number>();

  constructor(atOnce: number, clock: Clock) {
    this.#free = atOnce;
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
      if (this.#free === 0) return;
      const round = [...waiting].slice(0, this.#sizes.get(plan) ?? 1);
      for (const reading of round) waiting.delete(reading);
      // Behind the others, if any are left.
      this.#waiting.delete(plan);
      if (waiting.size > 0) this.#waiting.set(plan, waiting);
      this.#free -= 1;
      void this.#run(plan, round);
    }
  }

  async #run(plan: CompiledPlan, round: readonly Reading[]): Promise<void> {
    const startedMs = this.#clock.monotonicMs();
    await Promise.allSettled(round.map((reading) => reading(round.length)));
    const tookMs = this.#clock.monotonicMs() - startedMs;
    this.#sizes.set(plan, sizeAfter(round.length, tookMs));
    this.#free += 1;
    this.#begin();
  }
}

/** How many are done in time if each takes its share of what the last ones took together. */
function sizeAfter(size: number, tookMs: number): number {
  return Math.max(1, Math.min(MOST, Math.floor((size * ROUND_MS) / tookMs)));
}
