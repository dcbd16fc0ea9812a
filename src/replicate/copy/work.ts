import pg from 'pg';
import { type Connector, hasFailed, type Snapshot } from '../../../connectors/connector.ts';
import type { FeedLease } from '../../cache/feed/row.ts';
import { inCache } from '../../cache/names.ts';
import { type Queryable, rowOf, rowsOf } from '../../cache/queryable.ts';
import type { Overlay } from '../../cache/rows/overlay.ts';
import { type StoredTable, updateStoredTable } from '../../cache/table/stored.ts';
import { must } from '../../core/assert.ts';
import type { Log } from '../../core/log.ts';
import type { Lsn } from '../../core/position/lsn.ts';
import { quoteIdentifier } from '../../core/postgres/quote-identifier.ts';
import { sqlStateOf } from '../../core/postgres/sql-state.ts';
import { statementResults } from '../../core/postgres/statement-results.ts';
import type { Clock } from '../../core/waiting/clock.ts';
import type { Turns } from '../../core/waiting/turns.ts';
import type { Exclusively } from '../exclusively.ts';
import type { CopyLimits } from '../feed-options.ts';
import type { Progress } from '../follow/progress.ts';
import type { Pace } from '../pace.ts';
import type { StepHook } from '../steps.ts';
import type { Sinks } from '../write/sink.ts';
import type { CopyMeans } from './means.ts';
import type { CopySessions } from './sessions.ts';
import type { HeldSnapshot, Snapshots } from './snapshots.ts';

/** What copies of one run of a feed share. */
export interface CopierOptions {
  readonly lease: FeedLease;
  readonly means: CopyMeans;
  readonly connector: Connector;
  readonly exclusively: Exclusively;
  readonly sinks: Sinks;
  readonly progress: Progress;
  /** Resolves when the position is applied, which the target is asked for; or when the signal aborts. */
  readonly applied: (position: Lsn, signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
  /** How many tables are read at once. */
  readonly parallel: number;
  readonly limits: CopyLimits;
  readonly pace: Pace | null;
  /**
   * Whether an overlay is created when its copy begins, not with the first change: if that is refused, the copy fails and not
   * the stream.
   */
  readonly isOverlayMade: () => boolean;
  readonly log: Pick<Log, 'warn'>;
  readonly onStep?: StepHook | undefined;
}

/** All that the work on one table's copy needs. */
export interface CopyWork extends CopierOptions {
  readonly snapshots: Snapshots;
  readonly sessions: CopySessions;
  /** Turns to read from the target. */
  readonly reading: Turns;
  /** This copy's place among those that wait for their first turn. */
  readonly place: number;
  /** Turns to build the indexes of a large table. */
  readonly building: Turns;
  /** Ends with the feed's run. */
  readonly run: AbortSignal;
  /** Ends with the run, or when this copy is not wanted any more. */
  readonly stop: AbortSignal;
  /** Told of rows that went through. */
  readonly onRows: (rows: number) => void;
  /** From here on a later try can go on where this one ends. */
  readonly onKept: () => void;
}

/** What was copied so far is of no use: the copy must begin again. */
export class CopySpoilt extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'CopySpoilt';
  }
}

/**
 * Whether a copy that is made piece by piece can go on after this failure. Not when the source refuses what was to be
 * written, or has no room for it, or the target cannot send it: then what there is must go.
 */
export function isResumable(error: unknown): boolean {
  if (hasFailed(error, 'unsendable')) return false;
  return !(error instanceof CopySpoilt) && !/^(22|23|42|53|54)/.test(sqlStateOf(error) ?? '');
}

/** A copy whose rows are to be read from a snapshot that shows everything up to the position. */
interface Waiting {
  readonly stored: Pick<StoredTable, 'target' | 'table'>;
  readonly since: Lsn;
}

const TOLD_AFTER_MS = 2_000;
const WAITS = 'waiting for transactions that run on the target, or are prepared there, to end';

