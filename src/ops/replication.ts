import { ownedByOther } from '../cache/schema/owner.ts';
import type { CacheStatus, CacheTable, FeedState, FeedStatus } from '../cache/status/cache-table.ts';
import { messageOf } from '../core/errors.ts';
import type { MetadataIdentity } from '../core/metadata-identity.ts';
import { type SourceName, type TableRef, tableKey } from '../core/names.ts';
import { formatLsn, type Lsn } from '../core/position/lsn.ts';
import { isCredible, type SourceTime, stalenessMs } from '../core/position/watermark.ts';
import { type DatabaseIdentity, isOtherDatabase } from '../core/postgres/database-identity.ts';
import { sourceAdvice } from '../core/postgres/server-advice.ts';
import { sqlStateOf } from '../core/postgres/sql-state.ts';

/** One table of a feed, as `GET /v1/replication` prints it. */
export interface TableReport {
  readonly schema: string;
  readonly name: string;
  readonly state: string;
  readonly rows_copied: number;
  readonly rows_estimated: number | null;
  /** Why a table failed; of others what happens to it just now, when there is anything to say. */
  readonly reason?: string;
}

/** One feed, as `GET /v1/replication` prints it. */
export interface FeedReport {
  readonly target: SourceName;
  readonly source: SourceName;
  readonly connector: string;
  readonly state: FeedState;
  readonly reason: string | null;
  readonly slot: string | null;
  readonly position: string | null;
  readonly target_position: string | null;
  readonly staleness_ms: number | null;
  readonly lag_bytes: number | null;
  readonly retained_wal_bytes: number | null;
  readonly transactions_applied: number;
  readonly changes_applied: number;
  /** Transactions that are written before they commit on the target, their changes so far, and for how long the first; null while there are none. */
  readonly early_transactions: number;
  readonly early_changes: number;
  readonly early_age_ms: number | null;
  /** Seconds since 1970, and rows that differed then; null before the first comparison of all tables. */
  readonly verified_at: number | null;
  readonly rows_differing: number | null;
  readonly tables: readonly TableReport[];
  readonly last_error: string | null;
}

/** A table that a feed should hold. */
export interface FeedTable {
  readonly table: TableRef;
  /** Why a mapping that leads to it is answered live although it is held; null when none is. */
  readonly mapping: string | null;
}

/** A feed that metadata asks for, with the tables it should hold as far as they are known. */
export interface WantedFeed {
  readonly source: SourceName;
  readonly target: SourceName;
  readonly connector: FeedStatus['connector'];
  readonly tables: readonly FeedTable[];
}

/** What a report is made from. */
export interface ReplicationView {
  /** Databases that may hold caches. */
  readonly sources: () => readonly SourceName[];
  readonly status: (source: SourceName) => Promise<CacheStatus>;
  readonly wanted: () => readonly WantedFeed[];
  /** Which database the metadata names; null while it has not said. */
  readonly identity: (target: SourceName) => DatabaseIdentity | null;
  /** This installation, by its metadata database. */
  readonly installation: MetadataIdentity;
  /** A newer time of freshness than the stored one, if this process has heard of any for that position. */
  readonly newerFreshness: (source: SourceName, target: SourceName, upTo: Lsn) => SourceTime | null;
}

/** Every feed of every source; a source that does not answer is reported by its feeds, never thrown. */
export async function reportFeeds(view: ReplicationView): Promise<readonly FeedReport[]> {
  const wanted = view.wanted();
  const lists = await Promise.all(
    view.sources().map(async (source) => {
      const feeds = wanted.filter((feed) => feed.source === source);
      try {
        return feedsOf(source, feeds, await view.status(source), view);
      } catch (error) {
        const reason = unansweredReason(source, error);
        return feeds.map((feed) => absentFeed(feed, 'retrying', reason));
      }
    }),
  );
  return lists.flat().sort((a, b) => compare(a.target, b.target) || compare(a.source, b.source));
}

/** Whoever may not look into schema nearjoin has an answer, and something to do. */
function unansweredReason(source: SourceName, error: unknown): string {
  const state = sqlStateOf(error);
  const what = state?.startsWith('42') === true ? 'does not tell of its feeds' : 'does not answer';
  const advice = sourceAdvice(state);
  return `source "${source}" ${what}: ${messageOf(error)}${advice === null ? '' : `: ${advice}`}`;
}

function feedsOf(
  source: SourceName,
  wanted: readonly WantedFeed[],
  status: CacheStatus,
  view: ReplicationView,
): readonly FeedReport[] {
  const missing = wanted.filter(({ target }) => !status.feeds.has(target));
  const { owner } = status;
  const { installation } = view;
  const others =
    owner === null || owner === installation.id ? null : ownedByOther(source, owner, installation);
  const present = [...status.feeds.values()].map((feed) => {
    const report = feedReport(source, feed, status, view);
    const tables = wanted.find(({ target }) => target === feed.target)?.tables ?? [];
    const refused = others === null ? {} : ({ state: 'retrying', reason: others } as const);
    return {
      ...report,
      ...refused,
      tables: [...report.tables.map((one) => readBy(one, tables)), ...notYetKnown(tables, feed.tables)],
    };
  });
  return [
    ...present,
    ...missing.map((feed) => {
      if (others !== null) return absentFeed(feed, 'retrying', others);
      if (status.barred !== null) return absentFeed(feed, 'failed', status.barred);
      return absentFeed(feed, 'starting', 'no replicator has set up this feed yet');
    }),
  ];
}

/** Tables that metadata asks for and the replicator has not heard of: a moment after a registration, or while none runs. */
function notYetKnown(wanted: readonly FeedTable[], known: readonly CacheTable[]): readonly TableReport[] {
  const names = new Set(known.map(({ table }) => tableKey(table)));
  return wanted
    .filter(({ table }) => !names.has(tableKey(table)))
    .map((one) => ({ ...pendingTable(one), reason: NOT_TAKEN_UP }));
}

