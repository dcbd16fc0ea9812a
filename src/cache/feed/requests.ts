import type { Notification } from 'pg';
import { type SourceName, schemasAndNames, type TableRef } from '../../core/names.ts';
import type { SourceTime } from '../../core/position/watermark.ts';
import { keptStatement, type Queryable, rowsOf } from '../queryable.ts';
import type { FeedLease } from './row.ts';

/** What administrators have asked of a feed's leader. */
export interface FeedRequests {
  /** When they were read. */
  readonly now: SourceTime;
  readonly paused: boolean;
  /** The number of the newest request to build everything anew that is not done; null when there is none. */
  readonly resync: bigint | null;
  readonly tables: readonly TableRef[];
}

/** Asks the feed's leader to stop reading; its slot stays. False when there is no such feed. */
export function requestPause(client: Queryable, target: SourceName): Promise<boolean> {
  return changed(client, 'update nearjoin.feed set paused = true where target = $1', [target]);
}

const RESUMED = 'nearjoin_resume';

/** Begins to hear of feeds that are to go on, in this source database. */
export const LISTEN_RESUMED_SQL = `listen ${RESUMED}`;

/** Asks the feed's leader to go on, and to try at once whatever rests after a failure. False when there is no such feed. */
export function requestResume(client: Queryable, target: SourceName): Promise<boolean> {
  const text = `with resumed as (update nearjoin.feed set paused = false where target = $1 returning target)
    select pg_notify('${RESUMED}', target) from resumed`;
  return changed(client, text, [target]);
}

/** The target whose feed is to go on; null when a message of a listening session speaks of something else. */
export function readResumed({
  channel,
  payload,
}: Pick<Notification, 'channel' | 'payload'>): SourceName | null {
  return channel === RESUMED ? (payload ?? null) : null;
}

/** Asks for a fresh copy of the named tables, or with no names of everything over a new slot. False when nothing matches. */
export async function requestResync(
  client: Queryable,
  target: SourceName,
  tables?: readonly TableRef[],
): Promise<boolean> {
  if (tables === undefined) {
    const text = 'update nearjoin.feed set resync_requested = resync_requested + 1 where target = $1';
    return changed(client, text, [target]);
  }
  const text = `update nearjoin.cache_table t set resync = true
    from unnest($2::text[], $3::text[]) as asked (schema_name, table_name)
    where t.target = $1 and t.schema_name = asked.schema_name and t.table_name = asked.table_name`;
  return changed(client, text, [target, ...schemasAndNames(tables)]);
}

async function changed(client: Queryable, text: string, values: unknown[]): Promise<boolean> {
  const { rowCount } = await client.query(text, values);
  return (rowCount ?? 0) > 0;
}

/** What the feed's leader is asked for at the moment; null when the lease is lost. */
export async function loadRequests(client: Queryable, lease: FeedLease): Promise<FeedRequests | null> {
  const [row] = await rowsOf<{
    now: string;
    paused: boolean;
    resync: string | null;
    tables: { schema: string; name: string }[];
  }>(
    client,
    keptStatement(`select (extract(epoch from clock_timestamp()) * 1000000)::bigint::text as now, f.paused,
       case when f.resync_requested > f.resync_done then f.resync_requested::text end as resync,
       coalesce((select json_agg(json_build_object('schema', t.schema_name, 'name', t.table_name))
         from nearjoin.cache_table t where t.target = f.target and t.resync), '[]') as tables
     from nearjoin.feed f where f.target = $1 and f.epoch = $2`),
    [lease.target, lease.epoch],
  );
  if (row === undefined) return null;
  const { now, paused, resync, tables } = row;
  return { now: Number(now), paused, resync: resync === null ? null : BigInt(resync), tables };
}

/** Notes that the request to build everything anew is carried out. */
export async function finishResync(client: Queryable, lease: FeedLease, request: bigint): Promise<void> {
  await client.query('update nearjoin.feed set resync_done = $3 where target = $1 and epoch = $2', [
    lease.target,
    lease.epoch,
    request,
  ]);
}