/** Waits; when transactions of the target make that last long, the copy's status says so. */
export async function tellIfLong<T>(
  { clock, exclusively }: Pick<CopyWork, 'clock' | 'exclusively'>,
  copy: Waiting['stored'],
  wait: Promise<T>,
): Promise<T> {
  const patience = new AbortController();
  const isSoon = Promise.race([
    wait.then(() => true),
    clock.delay(TOLD_AFTER_MS, patience.signal).then(() => false),
  ]);
  if (await isSoon.finally(() => patience.abort())) return await wait;
  const say = (reason: string | null): Promise<void> =>
    exclusively((client) => updateStoredTable(client, copy, { reason }));
  await say(WAITS);
  const done = await wait;
  await say(null);
  return done;
}

/** Holds such a snapshot. */
export async function holdSnapshot(
  work: CopyWork,
  { stored, since }: Waiting,
  stop: AbortSignal,
): Promise<HeldSnapshot> {
  const holding = work.snapshots.hold(since, work.run, stop);
  try {
    return await tellIfLong(work, stored, holding);
  } catch (error) {
    void holding.then(
      (held) => held.release(),
      () => undefined,
    );
    throw error;
  }
}

/** Holds a snapshot for the time of the work. */
export async function withSnapshot<T>(
  waiting: Waiting,
  copy: CopyWork,
  work: (snapshot: Snapshot) => Promise<T>,
): Promise<T> {
  const held = await holdSnapshot(copy, waiting, copy.stop);
  try {
    return await work(held.snapshot);
  } finally {
    await held.release();
  }
}

/** How large an overlay is; null when it is not there, because no change of its table has come since the copy was begun. */
export async function overlayPages(
  client: Queryable,
  { relation }: Pick<Overlay, 'relation'>,
): Promise<number | null> {
  const size = `pg_relation_size(to_regclass($1)) / current_setting('block_size')::int`;
  const { pages } = await rowOf<{ pages: number | null }>(client, `select (${size})::int as pages`, [
    inCache(relation),
  ]);
  return pages;
}

/** Opens a transaction that a lost lease cannot commit, with its first statements: all in one round trip. */
export async function begin(
  client: pg.Client,
  { target, epoch }: FeedLease,
  ...first: readonly string[]
): Promise<void> {
  const fence = `select nearjoin.fence(${pg.escapeLiteral(target)}, ${epoch})`;
  await client.query(['begin', fence, ...first].join('; '));
}

/** Runs the last statements of a transaction in one round trip; throws unless it was committed. */
export async function commit(client: Queryable, ...last: readonly string[]): Promise<void> {
  const results = statementResults(await client.query([...last, 'commit'].join('; ')));
  const { command } = results.at(-1) as { command?: string };
  if (command !== 'COMMIT') throw new Error('the source rolled the copy back');
}

const VALUE_TOO_LONG = '54000';

/**
 * Makes an index inside the open transaction. A value that is too long for it (a third of a page; on the target such a
 * column has no index) costs the index, not the copy: reads by it are slower, and right.
 */
export async function makeIndex(client: Queryable, statement: string): Promise<void> {
  // Without its key no copy can be kept.
  if (!statement.startsWith('create index')) return void (await client.query(statement));
  await client.query('savepoint before_index');
  try {
    await client.query(statement);
  } catch (error) {
    if (sqlStateOf(error) !== VALUE_TOO_LONG) throw error;
    await client.query('rollback to savepoint before_index');
  }
}

/**
 * Makes the index over the key the primary key, unless a copy that was interrupted has one: where a database publishes all
 * its tables, Postgres lets nobody update or delete rows of a table without.
 */
export async function makeKey(client: Queryable, { relation }: Pick<StoredTable, 'relation'>): Promise<void> {
  const [unique] = await rowsOf<{ name: string; primary: boolean }>(
    client,
    `select c.relname as name, i.indisprimary as primary from pg_index i join pg_class c on c.oid = i.indexrelid
     where i.indrelid = to_regclass($1) and i.indisunique order by i.indisprimary desc limit 1`,
    [inCache(relation)],
  );
  const { name, primary } = must(unique, 'the unique index of a copy');
  if (!primary)
    await client.query(
      `alter table ${inCache(relation)} add primary key using index ${quoteIdentifier(name)}`,
    );
}
