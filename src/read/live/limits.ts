import { NearjoinError } from '../../core/errors.ts';
import { printTable } from '../../core/names.ts';
import type { Join, PlanTable, Predicate } from '../../plan/plan.ts';
import { conjuncts } from '../../plan/predicates.ts';

/**
 * Refuses to compute for rows that may be hidden from the role: a function says in its error what it likes. Where the target
 * cannot apply the role's rule by itself, it would be called with every row that is looked up.
 */
export function refuseHidden({ source, ref, columns, permitted }: PlanTable, where: Predicate): void {
  const computed = columns.find((column) => column.computed !== undefined);
  const applied = conjuncts(where);
  if (computed === undefined || permitted.every((rule) => applied.includes(rule))) return;
  throw new NearjoinError(
    'not-supported',
    `computed field "${computed.field}" of "${printTable(ref)}" of "${source}" cannot be read in this query: the rule of the role, or a condition beside one that calls a function, needs another database to be decided`,
  );
}

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
