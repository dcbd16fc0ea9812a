import type { Relationship, Table } from '../catalog.ts';
import { withColumns } from './with-columns.ts';

/** The table as rows of a function are like it: without keys and not-null columns, since nobody checks these for them. */
export function looseRows(table: Table): Table {
  const { table: loose, now } = withColumns(table, (column) => ({ ...column, notNull: false }));
  const relationship = (one: Relationship): Relationship => ({
    ...one,
    total: false,
    on: one.on.map(({ left, right }) => ({ left: now(left), right })),
  });
  return {
    ...loose,
    primaryKey: [],
    uniqueKeys: [],
    relationships: new Map([...table.relationships].map(([name, one]) => [name, relationship(one)])),
  };
}
