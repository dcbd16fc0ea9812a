import type { Column, ColumnType, JoinPair, Table } from '../../catalog/catalog.ts';
import { BIGINT, TEXT } from '../../catalog/conditions/built-in-types.ts';
import { freeName } from '../free-name.ts';
import type { RowsCall, Told } from '../rows-call.ts';

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
  if (key.length > 0 && key.every(isEqualAnywhere)) return key;
  const whole = besideOf(table, 'row()', TEXT);
  const told = call?.told;
  return told === undefined ? [whole] : [whole, ...told.on.map(({ right }) => right), told.number];
}

/**
 * What is fetched along with the rows of a call about another row. `identity` tells that row from others; `table` is what
 * the call's rows are like.
 */
export function toldOf(identity: readonly Column[], table: Table): Told {
  const on = identity.map((left, i) => ({ left, right: besideOf(table, `of() ${i}`, left.type) }));
  return { on, number: numberOf(table) };
}

/** The same for a native query, whose rows are joined to others by their own columns. */
export function numbered(on: readonly JoinPair[], table: Table): Told {
  return { on, number: numberOf(table) };
}

function numberOf(table: Table): Column {
  return besideOf(table, 'number()', BIGINT);
}

function isEqualAnywhere({ type, loose }: Column): boolean {
  return loose !== true && isBuiltIn(type);
}

function isBuiltIn({ kind, schema, element }: ColumnType): boolean {
  return kind === 'domain' && element !== null
    ? isBuiltIn(element)
    : kind === 'base' && schema === 'pg_catalog';
}

/** A column beside the table's own, under a name that none of these has. */
function besideOf({ columnByName }: Table, wanted: string, type: ColumnType): Column {
  const name = freeName(wanted, (taken) => columnByName.has(taken));
  return {
    name,
    field: name,
    type,
    notNull: true,
    generated: false,
    description: null,
    enumTable: null,
    upperCased: false,
    beside: wanted === 'row()' ? 'row' : 'told',
  };
}
