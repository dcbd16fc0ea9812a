import type { SourceName, TableRef } from '../../core/names.ts';
import type { Queryable } from '../queryable.ts';

/** Says how far copies are. A row that somebody is changing just now is left for the next time: this is not worth waiting. */
export async function saveRowsCopied(
  client: Queryable,
  target: SourceName,
  copied: readonly { readonly table: TableRef; readonly rows: number }[],
): Promise<void> {
  await client.query(
    `with free as (
       select t.schema_name, t.table_name, c.rows
       from nearjoin.cache_table t
       join unnest($2::text[], $3::text[], $4::bigint[]) as c (schema_name, table_name, rows)
         using (schema_name, table_name)
       where t.target = $1
       for no key update of t skip locked
     )
     update nearjoin.cache_table t set rows_copied = free.rows
     from free
     where t.target = $1 and t.schema_name = free.schema_name and t.table_name = free.table_name`,
    [
      target,
      copied.map(({ table }) => table.schema),
      copied.map(({ table }) => table.name),
      copied.map(({ rows }) => rows),
    ],
  );
}
