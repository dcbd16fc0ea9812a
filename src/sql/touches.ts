import type { OrderItem, PlanTable, Predicate } from '../plan/plan.ts';

/** Whether the rows of a select are found or ordered through a table outside its database. */
export function touchesRemote(
  select: { readonly where: Predicate; readonly orderBy: readonly OrderItem[] },
  isRemote: (table: PlanTable) => boolean,
): boolean {
  const inPath = (item: OrderItem): boolean =>
    item.path.some((step) => isRemote(step.to) || placesIn(step.where).some(isRemote));
  return placesIn(select.where).some(isRemote) || select.orderBy.some(inPath);
}

/** A place, and the filter that its rows have there. */
export interface Filtered {
  readonly place: PlanTable;
  readonly where: Predicate;
}

/** Every place that a predicate reads, however deep. */
export function placesIn(predicate: Predicate): readonly PlanTable[] {
  return filtersIn(predicate).map(({ place }) => place);
}

/** The same places with their filters. */
export function filtersIn(predicate: Predicate): readonly Filtered[] {
  switch (predicate.kind) {
    case 'and':
    case 'or':
      return predicate.of.flatMap(filtersIn);
    case 'not':
    case 'is-true':
      return filtersIn(predicate.of);
    case 'exists':
    case 'exists-table':
    case 'exists-aggregate':
      return [{ place: predicate.to, where: predicate.where }, ...filtersIn(predicate.where)];
    default:
      return [];
  }
}
