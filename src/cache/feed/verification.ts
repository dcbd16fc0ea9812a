import type { SourceName, TableRef } from '../../core/names.ts';
import { keptStatement, type Queryable, rowOf, rowsOf } from '../queryable.ts';
import { told, toldSql } from '../told.ts';
import type { FeedLease } from './row.ts';

/** How one row of a copy differs from the target's: what a repair would do. */
export type Difference = 'insert' | 'update' | 'delete';

/** What comparing one table has shown so far. */
export interface TableVerification {
  readonly schema: string;
  readonly name: string;
  /** `skipped`: there is no copy to compare with at present; `failed`: the comparison broke. `reason` says why. */
  readonly state: 'waiting' | 'comparing' | 'compared' | 'skipped' | 'failed';
  readonly reason: string | null;
  readonly rows_compared: number;
  readonly rows_estimated: number | null;
  /** Rows proved to differ, by what would make them right. */
  readonly insert: number;
  readonly update: number;
  readonly delete: number;
  /** Of these, rows that are right now. */
  readonly repaired: number;
  /** Rows that changed faster than they could be compared: nothing is said of them. */
  readonly unsettled: number;
  /** Keys of some of the rows that differ. */
  readonly keys: Readonly<Record<Difference, readonly (readonly string[])[]>>;
}

/** A comparison that was asked for; with `rowsPerSecond` it takes its time. */
export interface Verification {
  readonly id: string;
  readonly target: SourceName;
  /** Null: every cached table. */
  readonly tables: readonly TableRef[] | null;
  readonly repair: boolean;
  readonly rowsPerSecond: number | null;
  readonly state: 'asked' | 'running' | 'done' | 'failed';
  readonly reason: string | null;
  readonly report: readonly TableVerification[];
  readonly askedAt: string;
  readonly finishedAt: string | null;
}

const COLUMNS = `v.id::text, v.target, v.tables, v.repair, v.rows_per_second as "rowsPerSecond", v.state, v.reason,
  v.report, to_json(v.asked_at) #>> '{}' as "askedAt", to_json(v.finished_at) #>> '{}' as "finishedAt"`;
const KEPT = 50;

/** Asks the feed's leader for a comparison and returns it; null when there is no such feed, or none of the tables. */
export async function requestVerification(
  client: Queryable,
  target: SourceName,
  asked: Pick<Verification, 'tables' | 'repair' | 'rowsPerSecond'>,
): Promise<Verification | null> {
  const [made] = await rowsOf<Verification>(
    client,
    `insert into nearjoin.verification as v (target, tables, repair, rows_per_second)
     select f.target, $2::jsonb, $3, $4 from nearjoin.feed f
     where f.target = $1 and ($2::jsonb is null or exists (
       select from jsonb_to_recordset($2::jsonb) as w (schema text, name text)
       join nearjoin.cache_table t on t.target = f.target and t.schema_name = w.schema and t.table_name = w.name))
     returning ${COLUMNS}`,
    [target, asked.tables === null ? null : JSON.stringify(asked.tables), asked.repair, asked.rowsPerSecond],
  );
  return made ?? null;
}

/** The comparison of that number, or the newest; null when there is none. */
export async function findVerification(
  client: Queryable,
  target: SourceName,
  id: string | null,
): Promise<Verification | null> {
  const [found] = await rowsOf<Verification>(
    client,
    `select ${COLUMNS} from nearjoin.verification v
     where v.target = $1 and ($2::bigint is null or v.id = $2) order by v.id desc limit 1`,
    [target, id],
  );
  return found ?? null;
}

const CLAIM = keptStatement(
  `update nearjoin.verification v set state = 'running', reason = null, report = '[]'
     where v.id = (select min(id) from nearjoin.verification where target = $1 and state in ('asked', 'running'))
       and exists (select from nearjoin.feed where target = $1 and epoch = $2)
     returning ${COLUMNS}`,
);

/** The next comparison for the leader to make: a running one was left by a leader before, or by a feed interrupted. */
export async function claimVerification(client: Queryable, lease: FeedLease): Promise<Verification | null> {
  const [claimed] = await rowsOf<Verification>(client, CLAIM, [lease.target, lease.epoch]);
  return claimed ?? null;
}

/** Writes down how far a comparison is. */
export async function saveReport(
  client: Queryable,
  lease: FeedLease,
  id: string,
  report: readonly TableVerification[],
): Promise<void> {
  await client.query(
    `update nearjoin.verification set report = (${toldSql('$3')})::jsonb
     where id = $4 and target = $1 and exists (select from nearjoin.feed where target = $1 and epoch = $2)`,
    [lease.target, lease.epoch, told(JSON.stringify(report)), id],
  );
}

/** Ends a comparison. One of all tables that was carried through also tells the feed's status. */
export async function finishVerification(
  client: Queryable,
  lease: FeedLease,
  { id, tables }: Pick<Verification, 'id' | 'tables'>,
  { reason, report }: Pick<Verification, 'reason' | 'report'>,
): Promise<void> {
  const isTold = tables === null && reason === null && !report.some(({ state }) => state === 'failed');
  await client.query(
    `with ended as (
       update nearjoin.verification set state = $5, reason = ${toldSql('$6')}, report = (${toldSql('$3')})::jsonb, finished_at = clock_timestamp()
       where id = $4 and target = $1 and exists (select from nearjoin.feed where target = $1 and epoch = $2)
     ), told as (
       update nearjoin.feed set verified_at = clock_timestamp(), rows_differing = $8
       where target = $1 and epoch = $2 and $7
     )
     delete from nearjoin.verification where target = $1 and state in ('done', 'failed') and id <= $4::bigint - ${KEPT}`,
    [
      lease.target,
      lease.epoch,
      told(JSON.stringify(report)),
      id,
      reason === null ? 'done' : 'failed',
      told(reason),
      isTold,
      report.reduce((sum, table) => sum + remainingOf(table), 0),
    ],
  );
}

/** Milliseconds since anything was compared or asked for; null when it never was. */
export async function idleMs(client: Queryable, target: SourceName): Promise<number | null> {
  const { ms } = await rowOf<{ ms: number | null }>(
    client,
    `select (extract(epoch from clock_timestamp() - max(coalesce(finished_at, asked_at))) * 1000)::float8 as ms
     from nearjoin.verification where target = $1`,
    [target],
  );
  return ms;
}

/** Rows that still differ. */
export function remainingOf(table: TableVerification): number {
  return table.insert + table.update + table.delete - table.repaired;
}
