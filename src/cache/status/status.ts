import type { SourceName } from '../../core/names.ts';
import { isLsnText, type Lsn, parseLsn } from '../../core/position/lsn.ts';
import { historyName } from '../../core/position/token.ts';
import { isNoTable, sqlStateOf } from '../../core/postgres/sql-state.ts';
import { madeByNewer, mayNotCreate, takesNoWrites } from '../barred.ts';
import { type Queryable, rowOf } from '../queryable.ts';
import { VERSIONS } from '../schema-versions.ts';
import type { CacheStatus, CacheTable, FeedStatus, TableState } from './cache-table.ts';

const NOW = '(extract(epoch from clock_timestamp()) * 1000000)::bigint';

const ERROR_TIME = `to_char(f.last_error_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;

/** How far the index is that is being built on a cache table. */
const INDEXING = `
  select p.phase || case
      when p.tuples_total > 0 then ' ' || p.tuples_done * 100 / p.tuples_total || ' %'
      when p.blocks_total > 0 then ' ' || p.blocks_done * 100 / p.blocks_total || ' %'
      else '' end
  from pg_stat_progress_create_index p join pg_class c on c.oid = p.relid
  where c.relname = t.relation and c.relnamespace = 'nearjoin'::regnamespace
  limit 1`;

/** A column that an older schema lacks. */
const LINGERING = `'wanted no more: its copy stays until '
  || to_char((to_jsonb(t) ->> 'unwanted_until')::timestamptz at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;

// One statement is one snapshot: the tables' states belong to the very watermark beside them.
const STATUS = `
  select ${NOW}::text as now, (select to_jsonb(i) ->> 'owner' from nearjoin.installation i) as owner,
  (select schema_version from nearjoin.installation) as version, coalesce((
    select json_agg(json_build_object(
      'target', f.target, 'connector', f.connector, 'state', f.state, 'reason', f.reason,
      'heardAt', (extract(epoch from f.updated_at) * 1000000)::bigint, 'slot', f.slot,
      'lastError', nullif(concat_ws(' ', ${ERROR_TIME}, f.last_error), ''), 'position', w.position, 'freshAsOf', w.fresh_as_of,
      'systemId', f.system_id, 'timeline', f.timeline, 'database', f.target_database,
      'targetPosition', f.target_position, 'retainedWalBytes', f.retained_wal_bytes,
      'transactionsApplied', f.transactions_applied, 'changesApplied', f.changes_applied,
      'early', to_jsonb(f) -> 'early',
      'verifiedAt', extract(epoch from f.verified_at), 'rowsDiffering', f.rows_differing,
      'tables', coalesce((
        select json_agg(json_build_object(
          'schema', t.schema_name, 'name', t.table_name, 'relation', t.relation, 'columns', t.columns,
          'state', t.state, 'reason', coalesce(t.reason, ${LINGERING}), 'serving', to_jsonb(t) -> 'serving',
          'indexing', case when t.state = 'copying' then (${INDEXING}) end, 'rowsCopied', t.rows_copied, 'rowsEstimated', t.rows_estimated)
          order by t.schema_name, t.table_name)
        from nearjoin.cache_table t
        where t.target = f.target), '[]'::json))
      order by f.target)
    from nearjoin.feed f
    left join lateral (
      select position, fresh_as_of from nearjoin.watermark where target = f.target order by seq desc limit 1
    ) w on true), '[]'::json) as feeds`;

interface TableRow extends Pick<CacheTable, 'relation' | 'columns' | 'rowsCopied' | 'rowsEstimated'> {
  readonly schema: string;
  readonly name: string;
  readonly serving: Pick<TableRow, 'relation' | 'columns'> | null;
  readonly state: string;
  readonly reason: string | null;
  readonly indexing: string | null;
}

/** A status as it comes: positions as texts, the identity in parts. */
interface FeedRow
  extends Omit<FeedStatus, 'position' | 'targetPosition' | 'identity' | 'history' | 'tables'> {
  readonly position: string | null;
  readonly targetPosition: string | null;
  readonly systemId: string | null;
  readonly timeline: number | null;
  readonly database: string | null;
  readonly tables: readonly TableRow[];
}

interface StatusRow {
  readonly now: string;
  readonly owner: string | null;
  readonly version: number | null;
  readonly feeds: readonly FeedRow[];
}

interface Facts {
  readonly now: string;
  readonly hasFeeds: boolean;
  readonly isBarred: boolean;
  readonly isReadOnly: boolean;
  readonly role: string;
  readonly database: string;
}

// Asked first: a database without feeds would write an error to its log each time.
const FACTS = `
  select ${NOW}::text as now, exists (
    select from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'nearjoin' and c.relname = 'feed') as "hasFeeds",
    to_regnamespace('nearjoin') is null and not has_database_privilege(current_database(), 'create') as "isBarred",
    current_setting('transaction_read_only') = 'on' as "isReadOnly",
    quote_ident(current_user) as role, quote_ident(current_database()) as database`;

/** Reads what a source database says of its feeds, in one snapshot; no schema `nearjoin` there means no feeds. */
export async function readCacheStatus(client: Queryable): Promise<CacheStatus> {
  const facts = await rowOf<Facts>(client, FACTS);
  const found = facts.hasFeeds ? await readFeeds(client) : null;
  const status = found ?? { now: Number(facts.now), owner: null, feeds: new Map(), barred: null };
  return { ...status, barred: status.barred ?? obstacleIn(facts) };
}

function obstacleIn({ isReadOnly, isBarred, ...who }: Facts): string | null {
  if (isReadOnly) return takesNoWrites();
  return isBarred ? mayNotCreate(who) : null;
}

/** Null when the schema was dropped a moment ago. */
async function readFeeds(client: Queryable): Promise<CacheStatus | null> {
  try {
    const { now, owner, version, feeds } = await rowOf<StatusRow>(client, STATUS);
    const barred = version !== null && version > VERSIONS.length ? madeByNewer(version) : null;
    const byTarget = new Map(feeds.map((feed) => [feed.target, feedOf(feed)]));
    return { now: Number(now), owner, feeds: byTarget, barred };
  } catch (error) {
    if (isNoTable(sqlStateOf(error))) return null;
    throw error;
  }
}

function feedOf({ systemId, timeline, database, ...row }: FeedRow): FeedStatus {
  return {
    ...row,
    position: lsnOf(row.position),
    // A watermark without a position says that nothing here may be used, whatever time stands beside it.
    freshAsOf: row.position === null ? null : row.freshAsOf,
    identity: database === null ? null : { systemId, database },
    history: systemId === null || timeline === null ? null : historyName(systemId, timeline),
    targetPosition: lsnOf(row.targetPosition),
    tables: row.tables.map((table) => tableOf(row.target, table)),
  };
}

function tableOf(target: SourceName, row: TableRow): CacheTable {
  return {
    target,
    table: { schema: row.schema, name: row.name },
    relation: row.relation,
    columns: heldColumns(row),
    serving:
      row.serving === null ? null : { relation: row.serving.relation, columns: heldColumns(row.serving) },
    state: tableState(row.state, row.serving === null ? row.reason : `${row.reason}; ${SERVES_MEANWHILE}`),
    doing: doing(row),
    rowsCopied: row.rowsCopied,
    rowsEstimated: row.rowsEstimated,
  };
}

function heldColumns({ columns }: Pick<TableRow, 'columns'>): CacheTable['columns'] {
  return columns.map(({ name, type }) => ({ name, type }));
}

function doing({ state, reason, indexing, serving }: TableRow): string | null {
  if (state === 'failed') return null;
  const now = indexing === null ? reason : `${reason ?? 'building an index'}: ${indexing}`;
  const meanwhile = serving === null || state === 'ready' ? [] : [SERVES_MEANWHILE];
  return now === null ? (meanwhile[0] ?? null) : [now, ...meanwhile].join('; ');
}

const SERVES_MEANWHILE = 'the copy without its new columns serves meanwhile';

/** The state as a union, from its two columns. */
export function tableState(state: string, reason: string | null): TableState {
  switch (state) {
    case 'pending':
    case 'copying':
    case 'catching-up':
    case 'ready':
      return { kind: state };
    default:
      return { kind: 'failed', reason: reason ?? 'unknown' };
  }
}

function lsnOf(text: string | null): Lsn | null {
  return text !== null && isLsnText(text) ? parseLsn(text) : null;
}
