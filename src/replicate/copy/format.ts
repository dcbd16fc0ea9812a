import type { TableColumns } from '../../../connectors/connector.ts';
import { inCache } from '../../cache/names.ts';
import { identifiers } from '../../cache/table/ddl.ts';
import type { StoredTable } from '../../cache/table/stored.ts';
import { isHeldAsItIs } from '../write/relation-check.ts';

/**
 * Types with one binary form on every version of Postgres, and their arrays, by the numbers they have everywhere. The
 * others go as text: enums, domains and types of extensions have other numbers on each server, and an infinite interval
 * of a newer server would come out as a long one.
 */
// biome-ignore format: one line for what belongs together
const SAME_IN_BINARY = new Set([
  16, 1000, // bool
  17, 1001, // bytea
  20, 1016, 21, 1005, 23, 1007, // int8, int2, int4
  25, 1009, 1042, 1014, 1043, 1015, // text, bpchar, varchar
  114, 199, 3802, 3807, // json, jsonb
  700, 1021, 701, 1022, 1700, 1231, // float4, float8, numeric
  1082, 1182, 1083, 1183, 1114, 1115, 1184, 1185, // date, time, timestamp, timestamptz
  2950, 2951, // uuid
]);

/** What is read of a table; in binary where that can be, which is less work on both servers than text. */
export function columnsToCopy({ table, columns }: Pick<StoredTable, 'table' | 'columns'>): TableColumns & {
  readonly isBinary: boolean;
} {
  const isBinary = columns.every(({ oid }) => SAME_IN_BINARY.has(oid));
  const types = columns.map((column) => ({
    oid: column.oid,
    sql: isHeldAsItIs(column) ? column.type : null,
  }));
  return { table, columns: columns.map(({ name }) => name), types, isBinary };
}

/** The statement that takes a table's rows; frozen ones are visible to every transaction, so nobody may read it yet. */
export function copyIntoSql(
  stored: Pick<StoredTable, 'table' | 'relation' | 'columns'>,
  { isFrozen }: { readonly isFrozen: boolean },
): string {
  const { columns, isBinary } = columnsToCopy(stored);
  const options = [`format ${isBinary ? 'binary' : 'text'}`, ...(isFrozen ? ['freeze'] : [])];
  return `copy ${inCache(stored.relation)} (${identifiers(columns)}) from stdin (${options.join(', ')})`;
}
