import { deleteFeed, type FeedLease, saveFeedState } from '../../cache/feed/row.ts';
import { inCache, isNamedAfter } from '../../cache/names.ts';
import { isRefusal, type Queryable, rowsOf, sqlStateOf } from '../../cache/queryable.ts';
import { dropTableSql, ORPHANS_SQL } from '../../cache/table/ddl.ts';
import type { SourceName } from '../../core/names.ts';
import { say } from '../say.ts';
import type { Exclusively } from './discard.ts';

const LOCK_NOT_AVAILABLE = '55P03';
const LOCK_WAIT_MS = 500;

/** A table of ours that is of no use any more, and why it is there still; null when somebody reads it just now. */
export interface Kept {
  readonly relation: string;
  readonly reason: string | null;
}

/** A feed cannot go as long as something keeps its tables; its target is free. */
export class CopiesKept extends Error {
  constructor([first, ...others]: readonly Kept[]) {
    const more = others.length === 0 ? '' : `, and ${others.length} more`;
    super(first === undefined ? '' : `waiting to drop ${sayKept(first)}${more}`);
    this.name = 'CopiesKept';
  }
}

/** Which table stays, and what to do about it. */
export function sayKept({ relation, reason }: Kept): string {
  return `${inCache(relation)}: ${reason ?? 'somebody reads it'}`;
}

/** Drops tables of ours that nothing refers to; gives those of the target's that stay until the next time. */
export async function dropOrphans(exclusively: Exclusively, target: SourceName): Promise<readonly Kept[]> {
  const orphans = await exclusively((client) =>
    rowsOf<{ relation: string; keepers: string | null }>(client, ORPHANS_SQL),
  );
  const kept: Kept[] = [];
  for (const { relation, keepers } of orphans) {
    const still =
      keepers === null
        ? await tried(exclusively, relation)
        : { relation, reason: `something else depends on it, which goes with: ${keepers}` };
    if (still !== null && isNamedAfter(target, relation)) kept.push(still);
  }
  return kept;
}

/** Null when it is dropped. */
async function tried(exclusively: Exclusively, relation: string): Promise<Kept | null> {
  try {
    const statements = `set local lock_timeout = ${LOCK_WAIT_MS}; ${dropTableSql(relation)}`;
    await exclusively((client) => client.query(statements));
    return null;
  } catch (error) {
    if (sqlStateOf(error) === LOCK_NOT_AVAILABLE) return { relation, reason: null };
    if (!isRefusal(error)) throw error;
    return { relation, reason: say(error) };
  }
}

/** Drops the tables of a feed that goes, which nobody reads from here on; gives those that stay until the next time. */
export async function dropCopies(client: Queryable, { target }: FeedLease): Promise<readonly Kept[]> {
  await client.query('delete from nearjoin.cache_table where target = $1', [target]);
  return await dropOrphans((work) => work(client, () => Promise.resolve()), target);
}

/** Forgets a feed of which nothing is left; throws CopiesKept, and says so in its status, as long as some of its tables stay. */
export async function endFeed(client: Queryable, lease: FeedLease, kept: readonly Kept[]): Promise<void> {
  if (kept.length === 0) return deleteFeed(client, lease);
  const error = new CopiesKept(kept);
  await saveFeedState(client, lease, { state: 'retrying', reason: error.message, lastError: error.message });
  throw error;
}
