import { messageOf } from '../../../src/core/errors.ts';
import { type TableRef, tableKey } from '../../../src/core/names.ts';
import { LOCK_HOLDER_SQL } from '../../../src/core/postgres/lock-holder.ts';
import { quoteIdentifier, quoteTable } from '../../../src/core/postgres/quote-identifier.ts';
import { systemClock } from '../../../src/core/waiting/clock.ts';
import { ConnectorError, type Published } from '../../connector.ts';
import type { AdminPool } from '../client.ts';
import { isForbidden, isLocked, isThereAlready } from '../failure.ts';
import type { Target } from '../settings.ts';
import { Harmful, harmedTables } from './harm.ts';

/** What is to become of a publication. */
export interface Changes {
  /** What concerns the publication as a whole. */
  readonly before: readonly string[];
  readonly drops: readonly TableRef[];
  readonly adds: readonly TableRef[];
}

/** Nothing was to be changed. */
export const NOTHING_CHANGED: Published = { added: [], refused: [], stillPublished: [] };

/** For each lock, when tables are changed one by one: whoever asked waits for all of them. */
const ALONE_LOCK_MS = 200;
/** The same, once all of them together have taken as long as one statement may. */
const LATE_LOCK_MS = 1;

/** All at once; table by table when one of them is in somebody's hands, in a schema that the role may not use any more, or refused by an event trigger. */
export async function changePublication(admin: AdminPool, changes: Changes): Promise<Published> {
  try {
    await changeAtOnce(admin, changes);
    return { ...NOTHING_CHANGED, added: changes.adds };
  } catch (error) {
    if (!isLocked(error) && !isForbidden(error) && !(error instanceof Harmful)) throw error;
  }
  return await changeOneByOne(admin, changes);
}

async function changeOneByOne(admin: AdminPool, { before, drops, adds }: Changes): Promise<Published> {
  const patience = patienceOf(admin.target);
  // Options and drops go together: an option set while a table without a key is still in would harm its owner.
  if (before.length > 0) await optionsSet(admin, { before, drops, adds: [] });
  const left = before.length > 0 ? [] : drops;
  const stillPublished = await eachTried(left, (drop) => droppedAlone(admin, drop, patience()));
  const refused = await eachTried(adds, (add) => addedAlone(admin, add, patience()));
  return { added: allBut(refused, adds), refused, stillPublished };
}

/** The tables that were not refused. */
export function allBut(refused: Published['refused'], tables: readonly TableRef[]): readonly TableRef[] {
  const keys = new Set(refused.map(({ table }) => tableKey(table)));
  return tables.filter((table) => !keys.has(tableKey(table)));
}

/** Those with a reason why it was not done. */
async function eachTried(
  tables: readonly TableRef[],
  attempt: (table: TableRef) => Promise<string | null>,
): Promise<Published['refused']> {
  const failed: Published['refused'][number][] = [];
  for (const table of tables) {
    const reason = await attempt(table);
    if (reason !== null) failed.push({ table, reason });
  }
  return failed;
}

/** For how long a lock is waited for, each time it is asked. */
function patienceOf({ timings }: Target): () => number {
  const untilMs = systemClock.monotonicMs() + timings.statementMs;
  const usualMs = Math.min(ALONE_LOCK_MS, timings.lockMs);
  return () => (systemClock.monotonicMs() < untilMs ? usualMs : LATE_LOCK_MS);
}

async function changeAtOnce(
  admin: AdminPool,
  changes: Changes,
  lockMs = admin.target.timings.lockMs,
): Promise<void> {
  const { name } = admin.target;
  await admin.transaction(async (query) => {
    await query(`set local lock_timeout = ${lockMs}`);
    for (const sql of statementsOf(name, changes)) await query(sql);
    // The locks just taken keep everybody from dropping a key until this is committed.
    const harmed = await harmedTables(query, name);
    if (harmed.length > 0) throw new Harmful(harmed);
  });
}

async function optionsSet(admin: AdminPool, changes: Changes): Promise<void> {
  try {
    await changeAtOnce(admin, changes);
  } catch (error) {
    if (!isForbidden(error) || changes.drops.length === 0) throw error;
    throw new ConnectorError('unfit', notDropped(admin.target.name, changes.drops, error), error);
  }
}

/**
 * Why the table stays published for now. Null when it was taken out, or when another table that harms its owner kept this from
 * being committed: that one goes first.
 */
async function droppedAlone(admin: AdminPool, drop: TableRef, lockMs: number): Promise<string | null> {
  try {
    await changeAtOnce(admin, { before: [], drops: [drop], adds: [] }, lockMs);
  } catch (error) {
    if (isForbidden(error)) return notDropped(admin.target.name, [drop], error);
    if (isLocked(error)) return await lockedBySomebody(admin, drop);
    if (!(error instanceof Harmful)) throw error;
  }
  return null;
}

function notDropped(name: string, drops: readonly TableRef[], error: unknown): string {
  const [fix] = statementsOf(name, { before: [], drops, adds: [] });
  return `the role may not take what nobody wants out of the publication: ${messageOf(error)}; run: ${fix};`;
}

/** Why it cannot be published for now; null when it is. */
async function addedAlone(admin: AdminPool, add: TableRef, lockMs: number): Promise<string | null> {
  try {
    await changeAtOnce(admin, { before: [], drops: [], adds: [add] }, lockMs);
    return null;
  } catch (error) {
    if (error instanceof Harmful) return error.message;
    if (isForbidden(error)) return `the role may not publish it: ${messageOf(error)}`;
    if (!isLocked(error) && !isThereAlready(error)) throw error;
    return await lockedBySomebody(admin, add);
  }
}

async function lockedBySomebody(admin: AdminPool, table: TableRef): Promise<string> {
  const { who } = await admin.row<{ who: string | null }>(LOCKED_BY, [quoteTable(table)]);
  return `waiting for a lock on the target, which is held by ${who ?? 'nobody any more'}`;
}

/** Who has, or waits for, what keeps a publication from taking a table in or letting it go: a vacuum, an index build, a change of it. */
const LOCKED_BY = `
  select string_agg(${LOCK_HOLDER_SQL}, ', ' order by l.pid) as who
  from (
    select distinct pid from pg_locks
    where locktype = 'relation' and relation = to_regclass($1)
      and database = (select oid from pg_database where datname = current_database())
      and mode not in ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')
  ) l
  left join pg_stat_activity a on a.pid = l.pid`;

function statementsOf(name: string, { before, drops, adds }: Changes): readonly string[] {
  const change = (verb: 'add' | 'drop', tables: readonly TableRef[]): readonly string[] =>
    tables.length === 0
      ? []
      : [`alter publication ${quoteIdentifier(name)} ${verb} table ${tables.map(quoteTable).join(', ')}`];
  return [...before, ...change('drop', drops), ...change('add', adds)];
}
