import type { Column } from '../catalog/catalog.ts';
import type { PlanTable, Predicate } from './plan.ts';
import { conditionsIn } from './predicates.ts';

/** The computed columns that are read at a place. */
export function computedOf({ columns }: PlanTable): readonly Column[] {
  return columns.filter(isComputed);
}

/** The computed columns that a condition reads of the row it is about; what it asks of related rows does not count. */
export function computedIn(where: Predicate): readonly Column[] {
  return conditionsIn(where).flatMap((condition) =>
    'column' in condition && isComputed(condition.column) ? [condition.column] : [],
  );
}

/** Whether deciding a condition takes a function call with the row it is about. */
export function callsForRow(where: Predicate): boolean {
  return conditionsIn(where).some((condition) =>
    condition.kind === 'exists' || condition.kind === 'exists-aggregate'
      ? condition.to.call !== undefined
      : computedIn(condition).length > 0,
  );
}

/**
 * The condition, beside the place's filter, under which a column may be computed for a row; null where there is none. A
 * column that the role's own rules read has none: it is computed to decide them.
 */
export function guardOf(place: PlanTable, column: Column): Predicate | null {
  const guard = place.guarded.find((one) => one.column.name === column.name)?.onlyIf ?? null;
  const rules = [...place.permitted, ...place.guarded.map(({ onlyIf }) => onlyIf)];
  return rules.flatMap(computedIn).some(({ name }) => name === column.name) ? null : guard;
}

/** Whether a column's values come from a function. */
function isComputed({ computed }: Column): boolean {
  return computed !== undefined;
}

/** Whether a column is stored in its table: neither computed nor told beside the rows. */
export function isStored({ computed, beside }: Column): boolean {
  return computed === undefined && beside === undefined;
}
