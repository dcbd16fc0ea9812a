import type { Clock } from '../../core/waiting/clock.ts';
import type { WireRow } from './request.ts';

/** A statement for one request, and for many of them in one execution. */
export interface SharedStatement {
  readonly text: string;
  readonly together: {
    /** Each parameter is an array of what the requests have for it; the last cell of a row is the request's place, from 1. */
    readonly text: string;
    /** Finds no more than a few rows by key. */
    readonly isLookUp: boolean;
  };
}

type Together = SharedStatement['together'];

/** Most requests that share an execution: beyond it little is saved, and the first would wait for the last. */
export const MOST_TOGETHER = 32;
/** What one execution may cost in the planner's units, a millisecond or so: longer ones do better side by side. */
const MOST_COST = 240;
/** How long the planner's word holds: it may judge otherwise once tables have grown. */
const VALID_MS = 60_000;
/** If executions take so long again and again the planner was wrong. Once, any execution may, while it waits for a core. */
const SLOW_MS = 50;
/** They must also take so many times what one request takes alone: where all take long, sharing spares the database most. */
const SLOW_TIMES = 3;
/** What one request takes alone is the mean of about so many. */
const REMEMBERED = 8;
/** More than the sessions of a pool, all of which are late when the machine or this process stands still. */
const MOST_SLOW = 8;
/** So many that were not slow make up for one that was. */
const QUICK_FOR_SLOW = 16;

interface Share {
  readonly most: number;
  readonly untilMs: number;
  /** Slow executions, less what others made up for. */
  slow: number;
  /** What one request takes alone; 0 while none has gone alone. */
  aloneMs: number;
}

/** How many requests of a statement may share an execution: as many as the database thinks are little work together. */
export class Shares {
  readonly #clock: Clock;
  /** For as long as a statement is kept. */
  readonly #known = new WeakMap<Together, Share>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * How many, as far as is known now. If that is not known well the database is asked meanwhile; `ask` runs a text with the
   * parameters of the shared statement.
   */
  most({ together }: SharedStatement, ask: (text: string) => Promise<readonly WireRow[]>): number {
    if (together.isLookUp) return MOST_TOGETHER;
    const known = this.#known.get(together);
    if (known !== undefined && this.#clock.monotonicMs() < known.untilMs) return known.most;
    const most = known?.most ?? 1;
    this.#set(together, most);
    ask(`explain (format json) ${together.text}`).then(
      (rows) => this.#set(together, mostFor(costOfOne(rows))),
      // Who brought what Postgres refuses hears of it from an execution of his own; the next time asks again.
      () => this.#known.delete(together),
    );
    return most;
  }

  /**
   * Notes how long an execution for so many requests took. Where that is too long too often, each request goes alone for a
   * while.
   */
  took({ together }: SharedStatement, requests: number, ms: number): void {
    const share = this.#known.get(together);
    if (share === undefined) return;
    if (requests === 1) {
      share.aloneMs += (ms - share.aloneMs) / (share.aloneMs === 0 ? 1 : REMEMBERED);
      return;
    }
    const isSlow = ms > Math.max(SLOW_MS, share.aloneMs * SLOW_TIMES);
    share.slow = isSlow ? share.slow + 1 : Math.max(0, share.slow - 1 / QUICK_FOR_SLOW);
    if (share.slow >= MOST_SLOW) this.#set(together, 1);
  }

  #set(together: Together, most: number): void {
    const aloneMs = this.#known.get(together)?.aloneMs ?? 0;
    this.#known.set(together, { most, untilMs: this.#clock.monotonicMs() + VALID_MS, slow: 0, aloneMs });
  }
}

function mostFor(cost: number): number {
  return Math.max(1, Math.min(MOST_TOGETHER, Math.floor(MOST_COST / cost)));
}

/** The plan's top makes a row for each request. */
function costOfOne(rows: readonly WireRow[]): number {
  const [explained] = JSON.parse(String(rows[0]?.[0])) as readonly { readonly Plan: Plan }[];
  const { 'Total Cost': cost, 'Plan Rows': requests } = explained?.Plan ?? NO_PLAN;
  return cost / requests;
}

interface Plan {
  readonly 'Total Cost': number;
  readonly 'Plan Rows': number;
}

const NO_PLAN: Plan = { 'Total Cost': Number.POSITIVE_INFINITY, 'Plan Rows': 1 };
