import { escapeLiteral } from 'pg';
import type { TableRef } from '../../../src/core/names.ts';
import { quoteIdentifier, quoteTable } from '../../../src/core/postgres/quote-identifier.ts';
import { inOneOf } from '../../../src/core/rows/key-part.ts';
import type { PieceCursor } from '../../../src/core/rows/piece-cursor.ts';
import type { TableColumns } from '../../connector.ts';

/** How a table lies on disk: with its partitions, as it is now and not as a snapshot sees it. */
export interface Extent {
  readonly files: string;
  /** Pages of each part that has any. */
  readonly pages: readonly number[];
  /** With large values. */
  readonly bytes: number;
}

/** Asks for the extent of a table, which must be locked. Parameter: its quoted name. */
export const EXTENT_SQL = `
  with part as (select $1::regclass::oid as oid union select relid from pg_partition_tree($1::regclass)),
  size as (
    select oid, coalesce(pg_relation_filenode(oid), 0) as file, coalesce(pg_table_size(oid), 0) as bytes,
      coalesce(pg_relation_size(oid), 0) / current_setting('block_size')::int as pages
    from part
  )
  select md5(string_agg(oid || ' ' || file, ',' order by oid)) as files, sum(bytes)::float8 as bytes,
    coalesce(json_agg(pages) filter (where pages > 0), '[]') as pages
  from size`;

/** The pages of the next piece: `from` and before `to` in every part of the table. */
export interface Pages {
  readonly from: number;
  readonly to: number;
  readonly end: number;
}

/**
 * Pages that hold about so many bytes; null when the table's files are others than the cursor's. Rows in pages that came
 * after the first piece were written after it, so they are not read.
 */
export function nextPages(
  { files, pages, bytes }: Extent,
  cursor: PieceCursor | null,
  wanted: number,
): Pages | null {
  if (cursor !== null && cursor.files !== files) return null;
  const from = cursor?.next ?? 0;
  const end = cursor?.end ?? Math.max(0, ...pages);
  const total = pages.reduce((sum, each) => sum + each, 0);
  const parts = pages.filter((each) => each > from).length;
  const perPage = bytes / Math.max(total, 1);
  const step = Math.max(1, Math.floor(wanted / Math.max(perPage * parts, 1)));
  return { from, to: Math.min(end, from + step), end };
}

/** The query of a piece: pages are read one after the other, without an index. */
export function pieceQuery({ table, columns }: TableColumns, { from, to }: Pages): string {
  return `${tableQuery({ table, columns })} where ctid >= '(${from},0)' and ctid < '(${to},0)'`;
}

/** The query of a whole table. */
function tableQuery(from: TableColumns): string {
  return `select ${named(from)} from ${quoteTable(from.table)}`;
}

/** Whether COPY reads the table itself as a query does: nothing in it is in other tables, or computed. */
export const plainSql = (table: TableRef): string => `
  (select c.relkind = 'r' and not c.relhassubclass and not exists (
      select from pg_attribute a where a.attrelid = c.oid and a.attgenerated <> '' and not a.attisdropped)
    from pg_class c where c.oid = ${escapeLiteral(quoteTable(table))}::regclass) as plain`;

/** The statement that sends a whole table, or the parts that are wanted; of a plain one without a query, which saves a sixth of what reading costs the server. */
export function copyTable(from: TableColumns, isPlain: boolean): string {
  if (from.parts !== undefined) return copyQuery(from, `${tableQuery(from)} where ${inOneOf(from.parts)}`);
  return isPlain
    ? copyOf(from, `${quoteTable(from.table)} (${named(from)})`)
    : copyQuery(from, tableQuery(from));
}

/** The statement that sends what the query finds. */
export function copyQuery(from: TableColumns, query: string): string {
  return copyOf(from, `(${query})`);
}

function copyOf({ isBinary }: TableColumns, what: string): string {
  return `copy ${what} to stdout${isBinary === true ? ' (format binary)' : ''}`;
}

function named({ columns }: Pick<TableColumns, 'columns'>): string {
  return columns.map(quoteIdentifier).join(', ');
}

/** The query of the rows with one of the keys, and its parameters. */
export function keyedQuery(
  from: TableColumns,
  key: readonly string[],
  keys: readonly (readonly string[])[],
): { readonly text: string; readonly values: readonly string[] } {
  const one = (_: unknown, row: number): string =>
    `(${key.map((name, at) => `${quoteIdentifier(name)} = $${row * key.length + at + 1}`).join(' and ')})`;
  return { text: `${tableQuery(from)} where ${keys.map(one).join(' or ')}`, values: keys.flat() };
}
