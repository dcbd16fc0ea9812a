import { inCache } from '../../cache/names.ts';
import type { Queryable } from '../../cache/queryable.ts';
import { type CacheShape, STORAGE } from '../../cache/table/ddl.ts';
import type { StoredTable } from '../../cache/table/stored.ts';
import { quoteIdentifier } from '../../core/postgres/quote-identifier.ts';
import { sqlStateOf } from '../../core/postgres/sql-state.ts';
import { say } from '../say.ts';
import type { CopyWork } from './work.ts';

/** After all copies that wait. */
const LAST_PLACE = Number.POSITIVE_INFINITY;

/**
 * Gathers the planner's statistics of a copy that is ready. Nobody waits for them: its size is known from its indexes,
 * and plans made without them are made anew. So copies that wait for their turn go first. When it fails, autovacuum will
 * do it.
 */
export async function gatherStatistics(
  stored: StoredTable,
  { sessions, reading, stop, log }: CopyWork,
): Promise<void> {
  try {
    const measure = (): Promise<void> => sessions.use(({ client }) => analyze(client, stored), stop);
    await reading.take(measure, stop, LAST_PLACE);
  } catch (error) {
    if (stop.aborted) return;
    const { table } = stored;
    log.warn({ table, error: say(error) }, 'statistics of a copy could not be gathered');
  }
}

/**
 * Some values cannot be measured, a range of numerics beyond a double among them: then the other columns get their
 * statistics, and the copy is none the worse.
 */
async function analyze(client: Queryable, { relation, columns }: CacheShape): Promise<void> {
  // ANALYZE alone leaves plans as they are when it finds as many rows and pages as the indexes had counted.
  const forgetPlans = `alter table ${inCache(relation)} set ${STORAGE}`;
  if (await isMeasured(client, `${inCache(relation)}; ${forgetPlans}`)) return;
  for (const { name } of columns) await isMeasured(client, `${inCache(relation)} (${quoteIdentifier(name)})`);
  await client.query(forgetPlans);
}

async function isMeasured(client: Queryable, what: string): Promise<boolean> {
  try {
    await client.query(`analyze ${what}`);
    return true;
  } catch (error) {
    if (sqlStateOf(error)?.startsWith('22') === true) return false;
    throw error;
  }
}
