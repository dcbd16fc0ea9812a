import type { SourceName } from '../../core/names.ts';
import { type Queryable, rowOf, rowsOf } from '../queryable.ts';
import type { FeedLease } from './row.ts';

/** SQLSTATE of nearjoin.fence. */
export const LEASE_LOST = 'NJ001';

/** Raises LEASE_LOST unless the lease holds, and keeps it held until the transaction ends. Parameters: target, epoch. */
export const FENCE_SQL = 'select nearjoin.fence($1, $2)';

/** Makes the session's process the feed's leader, under a new epoch. */
export async function takeEpoch(client: Queryable, target: SourceName, leader: string): Promise<FeedLease> {
  const { epoch } = await rowOf<{ epoch: string }>(
    client,
    `update nearjoin.feed set epoch = epoch + 1, leader = $2, leader_pid = pg_backend_pid(),
       updated_at = clock_timestamp()
     where target = $1 returning epoch::text`,
    [target, leader],
  );
  // Its foreign key has done so, unless session_replication_role is `replica` here, where none acts.
  await client.query('update nearjoin.lease set epoch = $2 where target = $1 and epoch <> $2', [
    target,
    epoch,
  ]);
  return { target, epoch: BigInt(epoch) };
}

/** Who led the feed last, null being nobody yet; undefined when there is no such feed. */
export async function lastLeader(client: Queryable, target: SourceName): Promise<string | null | undefined> {
  const [found] = await rowsOf<{ leader: string | null }>(
    client,
    'select leader from nearjoin.feed where target = $1',
    [target],
  );
  return found?.leader;
}

/** The feed's leader when it has not renewed its lease for so long; null when it has, or nobody leads. */
export async function silentLeader(
  client: Queryable,
  target: SourceName,
  forMs: number,
): Promise<string | null> {
  const [silent] = await rowsOf<{ leader: string }>(
    client,
    `select leader from nearjoin.feed
     where target = $1 and leader is not null
       -- a time to come is from before the clock was set back
       and abs(extract(epoch from clock_timestamp() - updated_at)) > $2`,
    [target, forMs / 1000],
  );
  return silent?.leader ?? null;
}
