import { NearjoinError } from '../../core/errors.ts';
import { printTable } from '../../core/names.ts';
import type { Join, PlanTable } from '../../plan/plan.ts';

/** Refuses to look for the rows that a function answers: there are none to be fetched without the row that it is about. */
export function refuseCall({ source, ref, call }: PlanTable, join: Join | null): void {
  if (call === undefined) return;
  throw new NearjoinError(
    'not-supported',
    `computed field "${join?.name ?? call.ref.name}", rows of "${printTable(ref)}" of "${source}", can be part of this query only where "${source}" answers all that is beside and below it by itself`,
  );
}

/** The error of a place of a live answer that needs more than the limit allows. `join` is how it is reached. */
export function beyondLimit(place: PlanTable, join: Join | null, what: string): NearjoinError {
  const relationship = join === null ? '' : ` for relationship "${join.name}"`;
  return new NearjoinError(
    'live-limit-exceeded',
    `a live answer would need ${what} in "${printTable(place.ref)}" of "${place.source}"${relationship}: filter or limit the rows, or allow the cache to answer`,
  );
}
