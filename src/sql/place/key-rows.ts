import type { Column } from '../../catalog/catalog.ts';
import type { PlanTable } from '../../plan/plan.ts';
import { type Sql, separated, sql, syntax, unnested } from '../sql.ts';
import type { RowScope } from './scope.ts';

/** Lists, one for each column of some keys, as a FROM item: `k`, with the columns `k0`, `k1` and so on. */
export function keyList(lists: readonly Sql[]): Sql {
  const names = lists.map((_, i) => syntax(`k${i}`));
  return sql`${unnested(lists)} as k(${separated(names, ', ')})`;
}

/** A key of such a list, standing for its row: nothing else of the row can be read. */
export function keyRow(table: PlanTable, columns: readonly Column[]): RowScope {
  return {
    table,
    filtered: false,
    atHome: true,
    read: ({ name }) => syntax(`k.k${columns.findIndex((column) => column.name === name)}`),
    heldAs: () => null,
    whole: () => {
      throw new Error('bug: a key is not a whole row');
    },
  };
}
