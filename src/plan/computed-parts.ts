import type { Column } from '../catalog/catalog.ts';
import type { PlanTable, Predicate } from './plan.ts';
import { conditionsIn } from './predicates.ts';

/** What is computed at a place. */
export function computedOf({ columns }: PlanTable): readonly Column[] {
  return columns.filter(isComputed);
}

/** What a condition looks at of what is computed for the very row that it is about. */
export function computedIn(where: Predicate): readonly Column[] {
  return conditionsIn(where).flatMap((condition) =>
    'column' in condition && isComputed(condition.column) ? [condition.column] : [],
  );
}

/** Whether a function has to be called with the very row that a condition is about. */
export function callsForRow(where: Predicate): boolean {
  return conditionsIn(where).some((condition) =>
    condition.kind === 'exists' || condition.kind === 'exists-aggregate'
      ? condition.to.call !== undefined
      : computedIn(condition).length > 0,
  );
}

/**
 * What must hold of a row before a field of it is computed, beside the place's filter; null where nothing must. What the role's own
 * rules look at is computed to decide them.
 */
export function guardOf(place: PlanTable, column: Column): Predicate | null {
  const guard = place.guarded.find((one) => one.column.name === column.name)?.onlyIf ?? null;
  const rules = [...place.permitted, ...place.guarded.map(({ onlyIf }) => onlyIf)];
  return rules.flatMap(computedIn).some(({ name }) => name === column.name) ? null : guard;
}

/** Whether a column is stored nowhere. */
function isComputed({ computed }: Column): boolean {
  return computed !== undefined;
}

/** Whether a column is one of its table. */
export function isStored({ computed, beside }: Column): boolean {
  return computed === undefined && beside === undefined;
}
