import { type SourceName, sameTable } from '../core/names.ts';
import type { PlanTable } from '../plan/plan.ts';
import { heldType, type Leaf } from '../sql/leaf.ts';
import type { LeafChoice } from './choose-leaves.ts';

/** Leaves as they would be chosen now; what would be fetched is shown as fetched rows. */
export function explainedLeaves(
  targets: readonly { readonly target: SourceName; readonly choice: LeafChoice }[],
  source: SourceName,
): (table: PlanTable) => Leaf {
  return (table) => {
    if (table.source === source) return { kind: 'table' };
    const choice = targets.find(({ target }) => target === table.source)?.choice;
    const cache =
      choice?.route === 'cache' ? choice.tables.find((held) => sameTable(held.table, table.ref)) : undefined;
    if (cache !== undefined) return { kind: 'cache', relation: cache.relation, columns: cache.columns };
    const columns = [
      ...table.columns,
      ...table.key.filter((key) => !table.columns.some(({ name }) => name === key.name)),
    ];
    return {
      kind: 'inline',
      columns: columns.map((column) => ({ name: column.name, type: heldType(column) })),
      filtered: false,
    };
  };
}
