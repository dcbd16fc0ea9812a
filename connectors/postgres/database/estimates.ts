import type { TableRef } from '../../../src/core/names.ts';
import { quoteTable } from '../../../src/core/postgres/quote-identifier.ts';
import type { TableSize } from '../../connector.ts';
import type { AdminPool, Query } from '../client.ts';
import { isDenied, isLocked, isUndefined } from '../failure.ts';

/** Sizes of tables with their partitions. Only the ordinary way of storing rows knows pages. */
const SIZES_SQL = `
  select (
    select case when bool_and(m.amname = 'heap') then sum(pg_table_size(c.oid)) end::float8
    from (select w.name::regclass::oid as oid union select relid from pg_partition_tree(w.name::regclass)) as part
    join pg_class c on c.oid = part.oid
    join pg_am m on m.oid = c.relam
    where c.relkind = 'r'
  ) as bytes
  from unnest($1::text[]) with ordinality as w(name, n)
  order by w.n`;

/** The same as the last vacuum or analyze left it, and the rows: without any lock. */
const NOTED_SQL = `
  with recursive tree (oid) as (
    select c.oid from pg_class c join pg_namespace s on s.oid = c.relnamespace
    where s.nspname = $1 and c.relname = $2
    union all
    select i.inhrelid from tree join pg_inherits i on i.inhparent = tree.oid
  )
  select
    coalesce(sum(greatest(c.reltuples, 0)), 0)::float8 as "rowsEstimated",
    case when bool_and(m.amname = 'heap') then sum((c.relpages + coalesce(t.relpages, 0))::float8
      * current_setting('block_size')::int) end as bytes
  from tree
  join pg_class c on c.oid = tree.oid and c.relkind = 'r'
  join pg_am m on m.oid = c.relam
  left join pg_class t on t.oid = c.reltoastrelid`;

/** Nothing is proved of the tables' freshness while they are looked at: a table that somebody has locked is not waited for. */
const LOCK_MS = 100;
/** Held locked together for the moment that it takes. */
const MOST_TOGETHER = 50;

/**
 * How large the tables are, in their order: many together, and when one of them is locked, gone or forbidden by now, each by
 * itself. One after the other: there are few connections, and whoever waits long for one is refused.
 */
export async function readSizes(
  admin: AdminPool,
  tables: readonly TableRef[],
): Promise<readonly TableSize[]> {
  const found: TableSize[] = [];
  for (let at = 0; at < tables.length; at += MOST_TOGETHER)
    found.push(...(await sizesTogether(admin, tables.slice(at, at + MOST_TOGETHER))));
  return found;
}

async function sizesTogether(admin: AdminPool, tables: readonly TableRef[]): Promise<readonly TableSize[]> {
  try {
    return await admin.transaction((query) => measured(query, tables));
  } catch (error) {
    if (!isLocked(error) && !isUndefined(error) && !isDenied(error)) throw error;
    const [only, ...others] = tables;
    if (only !== undefined && others.length === 0) return noted(admin, only);
    const found: TableSize[] = [];
    for (const table of tables) found.push(...(await sizesTogether(admin, [table])));
    return found;
  }
}

async function measured(query: Query, tables: readonly TableRef[]): Promise<readonly TableSize[]> {
  await query(`set local lock_timeout = ${LOCK_MS}`);
  const sizes = await query<{ bytes: number | null }>(SIZES_SQL, [tables.map(quoteTable)]);
  // The planner's estimate is right for tables never analyzed and for partitioned ones too.
  const plans = await query<{ 'QUERY PLAN': readonly { Plan: { 'Plan Rows': number } }[] }>(
    tables.map((table) => `explain (format json) select from ${quoteTable(table)}`).join('; '),
  );
  return plans.map((plan, at) => ({
    rowsEstimated: plan['QUERY PLAN'][0]?.Plan['Plan Rows'] ?? 0,
    bytes: sizes[at]?.bytes ?? null,
  }));
}

function noted(admin: AdminPool, table: TableRef): Promise<readonly TableSize[]> {
  return admin.rows<TableSize>(NOTED_SQL, [table.schema, table.name]);
}
