import { type Queryable, rowOf } from '../../cache/queryable.ts';

/**
 * A short name of a source database as it runs now: the same for all who lead its feeds, another for a clone of it, for
 * the primary that it was promoted from, and after a restart.
 */
export async function readerName(client: Queryable): Promise<string> {
  const { name } = await rowOf<{ name: string }>(
    client,
    `select left(md5(concat_ws(' ', d.oid, d.datname, extract(epoch from pg_postmaster_start_time()))), 12) as name
     from pg_database d where d.datname = current_database()`,
  );
  return name;
}
