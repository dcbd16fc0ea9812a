import type { Column } from '../../catalog/catalog.ts';
import { heldType, NO_TYPES } from '../../catalog/type/held-type.ts';
import { sameTable } from '../../core/names.ts';
import type { PlanTable } from '../../plan/plan.ts';
import type { RowsCall } from '../../plan/rows-call.ts';
import type { LeafColumn } from '../../sql/place/leaf.ts';
import type { SourceGroup } from '../source-group.ts';

/** How the source holds a remote table, where it does. */
export type HeldTypes = (table: PlanTable) => readonly LeafColumn[] | null;

/**
 * The columns to fetch for a place: what the plan reads of the table at any place, what it reads here (computed fields too), and
 * the key. They have the types of the table's cache, or those that a cache made now would have.
 */
export function leafColumns(
  place: PlanTable,
  group: SourceGroup,
  heldTypes: HeldTypes,
): readonly LeafColumn[] {
  const use = group.remotes.find((remote) => remote.target === place.source);
  const of = use?.tables.find(({ table }) => sameTable(table, place.ref))?.columns ?? [];
  const wanted = place.call === undefined ? of : toldBy(place.call);
  const columns = new Map([...wanted, ...place.columns, ...place.key].map((column) => [column.name, column]));
  const held = heldTypes(place);
  const known = use?.known ?? NO_TYPES;
  return [...columns.values()].map(({ name, type }) => ({
    name,
    type: held?.find((column) => column.name === name)?.type ?? heldType(type, known),
  }));
}

/** Rows of a call are read at one place only; besides, they need to say which row they are of, and their number. */
function toldBy({ told }: RowsCall): readonly Column[] {
  return told === undefined ? [] : [...told.on.map(({ right }) => right), told.number];
}
