import type { Queryable } from '../queryable.ts';
import type { FeedLease } from './row.ts';

/** Adds a watermark. Parameters: target, seq, position, fresh_as_of, and the last commit's end and time. */
export const WATERMARK_SQL =
  'insert into nearjoin.watermark (target, seq, position, fresh_as_of, commit_end, commit_time) values ($1, $2, $3, $4, $5, $6)';

/**
 * The same under the fence, for a transaction of one round trip: without the lease there is no target, which the table
 * refuses with LEASE_GONE. The last parameter is the epoch.
 */
export const FENCED_WATERMARK_SQL = `insert into nearjoin.watermark (target, seq, position, fresh_as_of, commit_end, commit_time)
  values ((select l.target from nearjoin.lease l where l.target = $1 and l.epoch = $7 for key share), $2, $3, $4, $5, $6)`;

/**
 * The same for a transaction sent before the one ahead of it was answered: when that one failed, its watermark is not
 * there, or is one that gives the cache up or forgets a proof, and this one fails alike. The last parameter is its position.
 */
export const CHAINED_WATERMARK_SQL = `insert into nearjoin.watermark (target, seq, position, fresh_as_of, commit_end, commit_time)
  values ((select l.target from nearjoin.lease l where l.target = $1 and l.epoch = $7
    and exists (select from nearjoin.watermark w where w.target = $1 and w.seq = $2::bigint - 1 and w.position = $8) for key share), $2, $3, $4, $5, $6)`;

/** SQLSTATE of FENCED_WATERMARK_SQL without the lease: a null where none may be. */
export const LEASE_GONE = '23502';

/** Removes old watermarks. Parameters: target, the first seq to keep, the first seq that may still be there. */
export const PRUNE_SQL = 'delete from nearjoin.watermark where target = $1 and seq < $2 and seq >= $3';

/** Makes readers stop using the cache at once: it cannot be brought up to date any more. Does nothing when the lease is lost. */
export async function giveUpCache(client: Queryable, { target, epoch }: FeedLease): Promise<void> {
  await client.query(
    `insert into nearjoin.watermark (target, seq, position, fresh_as_of)
     select $1, coalesce((select max(seq) from nearjoin.watermark where target = $1), 0) + 1, null, null
     from nearjoin.feed where target = $1 and epoch = $2`,
    [target, epoch],
  );
}

/** The newest watermark, while the lease holds and what it says was proved is to be forgotten. */
const DOUBTFUL = `
  from (select * from nearjoin.watermark where target = $1 order by seq desc limit 1) w
  where ($3 or w.fresh_as_of > extract(epoch from clock_timestamp()) * 1000000) and w.fresh_as_of is not null
    and exists (select from nearjoin.feed where target = $1 and epoch = $2)`;

/**
 * Forgets what was proved of the cache's age: all of it, or what the source's clock has not come to yet. While no stream
 * is applied. False when there was nothing to forget.
 */
export async function forgetProof(
  client: Queryable,
  { target, epoch }: FeedLease,
  which: 'all' | 'future',
): Promise<boolean> {
  const values = [target, epoch, which === 'all'];
  // Mostly there is nothing: then nobody's lock on the table is waited for, which is told by name only while a stream is followed.
  if ((await client.query(`select ${DOUBTFUL}`, values)).rowCount === 0) return false;
  const { rowCount } = await client.query(
    `insert into nearjoin.watermark (target, seq, position, fresh_as_of, commit_end, commit_time)
     select w.target, w.seq + 1, w.position, null, w.commit_end, w.commit_time ${DOUBTFUL}`,
    values,
  );
  return rowCount !== 0;
}
