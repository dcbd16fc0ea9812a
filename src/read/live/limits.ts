import { NearjoinError } from '../../core/errors.ts';
import { printTable } from '../../core/names.ts';
import type { Join, PlanTable } from '../../plan/plan.ts';

/** The error of a place of a live answer that needs more than the limit allows. `join` is how it is reached. */
export function beyondLimit(place: PlanTable, join: Join | null, what: string): NearjoinError {
  const relationship = join === null ? '' : ` for relationship "${join.name}"`;
  return new NearjoinError(
    'live-limit-exceeded',
    `a live answer would need ${what} in "${printTable(place.ref)}" of "${place.source}"${relationship}: filter or limit the rows, or allow the cache to answer`,
  );
}
