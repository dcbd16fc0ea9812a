import { saveFeedState } from '../cache/feed-row.ts';
import { rowsOf } from '../cache/queryable.ts';
import type { FeedScene } from './feed-scene.ts';

const LOOK_MS = 1_000;
/** Whoever has a table for a moment, as a vacuum that makes it shorter, is not told of. */
const PATIENCE_MS = 5_000;

/** A run's writing. */
export interface Writing {
  /** The server process of its session. */
  readonly pid: number;
  /** For how long it has been waiting for its source. */
  readonly waitingMs: () => number;
}

/** Says in the status what keeps a feed from writing to its source, for as long as that does. */
export async function tellHeldUp(
  { options, control, lease }: FeedScene,
  { pid, waitingMs }: Writing,
  stop: AbortSignal,
): Promise<void> {
  const { clock, log, source } = options;
  let told: string | null = null;
  while (!stop.aborted) {
    await clock.delay(LOOK_MS, stop);
    const reason = !stop.aborted && waitingMs() >= PATIENCE_MS ? await whatHolds(control, pid) : null;
    if (stop.aborted || reason === told) continue;
    told = reason;
    if (reason !== null) log.warn({ source, target: lease.target, reason }, 'feed held up');
    await saveFeedState(control, lease, { state: reason === null ? 'streaming' : 'retrying', reason });
  }
}

/** The lock that the session waits for, and who has it; null when it waits for none. */
async function whatHolds(control: FeedScene['control'], pid: number): Promise<string | null> {
  const [held] = await rowsOf<{ what: string; holders: string | null }>(control, HELD, [pid]);
  if (held === undefined) return null;
  return `waiting for a lock on ${held.what} in the source, which is held by ${held.holders ?? 'nobody any more'}`;
}

const HELD = `
  select coalesce(l.relation::regclass::text, l.locktype) as what, (
    select string_agg(concat('session ', a.pid, ' (' || nullif(a.application_name, '') || ')'), ', ')
    from pg_stat_activity a where a.pid = any (pg_blocking_pids(l.pid))) as holders
  from pg_locks l
  where l.pid = $1 and not l.granted`;
