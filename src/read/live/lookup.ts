import type { Column } from '../../catalog/catalog.ts';
import { computedOf, isStored } from '../../plan/computed-parts.ts';
import type { Join, OrderItem, PlanTable, Predicate, Select } from '../../plan/plan.ts';
import { TRUE } from '../../plan/predicates.ts';
import { byColumn } from '../../sql/rows/rows.ts';
import type { RelatedField } from '../../sql/shape/gap.ts';
import { decidableAt, isDecidedThere, joinsByBytes, ordersAlike } from './decidable.ts';

/** How rows of one place are fetched. */
export interface Lookup {
  readonly place: PlanTable;
  /** How the place is reached; null where every row that satisfies the filter counts. */
  readonly join: Join | null;
  readonly where: Predicate;
  /** `where` is all of the place's filter. */
  readonly filtered: boolean;
  readonly perKey: { readonly orderBy: readonly OrderItem[]; readonly limit: number } | null;
  /** When the rows come from a call about another row: the place of that row. */
  readonly about: PlanTable | null;
  /** The computed columns to fetch. */
  readonly computes: readonly Column[];
  /** The source has decided which cells the role may see, and marks the keys that way. */
  readonly marked: boolean;
}

/** A look-up of rows by the keys of others. */
export type KeyedLookup = Lookup & { readonly join: Join };

/**
 * A look-up of a place's rows, which belong to rows of `left`. Conditions that the target cannot decide alone are left to the
 * source; then computed columns are left for later too.
 */
export function lookupOf<J extends Join | null>(
  place: PlanTable,
  where: Predicate,
  join: J,
  left: PlanTable | null,
): Lookup & { readonly join: J } {
  const filtered = isDecidedThere(place, where);
  const computes = filtered ? computedOf(place) : [];
  const decidable = decidableAt(where, place.source, place);
  const common = { place, where: decidable, filtered, perKey: null, computes, marked: false };
  if (place.call?.row === undefined || join === null || left === null)
    return { ...common, join, about: null };
  return { ...common, join: { ...join, on: itself(left) }, about: left };
}

/** A look-up of rows that were fetched before, this time with computed columns; `filtered` as in `Lookup`. */
export function lookupAgain(place: PlanTable, computes: readonly Column[], filtered: boolean): KeyedLookup {
  const join = { name: place.ref.name, on: itself(place), unique: true, indexed: true };
  return { place, join, where: TRUE, filtered, perKey: null, about: null, computes, marked: true };
}

/** The pairs that join each row to itself. */
function itself({ identity }: PlanTable): Join['on'] {
  return identity.map((column) => ({ left: column, right: column }));
}

/** Whether rows are looked up by the keys of others. */
export function isKeyed(lookup: Lookup): lookup is KeyedLookup {
  return lookup.join !== null;
}

/** The columns by which the final statement will look up the fetched rows. */
export function rightNames({ place, join }: Lookup): readonly string[] {
  return (place.call?.told?.on ?? join?.on ?? []).map((pair) => pair.right.name);
}

/** Cuts the rows of each key in the target; null where the target would not cut them as the source does. */
export function cutPerKey(field: RelatedField, select: Select): Lookup['perKey'] {
  const orderBy = [...select.orderBy, ...select.from.key.map(byColumn)];
  if (field.kind === 'object' || select.from.call?.statement !== undefined) return null;
  if (select.limit === null || select.offset !== null || select.distinctOn.length > 0) return null;
  return ordersAlike(orderBy) && joinsByBytes(field.join) ? { orderBy, limit: select.limit } : null;
}

/** Whether order and limit need no computed column, so that rows can be cut before anything is computed. */
export function cutsBeforeComputing({ from, limit, offset, distinctOn, orderBy }: Select): boolean {
  if (limit === null || offset !== null || distinctOn.length > 0) return false;
  if (computedOf(from).length === 0 || from.call !== undefined || from.guarded.length > 0) return false;
  return orderBy.every(
    ({ path, by }) => path.length === 0 && by.kind === 'column' && by.onlyIf === null && isStored(by.column),
  );
}

/** The same join walked the other way. */
export function reversed({ name, on }: Join): Join {
  const back = on.map(({ left, right }) => ({ left: right, right: left }));
  return { name, on: back, unique: false, indexed: false };
}
