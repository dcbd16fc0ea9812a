import { type Catalog, type Column, findTable, type Table } from '../../catalog/catalog.ts';
import type { Spelling } from '../../catalog/part/spelling.ts';
import type { VisibleTable } from '../role/visible.ts';
import type { Enumeration } from '../value/encode.ts';

/** The enum a column's values come from, when it points at an enum table; roles need not see that table. */
export function enumerationOf(catalog: Catalog, table: Table, column: Column): Enumeration | null {
  if (column.enumTable === null) return null;
  const target = findTable(catalog, table.source, column.enumTable);
  if (target === undefined || target.enumValues === null) return null;
  const stored = new Map(target.enumValues.map(({ value }) => [target.spelling.enumValue(value), value]));
  return { name: target.derivedType('_enum'), values: [...stored.keys()], stored };
}

/** The columns a role may name in `distinct_on` and `count(columns:)`: the key first, then by name. */
export function selectColumns(view: VisibleTable): Enumeration {
  const keys = new Set(view.table.primaryKey.map(({ field }) => field));
  const values = [...view.columnByField.keys()].sort(
    (a, b) => Number(keys.has(b)) - Number(keys.has(a)) || (a < b ? -1 : 1),
  );
  return { name: view.table.derivedType('_select_column'), values };
}

const DIRECTIONS = [
  'asc',
  'asc_nulls_first',
  'asc_nulls_last',
  'desc',
  'desc_nulls_first',
  'desc_nulls_last',
];

/** The directions of an ordering as a source spells them. */
export function orderings({ type, enumValue }: Spelling): Enumeration {
  return { name: type('order_by'), values: DIRECTIONS.map(enumValue) };
}
