import type { SourceName, TableRef } from '../../core/names.ts';
import type { FeedLease } from '../feed/row.ts';
import { keptStatement, type Queryable, rowsOf } from '../queryable.ts';

const NOTE = keptStatement(
  `with changed as (
       select t.schema_name, t.table_name, k.ms
       from nearjoin.cache_table t
       left join unnest($3::text[], $4::text[], $5::float8[]) as k (schema_name, table_name, ms)
         using (schema_name, table_name)
       where t.target = $1 and (t.unwanted_until is null) <> (k.ms is null)
         and exists (select from nearjoin.feed where target = $1 and epoch = $2)
       for no key update of t skip locked
     )
     update nearjoin.cache_table t set unwanted_until = clock_timestamp() + changed.ms * interval '1 millisecond'
     from changed
     where t.target = $1 and t.schema_name = changed.schema_name and t.table_name = changed.table_name`,
);

/**
 * Notes which tables are wanted no more and how long their copies stay, each when that begins and when it ends. A row that
 * somebody is changing just now is left for the next time.
 */
export async function saveLingering(
  client: Queryable,
  { target, epoch }: FeedLease,
  lingering: readonly { readonly table: TableRef; readonly leftMs: number }[],
): Promise<void> {
  await client.query(NOTE, [
    target,
    epoch,
    lingering.map(({ table }) => table.schema),
    lingering.map(({ table }) => table.name),
    lingering.map(({ leftMs }) => leftMs),
  ]);
}

/** Every table that has a row, with the time its copy stays once it is wanted no more; null where it is wanted. */
export async function loadLingering(
  client: Queryable,
  target: SourceName,
): Promise<readonly { readonly table: TableRef; readonly leftMs: number | null }[]> {
  const rows = await rowsOf<{ schema: string; name: string; ms: number | null }>(
    client,
    `select schema_name as schema, table_name as name,
       (extract(epoch from unwanted_until - clock_timestamp()) * 1000)::float8 as ms
     from nearjoin.cache_table where target = $1`,
    [target],
  );
  return rows.map(({ schema, name, ms }) => ({ table: { schema, name }, leftMs: ms }));
}
