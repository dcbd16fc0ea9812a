import { type SourceName, sameTable } from '../core/names.ts';
import type { PlanTable, RootField } from '../plan/plan.ts';
import type { Leaf, LeafColumn, Leaves } from '../sql/place/leaf.ts';
import type { Foreseen } from './choose-leaves.ts';
import { filteredThere } from './live/scope-of-work.ts';

/** Leaves as they would be chosen now; what would be fetched is shown as fetched rows, which their target has filtered where it can. */
export function explainedLeaves(
  root: RootField,
  targets: readonly Foreseen[],
  source: SourceName,
  columnsOf: (table: PlanTable) => readonly LeafColumn[],
): Leaves {
  const filtered = filteredThere(root);
  return (table): Leaf => {
    if (table.source === source) return { kind: 'table' };
    const choice = targets.find(({ target }) => target === table.source)?.choice;
    const cache =
      choice?.route === 'cache' ? choice.tables.find((held) => sameTable(held.table, table.ref)) : undefined;
    if (cache !== undefined) return { kind: 'cache', relation: cache.relation, columns: cache.columns };
    return { kind: 'inline', columns: columnsOf(table), filtered: filtered.has(table.id) };
  };
}
