import { escapeLiteral, type QueryResultRow } from 'pg';
import { must } from '../../../src/core/assert.ts';
import { printTable, type TableRef } from '../../../src/core/names.ts';
import { quoteTable } from '../../../src/core/postgres/quote-identifier.ts';
import { ConnectorError, type TableColumns } from '../../connector.ts';
import type { OwnClient } from '../client.ts';
import { toConnectorError } from '../failure.ts';
import { plainSql } from './pieces.ts';
import { lockSql } from './snapshot-readers.ts';

/** What is found of a table before it is read from a snapshot. */
export interface Found extends QueryResultRow {
  /** It was truncated or rewritten since the snapshot was taken. */
  readonly rewritten: boolean;
  /** The name of a column that has another type, or is not there; null when there is none. */
  readonly misfit: string | null;
  readonly plain: boolean;
}

/** The statement that finds it; the table must be locked. */
export function lookSql(from: TableColumns): string {
  return `${rewrittenSql(from.table)}, ${misfitSql(from)}, ${plainSql(from.table)}`;
}

/** Throws a ConnectorError when a column is not what it is taken for; of a table that was rewritten nothing is read anyhow. */
export function refuseMisfit(table: TableRef, found: Found): void {
  if (found.misfit !== null && !found.rewritten) throw outdated(table, found.misfit);
}

/** Locks the table and refuses one that the session's snapshot no longer shows as it was, with a ConnectorError. */
export async function hold(own: OwnClient, table: TableRef): Promise<void> {
  try {
    await own.client.query(lockSql(table));
    if (await isRewritten(own, table)) throw rewritten(table);
  } catch (error) {
    throw toConnectorError(error, 'snapshot');
  }
}

/**
 * TRUNCATE and rewriting ALTERs are not seen by older snapshots: the rows of a table rewritten since the export look
 * gone, and the copy would be missing them.
 */
async function isRewritten(own: OwnClient, table: TableRef): Promise<boolean> {
  const result = await own.client.query<Pick<Found, 'rewritten'> & QueryResultRow>(rewrittenSql(table));
  return must(result.rows[0], 'an answer').rewritten;
}

/**
 * The files of the table and its partitions as the snapshot knows them, and as they are: pg_class is read through the
 * snapshot, pg_relation_filenode and pg_partition_tree are not.
 */
const rewrittenSql = (table: TableRef): string => `
  with recursive root as (select ${escapeLiteral(quoteTable(table))}::regclass::oid as oid), tree as (
    select oid from root
    union all
    select i.inhrelid from tree join pg_inherits i on i.inhparent = tree.oid
    where not i.inhdetachpending
  ), seen as (
    select c.oid, c.relfilenode as file from tree join pg_class c on c.oid = tree.oid
  ), present as (
    select each.oid, coalesce(pg_relation_filenode(each.oid), 0) as file
    from (select oid from root union select relid from root, pg_partition_tree(root.oid)) as each
  )
  select exists (
    select from seen full join present on present.oid = seen.oid
    where seen.file is distinct from present.file
  ) as rewritten`;

/**
 * Rows of a table whose column got another type since the catalog was read are not what they are taken for: in binary, a
 * bigint is as good as a double. As long as the table is locked and not rewritten, the snapshot knows its types.
 */
function misfitSql({ table, columns, types }: TableColumns): string {
  if (types === undefined) return 'null::text as misfit';
  const wanted = columns.map((name, at) => ({ name, ...types[at] }));
  return `(select w.name from json_to_recordset(${escapeLiteral(JSON.stringify(wanted))}) w(name text, oid oid, sql text)
    left join pg_attribute a on a.attrelid = ${escapeLiteral(quoteTable(table))}::regclass and a.attname = w.name and not a.attisdropped
    where a.atttypid is distinct from w.oid or format_type(a.atttypid, a.atttypmod) <> w.sql limit 1) as misfit`;
}

function outdated(table: TableRef, column: string): ConnectorError {
  const what = `column "${column}" of ${printTable(table)} is not what it was when the catalog was read`;
  return new ConnectorError('outdated', `the copy of a table was not begun: ${what}`);
}

/** The failure of whoever reads a table that was rewritten since the snapshot was taken. */
export function rewritten(table: TableRef): ConnectorError {
  const what = `${printTable(table)} was truncated or rewritten after the snapshot was taken`;
  return new ConnectorError('retry', `the copy of a table broke: ${what}`);
}
