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

/** Every place that a predicate reads, however deep. */
export function placesIn(predicate: Predicate): readonly PlanTable[] {
  switch (predicate.kind) {
    case 'and':
    case 'or':
      return predicate.of.flatMap(placesIn);
    case 'not':
    case 'is-true':
      return placesIn(predicate.of);
    case 'exists':
    case 'exists-table':
    case 'exists-aggregate':
      return [predicate.to, ...placesIn(predicate.where)];
    default:
      return [];
  }
}
