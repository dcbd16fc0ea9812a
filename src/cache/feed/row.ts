import type { SourceName } from '../../core/names.ts';
import { formatLsn, isLsnText, type Lsn, parseLsn } from '../../core/position/lsn.ts';
import type { SourceTime } from '../../core/position/watermark.ts';
import type { Commit } from '../../core/rows/change.ts';
import { keptStatement, type Queryable, rowOf, rowsOf } from '../queryable.ts';
import type { FeedState, FeedStatus } from '../status/cache-table.ts';
import { told, toldSql } from '../told.ts';

/** A feed under one leader: every write names both, so that a replaced leader's writes do nothing. */
export interface FeedLease {
  readonly target: SourceName;
  readonly epoch: bigint;
}

/** The history a feed's positions belong to; null before the first contact. */
export interface StoredIdentity {
  readonly systemId: string;
  readonly timeline: number;
  readonly database: string;
  /** When the target's server process began; null where that was not noted yet. */
  readonly startedAt: string | null;
}

/** What a watermark says; no position means that the cache must not be used. */
export interface Mark {
  readonly position: Lsn | null;
  readonly freshAsOf: SourceTime | null;
  /**
   * The last commit up to the position that the stream told of; null when it had told of none. When the stream is opened anew, it
   * must be in the target's history.
   */
  readonly lastCommit: Commit | null;
}

/** The newest watermark row. */
export interface StoredWatermark extends Mark {
  readonly seq: bigint;
}

/** What a leader reads when it starts. */
export interface StoredFeed {
  readonly identity: StoredIdentity | null;
  readonly watermark: StoredWatermark | null;
  readonly transactionsApplied: number;
  readonly changesApplied: number;
}

/** Transactions that are being written before they commit, and how long ago the first was begun. */
export interface EarlyWork {
  readonly transactions: number;
  readonly changes: number;
  readonly ageMs: number;
}

/** The source's clock in microseconds since 1970, and how far its own log is written and durable. */
export const CLOCK_SQL =
  keptStatement(`select (extract(epoch from clock_timestamp()) * 1000000)::bigint::text as now,
  pg_current_wal_insert_lsn()::text as written, pg_current_wal_flush_lsn()::text as durable`);

/** Makes the feed's row, and the one its fences lock, when they are not there. */
export async function ensureFeed(client: Queryable, target: SourceName, connector: string): Promise<void> {
  await client.query(
    `insert into nearjoin.feed as there (target, connector) values ($1, $2)
     on conflict (target) do update set connector = excluded.connector where there.connector <> excluded.connector`,
    [target, connector],
  );
  await client.query(
    'insert into nearjoin.lease select target, epoch from nearjoin.feed where target = $1 on conflict do nothing',
    [target],
  );
}

/** Reads where the feed stands. */
export async function loadFeed(client: Queryable, target: SourceName): Promise<StoredFeed> {
  const row = await rowOf<
    WatermarkRow & {
      system_id: string | null;
      timeline: number | null;
      target_database: string | null;
      server_started: string | null;
      transactions_applied: string;
      changes_applied: string;
      seq: string | null;
    }
  >(
    client,
    `select f.system_id, f.timeline, f.target_database, f.server_started, f.transactions_applied::text, f.changes_applied::text,
       w.seq::text, w.position::text, w.fresh_as_of::text, w.commit_end::text, w.commit_time::text
     from nearjoin.feed f
     left join lateral (
       select * from nearjoin.watermark where target = f.target order by seq desc limit 1
     ) w on true
     where f.target = $1`,
    [target],
  );
  const { system_id: systemId, timeline, target_database: database } = row;
  const known = systemId !== null && timeline !== null && database !== null;
  return {
    identity: known ? { systemId, timeline, database, startedAt: row.server_started } : null,
    watermark: row.seq === null ? null : watermarkOf(row.seq, row),
    transactionsApplied: Number(row.transactions_applied),
    changesApplied: Number(row.changes_applied),
  };
}

interface WatermarkRow {
  readonly position: string | null;
  readonly fresh_as_of: string | null;
  readonly commit_end: string | null;
  readonly commit_time: string | null;
}

