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

/** The error of work that went beyond the limit, null when it did not; any other failure is thrown. */
export async function limitError(work: Promise<void>): Promise<NearjoinError | null> {
  try {
    await work;
    return null;
  } catch (error) {
    if (error instanceof NearjoinError && error.code === 'live-limit-exceeded') return error;
    throw error;
  }
}

/**
 * Waits for works that have begun. Of those that went beyond the limit the first in the list is told, once all are done: then nothing
 * is under way that a caller might begin again. Any other failure is told at once.
 */
export async function sideBySide(works: readonly Promise<void>[]): Promise<void> {
  const [beyond] = (await Promise.all(works.map(limitError))).filter((error) => error !== null);
  if (beyond !== undefined) throw beyond;
}
