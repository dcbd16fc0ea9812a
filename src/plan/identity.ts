import { TEXT } from '../catalog/built-in-types.ts';
import type { Column, ColumnType, Table } from '../catalog/catalog.ts';
import type { RowsCall } from './rows-call.ts';

/** The primary key, else the first unique key without nulls. */
export function keyOf(table: Table): readonly Column[] {
  if (table.primaryKey.length > 0) return table.primaryKey;
  for (const names of table.uniqueKeys) {
    const columns = table.columns.filter((column) => names.includes(column.name));
    if (columns.length === names.length && columns.every((column) => column.notNull)) return columns;
  }
  return [];
}

/** What tells rows apart wherever their values are compared: the key if its types are Postgres' own, else all of the row as a text. */
export function identityOf(table: Table, call: RowsCall | null): readonly Column[] {
  const key = call === null ? keyOf(table) : [];
  return key.length > 0 && key.every(isEqualAnywhere) ? key : [wholeRow(table)];
}

function isEqualAnywhere({ type, loose }: Column): boolean {
  return loose !== true && isBuiltIn(type);
}

function isBuiltIn({ kind, schema, element }: ColumnType): boolean {
  return kind === 'domain' && element !== null
    ? isBuiltIn(element)
    : kind === 'base' && schema === 'pg_catalog';
}

function wholeRow({ columnByName }: Table): Column {
  let name = 'row()';
  while (columnByName.has(name)) name = `${name}_`;
  return {
    name,
    field: name,
    type: TEXT,
    notNull: true,
    generated: false,
    description: null,
    enumTable: null,
    upperCased: false,
    whole: true,
  };
}
