import { inCache, relationName } from '../../cache/names.ts';
import { isRefusal, type Queryable, rowOf } from '../../cache/queryable.ts';
import { dropTableSql } from '../../cache/table/ddl.ts';
import {
  deleteStoredTable,
  type Generation,
  type StoredTable,
  updateStoredTable,
} from '../../cache/table/stored.ts';
import { quoteIdentifier } from '../../core/postgres/quote-identifier.ts';
import { LOCK_NOT_AVAILABLE, sqlStateOf } from '../../core/postgres/sql-state.ts';
import type { Clock } from '../../core/waiting/clock.ts';
import type { Exclusively } from '../exclusively.ts';
import { say } from '../say.ts';
import type { StepHook } from '../steps.ts';
import type { Sinks } from '../write/sink.ts';
import { nextGeneration } from './generations.ts';

/** What becomes of a table whose copy is dropped; `unserved`: only the older generation is dropped. */
export type Afterwards =
  | { readonly kind: 'forgotten' }
  | { readonly kind: 'unserved' }
  | { readonly kind: 'pending'; readonly reason: string | null }
  | { readonly kind: 'failed'; readonly reason: string };

const LOCK_WAIT_MS = 500;
/** How long a retired generation waits for its readers: it may go another time. */
const RETIRE_WAIT_MS = 100;
/** Most copies dropped in one transaction: each takes some locks, of which a server has a few thousand. */
const DROPPED_TOGETHER = 100;

/** A copy that is dropped. */
export interface Discarded {
  readonly stored: StoredTable;
  readonly afterwards: Afterwards;
  /** The older generation, if there is one, still serves. */
  readonly servesOn?: boolean;
}

/** Where copies are dropped. */
export interface DiscardContext {
  readonly exclusively: Exclusively;
  readonly sinks: Sinks;
  readonly clock: Clock;
  /** Done first, while the watermark stands still, as taking the tables out of the publication. */
  readonly before?: () => Promise<unknown>;
}

/**
 * Drops copies, and notes what becomes of each table. The stream waits until the last is gone, even while readers hold them:
 * the watermark must not move past changes that a copy which is still read does not get.
 */
export async function discard(
  tables: readonly Discarded[],
  { exclusively, sinks, clock, before }: DiscardContext,
  signal: AbortSignal,
): Promise<void> {
  if (tables.length === 0) return;
  await exclusively(async (client, next) => {
    await before?.();
    for (let at = 0; at < tables.length; at += DROPPED_TOGETHER) {
      if (at > 0) await next();
      const together = tables.slice(at, at + DROPPED_TOGETHER);
      const drop = async (): Promise<void> => {
        for (const each of together) await discardOne(client, each);
      };
      const generations = together.flatMap(generationsOf);
      const relations = generations.map(({ relation }) => relation);
      await untilDone(client, relations, drop, { clock, signal });
      for (const generation of generations) sinks.remove(generation);
    }
  });
}

/** Does in the open transaction what needs locks that readers may hold; tries until it gets them. */
export async function untilDone(
  client: Queryable,
  relations: readonly string[],
  work: () => Promise<void>,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  await client.query(`set local lock_timeout = ${LOCK_WAIT_MS}`);
  while (!(await tried(client, work))) {
    signal.throwIfAborted();
    await client.query(END_OWN, [relations.map(inCache)]);
    await clock.delay(LOCK_WAIT_MS / 5, signal);
  }
}

/**
 * Ends this leader's sessions that build indexes of the relations. Those of a stopped copy may still do so, since a server does
 * not notice that its client is gone while it works.
 */
const END_OWN = `
  select pg_terminate_backend(l.pid) from pg_locks l join pg_stat_activity a on a.pid = l.pid
  where l.relation in (select to_regclass(name) from unnest($1::text[]) name) and l.mode not in ('AccessShareLock', 'RowExclusiveLock')
    and a.application_name = current_setting('application_name') and a.pid <> pg_backend_pid()`;

async function tried(client: Queryable, work: () => Promise<void>): Promise<boolean> {
  await client.query('savepoint dropping');
  try {
    await work();
    return true;
  } catch (error) {
    if (sqlStateOf(error) !== LOCK_NOT_AVAILABLE) throw error;
    await client.query('rollback to savepoint dropping');
    return false;
  }
}

/** The generations that are dropped. */
function generationsOf({ stored, afterwards, servesOn = false }: Discarded): readonly Generation[] {
  const serving = stored.serving === null || servesOn ? [] : [stored.serving];
  return afterwards.kind === 'unserved' ? serving : [stored, ...serving];
}

async function discardOne(client: Queryable, discarded: Discarded): Promise<void> {
  const { stored, afterwards, servesOn = false } = discarded;
  for (const { relation } of generationsOf(discarded)) await drop(client, stored, relation);
  const unserved = servesOn ? {} : { serving: null };
  if (afterwards.kind === 'unserved') return updateStoredTable(client, stored, unserved);
  if (stored.overlay !== null) await drop(client, stored, stored.overlay);
  if (afterwards.kind === 'forgotten') return deleteStoredTable(client, stored.target, stored.table);
  const { kind: state, reason } = afterwards;
  const gone = { overlay: null, copied_at: null, piece_cursor: null, resync: false, ...unserved };
  await updateStoredTable(client, stored, { state, reason, ...gone });
}

const IS_THERE = 'select to_regclass($1) is not null as "isThere"';

/**
 * Drops a relation of the table's. If somebody's rule refuses that, or their view depends on it, it is renamed, so that nobody
 * reads it, and is an orphan from then on: one table must not hold up all others.
 */
async function drop(
  client: Queryable,
  { target, table }: Pick<StoredTable, 'target' | 'table'>,
  relation: string,
): Promise<void> {
  try {
    await client.query(`savepoint whole; ${dropTableSql(relation)}; release savepoint whole`);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    await client.query('rollback to savepoint whole');
    // What refuses every definition refuses also to drop or rename what was never made.
    const { isThere } = await rowOf<{ isThere: boolean }>(client, IS_THERE, [inCache(relation)]);
    if (!isThere) return;
    const name = relationName(target, table, await nextGeneration(client));
    await rename(client, inCache(relation), name);
  }
}

/** Where that is refused too the feed waits. What the refusal says may be anybody's words, so the relation is named. */
async function rename(client: Queryable, relation: string, name: string): Promise<void> {
  try {
    await client.query(`alter table if exists ${relation} rename to ${quoteIdentifier(name)}`);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    throw new Error(`${relation} can be neither dropped nor renamed: ${say(error)}`, { cause: error });
  }
}

/**
 * Drops the generation that a newer one has replaced. The stream does not wait for its readers: while there are some, it still
 * takes changes, until the next time. Says whether it is gone.
 */
export async function retire(
  stored: StoredTable,
  {
    exclusively,
    sinks,
    onStep,
  }: Pick<DiscardContext, 'exclusively' | 'sinks'> & { onStep?: StepHook | undefined },
): Promise<boolean> {
  try {
    await exclusively(async (client) => {
      await client.query(`set local lock_timeout = ${RETIRE_WAIT_MS}`);
      await discardOne(client, { stored, afterwards: { kind: 'unserved' } });
      await onStep?.('replace:dropped-uncommitted');
      if (stored.serving !== null) sinks.remove(stored.serving);
    });
    await onStep?.('replace:dropped');
    return true;
  } catch (error) {
    if (sqlStateOf(error) !== LOCK_NOT_AVAILABLE) throw error;
    return false;
  }
}
