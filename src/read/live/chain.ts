import type { Join, PlanTable, Predicate } from '../../plan/plan.ts';
import type { ChainLevel } from '../../sql/live/join-keys.ts';
import type { RowsOf } from '../../sql/rows/rows.ts';

/** Where the rows are whose remote rows come next: levels from a root field or from fetched rows down to them. */
export interface Above {
  readonly chain: readonly ChainLevel[];
  /** How the next level hangs on the last. */
  readonly join: Join | null;
}

/** Nothing is above a root field, and nothing that matters above fetched rows. */
export const TOP: Above = { chain: [], join: null };

/** All rows that satisfy a filter. */
export function bare(from: PlanTable, where: Predicate): RowsOf {
  return {
    from,
    fields: [],
    where,
    orderBy: [],
    distinctOn: [],
    distinctOnlyIf: [],
    limit: null,
    offset: null,
  };
}

/** All rows that were fetched for a place. */
export function leafLevel(place: PlanTable): ChainLevel {
  return { rows: bare(place, { kind: 'true' }), join: null };
}

/** The place whose rows the way leads to. */
export function lastOf(chain: readonly ChainLevel[]): PlanTable | null {
  return chain.at(-1)?.rows.from ?? null;
}