function watermarkOf(
  seq: string,
  { position, fresh_as_of: freshAsOf, commit_end: end, commit_time: time }: WatermarkRow,
): StoredWatermark {
  return {
    seq: BigInt(seq),
    position: position !== null && isLsnText(position) ? parseLsn(position) : null,
    freshAsOf: freshAsOf === null ? null : Number(freshAsOf),
    lastCommit: end === null || time === null ? null : { end: parseLsn(end), time: Number(time) },
  };
}

/** Remembers the history and the slot the feed now follows. */
export async function saveIdentity(
  client: Queryable,
  lease: FeedLease,
  identity: StoredIdentity,
  slot: string,
): Promise<void> {
  await client.query(
    `update nearjoin.feed set system_id = $3, timeline = $4, target_database = $5, slot = $6, server_started = $7
     where target = $1 and epoch = $2`,
    [
      lease.target,
      lease.epoch,
      identity.systemId,
      identity.timeline,
      identity.database,
      slot,
      identity.startedAt,
    ],
  );
}

/** Says in what state the feed is, and why; `lastError` stays when undefined. Where `instead` is given, only if that is the reason now. */
export async function saveFeedState(
  client: Queryable,
  lease: FeedLease,
  said: {
    readonly state: FeedState;
    readonly reason: string | null;
    readonly lastError?: string;
    readonly instead?: string;
  },
): Promise<void> {
  const [reason, lastError, instead] = [said.reason, said.lastError, said.instead].map((text) =>
    told(text ?? null),
  );
  await client.query(
    `update nearjoin.feed set state = $3, reason = ${toldSql('$4')}, last_error = coalesce(${toldSql('$5')}, last_error),
       last_error_at = case when $5::bytea is null then last_error_at else clock_timestamp() end,
       updated_at = clock_timestamp()
     where target = $1 and epoch = $2 and ($6::bytea is null or reason = ${toldSql('$6')})`,
    [lease.target, lease.epoch, said.state, reason, lastError, instead],
  );
}

/** Notes a failure that does not end the feed's run: one table's. */
export async function saveLastError(client: Queryable, lease: FeedLease, error: string): Promise<void> {
  await client.query(
    `update nearjoin.feed set last_error = ${toldSql('$3')}, last_error_at = clock_timestamp()
     where target = $1 and epoch = $2`,
    [lease.target, lease.epoch, told(error)],
  );
}

type Sample = Pick<
  FeedStatus,
  'targetPosition' | 'retainedWalBytes' | 'transactionsApplied' | 'changesApplied'
>;

/** What a leader tells once a second; it also renews the lease. False when the lease is lost. */
export async function renewLease(
  client: Queryable,
  lease: FeedLease,
  sample: Sample & { readonly early: EarlyWork | null },
): Promise<boolean> {
  const { rowCount } = await client.query(
    keptStatement(`update nearjoin.feed set target_position = coalesce($3, target_position), retained_wal_bytes = $4,
       transactions_applied = $5, changes_applied = $6, early = case when $7::int is not null then jsonb_build_object(
         'transactions', $7::int, 'changes', $8::bigint, 'since', (extract(epoch from clock_timestamp()) * 1000000)::bigint - $9::bigint) end,
       updated_at = clock_timestamp()
     where target = $1 and epoch = $2`),
    [
      lease.target,
      lease.epoch,
      sample.targetPosition === null ? null : formatLsn(sample.targetPosition),
      sample.retainedWalBytes,
      sample.transactionsApplied,
      sample.changesApplied,
      sample.early?.transactions ?? null,
      sample.early?.changes ?? null,
      sample.early === null ? null : Math.round(sample.early.ageMs * 1000),
    ],
  );
  return rowCount === 1;
}

/** The targets a source database has feeds of; none when schema `nearjoin` is not there. */
export async function storedTargets(client: Queryable): Promise<readonly SourceName[]> {
  const { exists } = await rowOf<{ exists: boolean }>(
    client,
    `select to_regclass('nearjoin.feed') is not null as exists`,
  );
  if (!exists) return [];
  const rows = await rowsOf<{ target: string }>(client, 'select target from nearjoin.feed order by target');
  return rows.map((row) => row.target);
}

/** Forgets the feed altogether. */
export async function deleteFeed(client: Queryable, lease: FeedLease): Promise<void> {
  await client.query(
    `with gone as (delete from nearjoin.watermark where target = $1),
       asked as (delete from nearjoin.verification where target = $1)
     delete from nearjoin.feed where target = $1 and epoch = $2`,
    [lease.target, lease.epoch],
  );
}
