import { printTable, type TableRef } from '../../../src/core/names.ts';
import { quoteIdentifier, quoteTable } from '../../../src/core/postgres/quote-identifier.ts';
import { ConnectorError } from '../../connector.ts';
import type { AdminPool, Query } from '../client.ts';
import { isDenied, isLocked } from '../failure.ts';

/** Published tables whose owners' updates and deletes fail because of that. */
export class Harmful extends ConnectorError {
  constructor(tables: readonly TableRef[]) {
    const names = tables.map(printTable).join(', ');
    super('retry', `updates and deletes of ${names} would fail: a replica identity is missing`);
    this.name = 'Harmful';
  }
}

/**
 * The published tables on which Postgres refuses updates and deletes by now: they, or a partition of theirs, have lost
 * the key by which changes name their rows.
 */
export function harmedTables(query: Query, publication: string): Promise<readonly TableRef[]> {
  return query<TableRef>(HARMED, [publication], 'nearjoin_harmed');
}

const HARMED = `
  with recursive tree (root, oid) as (
    select r.prrelid, r.prrelid
    from pg_publication p
    join pg_publication_rel r on r.prpubid = p.oid
    where p.pubname = $1 and (p.pubupdate or p.pubdelete)
    union all
    select tree.root, i.inhrelid from tree join pg_inherits i on i.inhparent = tree.oid
  )
  select distinct s.nspname as schema, root.relname as name
  from tree
  join pg_class c on c.oid = tree.oid and c.relkind = 'r'
  join pg_class root on root.oid = tree.root
  join pg_namespace s on s.oid = root.relnamespace
  where case c.relreplident
    when 'f' then current_setting('server_version_num')::int >= 180000 and exists (
      select from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and a.attgenerated = 'v' and not a.attisdropped)
    when 'n' then true
    else not exists (
      select from pg_index i
      where i.indrelid = c.oid and i.indisvalid and i.indimmediate
        and case c.relreplident when 'd' then i.indisprimary else i.indisreplident end)
  end`;

/** Waiting behind somebody's vacuum or index build is no excuse: meanwhile the owner's writes fail. */
const LOCK_MS = 200;

/**
 * Takes tables out of the publication that make their owners' writes fail, and says which. When one of them is locked, or in a
 * schema that the role may not use, the publication stops telling of updates and deletes altogether, which needs neither lock
 * nor right: the cache is made anew later.
 */
export async function protectTables(admin: AdminPool): Promise<readonly TableRef[]> {
  const { target } = admin;
  const harmed = await harmedTables((sql, values, name) => admin.rows(sql, values, name), target.name);
  if (harmed.length === 0) return [];
  const alter = `alter publication ${quoteIdentifier(target.name)}`;
  const change = (sql: string): Promise<void> =>
    admin.transaction(async (query) => {
      await query(`set local lock_timeout = ${LOCK_MS}`);
      await query(sql);
    });
  try {
    await change(`${alter} drop table ${harmed.map(quoteTable).join(', ')}`);
  } catch (error) {
    if (!isLocked(error) && !isDenied(error)) throw error;
    await change(`${alter} set (publish = 'insert, truncate')`);
  }
  target.log.warn(
    { publication: target.name, tables: harmed.map(printTable) },
    'tables let go for their owner',
  );
  return harmed;
}
