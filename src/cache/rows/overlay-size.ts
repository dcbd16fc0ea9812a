import { inCache } from '../names.ts';
import { type Queryable, rowOf } from '../queryable.ts';

/** How many pages an overlay has; null when it is not there, because no change of its table has come since the copy was begun. */
export async function overlayPages(client: Queryable, relation: string): Promise<number | null> {
  const size = `pg_relation_size(to_regclass($1)) / current_setting('block_size')::int`;
  const { pages } = await rowOf<{ pages: number | null }>(client, `select (${size})::int as pages`, [
    inCache(relation),
  ]);
  return pages;
}

/** How many rows an overlay has. */
export async function overlayRows(client: Queryable, relation: string): Promise<number> {
  return (await rowOf<{ rows: number }>(client, `select count(*)::int as rows from ${inCache(relation)}`))
    .rows;
}
