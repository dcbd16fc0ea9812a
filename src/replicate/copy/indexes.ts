import pg from 'pg';
import { inCache } from '../../cache/names.ts';
import { type Queryable, rowsOf } from '../../cache/queryable.ts';
import { indexSql, type WantedIndexes } from '../../cache/table/ddl.ts';
import { type StoredTable, updateSql } from '../../cache/table/stored.ts';
import { must } from '../../core/assert.ts';
import { quoteIdentifier } from '../../core/postgres/quote-identifier.ts';
import { sqlStateOf } from '../../core/postgres/sql-state.ts';
import { begin, commit } from './transaction.ts';
import type { CopyWork } from './work.ts';

/** What the status says of a copy meanwhile. */
export const INDEXING = 'building indexes';
/** Most indexes of one table that are built at once: each build reads the whole table. */
const AT_ONCE = 2;
/** A copy up to this size is mostly still in the system's memory when its indexes are built. */
const CACHED_BYTES = 1 << 30;
const VALUE_TOO_LONG = '54000';

/**
 * Builds what is missing of the indexes of a copy whose rows are kept, each in a transaction of its own and some at the
 * same time, and then lets the copy catch up. A later try builds only those that are not there yet.
 */
export async function buildIndexes(
  { stored, indexes }: { readonly stored: StoredTable; readonly indexes: WantedIndexes },
  client: pg.Client,
  work: CopyWork,
): Promise<void> {
  const { lease, sessions, stop, onStep } = work;
  await begin(client, lease);
  await commit(client, updateSql(stored, { reason: INDEXING }));
  const missing = [...indexSql(stored, indexes, stored.indexes)];
  const build = async (on: pg.Client): Promise<void> => {
    for (let next = missing.shift(); next !== undefined; next = missing.shift()) {
      await begin(on, lease, withoutWorkers(stored));
      await makeIndex(on, next);
      await commit(on);
      await onStep?.('pieces:index-built');
    }
  };
  const others = Math.max(0, Math.min(AT_ONCE, missing.length) - 1);
  const all = [build(client)];
  for (let at = 0; at < others; at += 1) all.push(sessions.use((session) => build(session.client), stop));
  // The first that fails takes those with it that nobody has begun; what is under way ends first.
  for (const each of all) each.catch(() => missing.splice(0));
  const ended = await Promise.allSettled(all);
  for (const each of ended) if (each.status === 'rejected') throw each.reason;
  await begin(client, lease);
  await makeKey(client, stored);
  await commit(client, updateSql(stored, { state: 'catching-up', reason: null }));
}

/** Handing reads to Postgres' I/O workers, as 18 does, costs more than reading what is in memory. */
function withoutWorkers({ relation }: StoredTable): string {
  return `select set_config('effective_io_concurrency', '0', true)
    where pg_relation_size(to_regclass(${pg.escapeLiteral(inCache(relation))})) < ${CACHED_BYTES}`;
}

/**
 * Makes an index inside the open transaction. A value that is too long for it (a third of a page; on the target such a
 * column has no index) costs the index, not the copy: reads by it are slower, and right.
 */
export async function makeIndex(client: Queryable, statement: string): Promise<void> {
  // Without its key no copy can be kept.
  if (!statement.startsWith('create index')) return void (await client.query(statement));
  await client.query('savepoint before_index');
  try {
    await client.query(statement);
  } catch (error) {
    if (sqlStateOf(error) !== VALUE_TOO_LONG) throw error;
    await client.query('rollback to savepoint before_index');
  }
}

/**
 * Makes the index over the key the primary key, unless a copy that was interrupted has one: where a database publishes all
 * its tables, Postgres lets nobody update or delete rows of a table without.
 */
async function makeKey(client: Queryable, { relation }: Pick<StoredTable, 'relation'>): Promise<void> {
  const [unique] = await rowsOf<{ name: string; primary: boolean }>(
    client,
    `select c.relname as name, i.indisprimary as primary from pg_index i join pg_class c on c.oid = i.indexrelid
     where i.indrelid = to_regclass($1) and i.indisunique order by i.indisprimary desc limit 1`,
    [inCache(relation)],
  );
  const { name, primary } = must(unique, 'the unique index of a copy');
  if (!primary)
    await client.query(
      `alter table ${inCache(relation)} add primary key using index ${quoteIdentifier(name)}`,
    );
}
