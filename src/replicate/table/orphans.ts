import { FENCE_SQL } from '../../cache/feed/lease.ts';
import { deleteFeed, type FeedLease, saveFeedState } from '../../cache/feed/row.ts';
import { inCache } from '../../cache/names.ts';
import { isRefusal, type Queryable, rowsOf } from '../../cache/queryable.ts';
import { dropTableSql, ORPHANS_SQL, type Orphan } from '../../cache/table/ddl.ts';
import { deleteStoredTables } from '../../cache/table/stored.ts';
import type { SourceName } from '../../core/names.ts';
import { LOCK_NOT_AVAILABLE, sqlStateOf } from '../../core/postgres/sql-state.ts';
import { say } from '../say.ts';
import { orLeaseLost } from '../write/applier.ts';

/** Short, because the stream waits meanwhile and nothing presses. Most readers are noticed before, as holders of a lock. */
export const ORPHAN_LOCK_MS = 20;

/** A table of ours that is of no use any more, and why it could not be dropped. */
export interface Kept {
  readonly relation: string;
  readonly reason: string;
  /** Somebody is just reading it. */
  readonly isPassing: boolean;
}

/** A feed cannot be removed while something keeps its tables; its slot is gone already. */
export class CopiesKept extends Error {
  /** The same for as long as the same tables stay, whoever reads them. */
  readonly kind: string;

  constructor(kept: readonly Kept[]) {
    const [first, ...others] = kept;
    const more = others.length === 0 ? '' : `, and ${others.length} more`;
    super(first === undefined ? '' : `waiting to drop ${sayKept(first)}${more}`);
    this.name = 'CopiesKept';
    this.kind = kept.map((each) => (each.isPassing ? inCache(each.relation) : sayKept(each))).join();
  }
}

/** Which table stays, and what to do about it. */
export function sayKept({ relation, reason }: Kept): string {
  return `${inCache(relation)}: ${reason}`;
}

/** How orphans are looked for, beside the stream, and dropped, each in a transaction of its own under the feed's lease. */
export interface Dropping {
  readonly client: Queryable;
  readonly exclusively: (work: (client: Queryable) => Promise<unknown>) => Promise<unknown>;
}

/**
 * Drops tables of ours that nothing refers to, the target's and those of no other feed's; gives those of the target's that stay
 * until the next time. The stream has nothing to do with what somebody reads.
 */
export async function dropOrphans(
  { client, exclusively }: Dropping,
  target: SourceName,
): Promise<readonly Kept[]> {
  const kept: Kept[] = [];
  for (const orphan of await rowsOf<Orphan>(client, ORPHANS_SQL, [target])) {
    const still = reasonToStay(orphan) ?? (await tried(exclusively, orphan));
    if (still !== null && orphan.isOwn) kept.push(still);
  }
  return kept;
}

function reasonToStay({ relation, holders, keepers }: Orphan): Kept | null {
  if (keepers !== null) {
    const reason = `something else depends on it, which goes with: ${keepers}`;
    return { relation, reason, isPassing: false };
  }
  return holders === null ? null : { relation, reason: `it is read by ${holders}`, isPassing: true };
}

/** Null when it is dropped. */
async function tried(exclusively: Dropping['exclusively'], { relation }: Orphan): Promise<Kept | null> {
  try {
    const statements = `set local lock_timeout = ${ORPHAN_LOCK_MS}; ${dropTableSql(relation)}`;
    await exclusively((client) => client.query(statements));
    return null;
  } catch (error) {
    if (sqlStateOf(error) === LOCK_NOT_AVAILABLE)
      return { relation, reason: 'somebody reads it', isPassing: true };
    if (!isRefusal(error)) throw error;
    return { relation, reason: say(error), isPassing: false };
  }
}

/** Drops the tables of a feed that goes, which nobody reads from here on; gives those that stay until the next time. */
export async function dropCopies(client: Queryable, lease: FeedLease): Promise<readonly Kept[]> {
  const exclusively: Dropping['exclusively'] = (work) => underLease(client, lease, work);
  const { target } = lease;
  await exclusively(() => deleteStoredTables(client, target));
  return await dropOrphans({ client, exclusively }, target);
}

/** Over a session that nothing else is sent over meanwhile. */
async function underLease(
  client: Queryable,
  { target, epoch }: FeedLease,
  work: (client: Queryable) => Promise<unknown>,
): Promise<void> {
  await client.query('begin');
  try {
    await client.query(FENCE_SQL, [target, epoch]);
    await work(client);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => undefined); // what failed first says why
    throw orLeaseLost(error);
  }
}

/** Forgets a feed of which nothing is left; throws CopiesKept, and says so in its status, as long as some of its tables stay. */
export async function endFeed(client: Queryable, lease: FeedLease, kept: readonly Kept[]): Promise<void> {
  if (kept.length === 0) return deleteFeed(client, lease);
  const error = new CopiesKept(kept);
  await saveFeedState(client, lease, { state: 'retrying', reason: error.message, lastError: error.message });
  throw error;
}
