import type { Join, PlanTable } from '../../plan/plan.ts';
import { TRUE } from '../../plan/predicates.ts';
import type { ChainLevel } from '../../sql/live/join-keys.ts';
import { allRows } from '../../sql/rows/rows.ts';

/** The way to the rows whose remote rows are fetched next: levels from a root field, or from fetched rows, down to them. */
export interface Above {
  readonly chain: readonly ChainLevel[];
  /** How the next level is joined to the last. */
  readonly join: Join | null;
}

/** The way to a root field, or to fetched rows: nothing above them matters. */
export const TOP: Above = { chain: [], join: null };

/** All rows that were fetched for a place. */
export function leafLevel(place: PlanTable): ChainLevel {
  return { rows: allRows(place, TRUE), join: null };
}

/** The place whose rows the way leads to. */
export function lastOf(chain: readonly ChainLevel[]): PlanTable | null {
  return chain.at(-1)?.rows.from ?? null;
}
