import { createHash } from 'node:crypto';
import { type Queryable, rowOf } from '../../cache/queryable.ts';
import type { SourceName } from '../../core/names.ts';

const MAX_BYTES = 63;

/** The name of a feed's slot and publication on its target; the same target under two source databases gives two. */
export function slotName(installation: string, target: SourceName): string {
  const id = installation.replaceAll('-', '').slice(0, 8);
  const plain = target.toLowerCase().replace(/[^a-z0-9_]/g, '_');
  const name = `nearjoin_${id}_${plain}`;
  if (plain === target && name.length <= MAX_BYTES) return name;
  // What was changed or cut off could make two targets' names equal.
  const hash = createHash('sha256').update(target).digest('hex').slice(0, 8);
  return `${name.slice(0, MAX_BYTES - hash.length - 1)}_${hash}`;
}

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
