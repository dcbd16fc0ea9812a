import type { Column, JoinPair, Table } from '../catalog.ts';

/** The table with each of its columns changed; `now` gives the changed column for one of before. */
export function withColumns(
  table: Table,
  change: (column: Column) => Column,
): { readonly table: Table; readonly now: <C extends JoinPair['left']>(column: C) => C } {
  const changed = new Map<object, Column>(table.columns.map((column) => [column, change(column)]));
  const now = <C extends JoinPair['left']>(column: C): C => (changed.get(column) as C | undefined) ?? column;
  const columns = table.columns.map(now);
  return {
    now,
    table: {
      ...table,
      columns,
      columnByField: new Map([...table.columnByField].map(([field, column]) => [field, now(column)])),
      columnByName: new Map(columns.map((column) => [column.name, column])),
      primaryKey: table.primaryKey.map(now),
    },
  };
}
