import type { Relationship, Table } from './catalog.ts';

/** The table as far as the rows of a function are like its own: without what only its own keep to. */
export function looseRows(table: Table): Table {
  const changed = new Map(table.columns.map((column) => [column, { ...column, notNull: false }]));
  const now = <C extends Table['columns'][number]>(column: C): C =>
    (changed.get(column) as C | undefined) ?? column;
  const relationship = (one: Relationship): Relationship => ({
    ...one,
    total: false,
    on: one.on.map(({ left, right }) => ({ left: now(left), right })),
  });
  const columns = table.columns.map(now);
  return {
    ...table,
    columns,
    columnByField: new Map([...table.columnByField].map(([field, column]) => [field, now(column)])),
    columnByName: new Map(columns.map((column) => [column.name, column])),
    primaryKey: [],
    uniqueKeys: [],
    relationships: new Map([...table.relationships].map(([name, one]) => [name, relationship(one)])),
  };
}
