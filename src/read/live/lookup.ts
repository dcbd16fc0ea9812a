import type { Join, OrderItem, PlanTable, Predicate, Select } from '../../plan/plan.ts';
import type { RelatedField } from '../../sql/gap.ts';
import { byColumn } from '../../sql/rows.ts';
import { joinsByBytes, ordersAlike } from './scope-of-work.ts';

/** How rows of one place are fetched. */
export interface Lookup {
  readonly place: PlanTable;
  /** How the place is reached; null where every row that satisfies the filter counts. */
  readonly join: Join | null;
  readonly where: Predicate;
  /** `where` is all of the place's filter. */
  readonly filtered: boolean;
  readonly perKey: { readonly orderBy: readonly OrderItem[]; readonly limit: number } | null;
}

/** A look-up of rows by the keys of others. */
export type KeyedLookup = Lookup & { readonly join: Join };

/** Whether rows are looked up by the keys of others. */
export function isKeyed(lookup: Lookup): lookup is KeyedLookup {
  return lookup.join !== null;
}

/** The columns that a join looks rows up by. */
export function rightNames(join: Join): readonly string[] {
  return join.on.map((pair) => pair.right.name);
}

/** The first rows of each key, where the target orders rows as the source does. */
export function cutPerKey(field: RelatedField, select: Select): Lookup['perKey'] {
  const orderBy = [...select.orderBy, ...select.from.key.map(byColumn)];
  if (field.kind === 'object') return null;
  if (select.limit === null || select.offset !== null || select.distinctOn.length > 0) return null;
  return ordersAlike(orderBy) && joinsByBytes(field.join) ? { orderBy, limit: select.limit } : null;
}

/** The same join walked the other way. */
export function reversed({ name, on }: Join): Join {
  const back = on.map(({ left, right }) => ({ left: right, right: left }));
  return { name, on: back, unique: false, indexed: false };
}