/** A copy is kept all the same: other mappings may lead to it. */
function readBy(report: TableReport, wanted: readonly FeedTable[]): TableReport {
  if (report.reason !== undefined) return report;
  const mapping = wanted.find(({ table }) => tableKey(table) === tableKey(report))?.mapping ?? null;
  return mapping === null ? report : { ...report, reason: `answered live by its mapping: ${mapping}` };
}

const NOT_TAKEN_UP =
  'not taken up by a replicator yet; if that lasts while the feed streams, the log of the one that leads says why, or it goes by another metadata database';

function pendingTable({ table: { schema, name } }: FeedTable): TableReport {
  return { schema, name, state: 'pending', rows_copied: 0, rows_estimated: null };
}

function feedReport(
  source: SourceName,
  feed: FeedStatus,
  status: CacheStatus,
  view: ReplicationView,
): FeedReport {
  const { now } = status;
  const { position, targetPosition } = feed;
  const newer = position === null ? null : view.newerFreshness(source, feed.target, position);
  const freshAsOf = feed.freshAsOf === null ? null : Math.max(feed.freshAsOf, newer ?? feed.freshAsOf);
  return {
    target: feed.target,
    source,
    connector: feed.connector,
    ...saidOf(feed, status, view.identity(feed.target)),
    slot: feed.slot,
    position: position === null ? null : formatLsn(position),
    target_position: targetPosition === null ? null : formatLsn(targetPosition),
    staleness_ms: freshAsOf === null || !isCredible(freshAsOf, now) ? null : stalenessMs(now, freshAsOf),
    lag_bytes: position === null || targetPosition === null ? null : Number(behind(position, targetPosition)),
    retained_wal_bytes: feed.retainedWalBytes,
    transactions_applied: feed.transactionsApplied,
    changes_applied: feed.changesApplied,
    ...earlyOf(feed, now),
    verified_at: feed.verifiedAt,
    rows_differing: feed.rowsDiffering,
    tables: feed.tables.map((table) => tableReport(position === null ? unusable(table) : table)),
    last_error: feed.lastError,
  };
}

type EarlyReport = Pick<FeedReport, 'early_transactions' | 'early_changes' | 'early_age_ms'>;

const NONE_EARLY: EarlyReport = { early_transactions: 0, early_changes: 0, early_age_ms: null };

function earlyOf({ early, heardAt }: FeedStatus, now: SourceTime): EarlyReport {
  if (early === null || isSilent(heardAt, now)) return NONE_EARLY;
  const { transactions, changes, since } = early;
  return {
    early_transactions: transactions,
    early_changes: changes,
    early_age_ms: Math.max(0, Math.round((now - since) / 1000)),
  };
}

/** So long after the last word of a leader another should have taken its place. */
const SILENT_US = 10_000_000;

function isSilent(heardAt: SourceTime, now: SourceTime): boolean {
  return Math.abs(now - heardAt) > SILENT_US;
}

const TWO_INSTALLATIONS =
  'if that lasts, a replicator with another metadata database keeps them: give every source to one metadata database';

/** What a leader said last holds while somebody leads; that a feed is paused holds until it is resumed. */
function saidOf(
  { target, state, reason, heardAt, identity }: FeedStatus,
  { now, barred }: CacheStatus,
  named: DatabaseIdentity | null,
): { readonly state: FeedState; readonly reason: string | null } {
  if (identity !== null && isOtherDatabase(identity, named)) {
    const held = `the copies are of another database than the metadata names "${target}": of database "${identity.database}"`;
    return { state: 'failed', reason: `${held}; ${TWO_INSTALLATIONS}` };
  }
  const isLed = !isSilent(heardAt, now);
  // A newer program may lead it.
  if (barred !== null && !isLed) return { state: 'failed', reason: barred };
  if (state === 'paused' || isLed) return { state, reason };
  const at = new Date(heardAt / 1000).toISOString();
  return { state: 'retrying', reason: `no replicator leads this feed: one was last heard of at ${at}` };
}

/** Without a position nothing that was copied may be read: it is given up, and copied again. */
function unusable(table: CacheTable): CacheTable {
  return table.state.kind === 'ready' ? { ...table, state: { kind: 'pending' }, doing: GIVEN_UP } : table;
}

const GIVEN_UP = 'the copy was given up';

function tableReport({ table, state, doing, rowsCopied, rowsEstimated }: CacheTable): TableReport {
  const reason = state.kind === 'failed' ? state.reason : doing;
  // Rows that are there were counted; the planner guesses hundreds for a small table it has never looked at.
  const isCopied = state.kind === 'catching-up' || state.kind === 'ready';
  return {
    schema: table.schema,
    name: table.name,
    state: state.kind,
    rows_copied: rowsCopied,
    rows_estimated: isCopied ? rowsCopied : rowsEstimated,
    ...(reason === null ? {} : { reason }),
  };
}

function absentFeed(feed: WantedFeed, state: FeedState, reason: string): FeedReport {
  const { source, target, connector, tables } = feed;
  return {
    target,
    source,
    connector,
    state,
    reason,
    slot: null,
    position: null,
    target_position: null,
    staleness_ms: null,
    lag_bytes: null,
    retained_wal_bytes: null,
    transactions_applied: 0,
    changes_applied: 0,
    ...NONE_EARLY,
    verified_at: null,
    rows_differing: null,
    tables: tables.map(pendingTable),
    last_error: null,
  };
}

/** The applied position may be read later than the target's own. */
function behind(position: Lsn, targetPosition: Lsn): bigint {
  return targetPosition > position ? targetPosition - position : 0n;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
