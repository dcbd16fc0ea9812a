import type { Column } from '../../catalog/catalog.ts';
import { heldType, NO_TYPES } from '../../catalog/type/held-type.ts';
import { sameTable } from '../../core/names.ts';
import type { PlanTable } from '../../plan/plan.ts';
import type { RowsCall } from '../../plan/rows-call.ts';
import type { LeafColumn } from '../../sql/place/leaf.ts';
import type { SourceGroup } from '../compiled-plan.ts';

/** How the source holds a remote table, where it does. */
export type HeldTypes = (table: PlanTable) => readonly LeafColumn[] | null;

/**
 * What to fetch of a table: what the plan reads of it anywhere, its key, and of computed fields what it reads here alone, typed as its cache is, or as one that is made
 * now would be.
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

/** What a call answers is read at its own place alone; it is told whose it is, and its number. */
function toldBy({ told }: RowsCall): readonly Column[] {
  return told === undefined ? [] : [...told.on.map(({ right }) => right), told.number];
}
