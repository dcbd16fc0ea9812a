import type { Queryable } from '../queryable.ts';
import { told, toldSql } from '../told.ts';
import type { FeedLease } from './row.ts';

/** Notes a failure that does not end the feed's run: one table's. */
export async function saveLastError(client: Queryable, lease: FeedLease, error: string): Promise<void> {
  await client.query(
    `update nearjoin.feed set last_error = ${toldSql('$3')}, last_error_at = clock_timestamp()
     where target = $1 and epoch = $2`,
    [lease.target, lease.epoch, told(error)],
  );
}
