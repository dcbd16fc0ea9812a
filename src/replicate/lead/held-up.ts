import { saveFeedState } from '../../cache/feed/row.ts';
import { rowsOf } from '../../cache/queryable.ts';
import type { Log } from '../../core/log.ts';
import type { FeedOptions } from '../feed-options.ts';
import type { FeedScene } from './feed-scene.ts';

const LOOK_MS = 1_000;
/** A lock held for a shorter time, as by a vacuum that truncates the table, is not worth telling. */
const PATIENCE_MS = 5_000;

/** A run's writing. */
export interface Writing {
  /** The server process of its session. */
  readonly pid: number;
  readonly pump: {
    /** For how long it has been waiting for the source. */
    readonly waitingMs: number;
    /** The sessions that write transactions in progress. */
    readonly early: { readonly pids: readonly number[] };
  };
}

/** What is needed to tell it in the log and the status. */
interface Teller {
  readonly options: Pick<FeedOptions, 'clock' | 'source'> & { readonly log: Pick<Log, 'warn'> };
  readonly control: FeedScene['control'];
  readonly lease: FeedScene['lease'];
}

/** Says in the status that a feed is held up by a lock on its source, for as long as that keeps it from writing. */
export async function tellHeldUpBySource(
  { options, control, lease }: Teller,
  { pid, pump }: Writing,
  stop: AbortSignal,
): Promise<void> {
  const { clock, log, source } = options;
  let told: string | null = null;
  while (!stop.aborted) {
    await clock.delay(LOOK_MS, stop);
    const isWaiting = pump.waitingMs >= PATIENCE_MS;
    const held = stop.aborted ? null : await whatHolds(control, isWaiting ? [pid] : [], pump.early.pids);
    // A statement with a lock timeout waits for nothing between two tries: what was told still holds.
    const reason: string | null = held ?? (isWaiting ? told : null);
    if (stop.aborted || reason === told) continue;
    told = reason;
    if (reason !== null) log.warn({ source, target: lease.target, reason }, 'feed held up');
    await saveFeedState(control, lease, { state: reason === null ? 'streaming' : 'retrying', reason });
  }
}

/**
 * Says in the status that a feed is held up by its target, when that lasts; also while a stream is being opened. The function
 * that is returned takes, after each look at the target, why it holds changes back, or null.
 */
export function heldUpByTarget(scene: FeedScene): (reason: string | null) => Promise<void> {
  const { options, control, lease } = scene;
  const { clock, log, source } = options;
  let held: { readonly sinceMs: number; isTold: boolean } | null = null;
  return async (reason) => {
    if (reason === null) {
      const isOver = held?.isTold === true && scene.tick !== null;
      held = null;
      if (isOver) await saveFeedState(control, lease, { state: 'streaming', reason });
      return;
    }
    held ??= { sinceMs: clock.monotonicMs(), isTold: false };
    if (clock.monotonicMs() - held.sinceMs < PATIENCE_MS) return;
    if (!held.isTold) log.warn({ source, target: lease.target, reason }, 'feed held up');
    held.isTold = true;
    await saveFeedState(control, lease, { state: 'retrying', reason });
  };
}

/** The lock that one of `pids` waits for now, or one of `others` has waited for long, and who holds it; null when there is none. */
async function whatHolds(
  control: FeedScene['control'],
  pids: readonly number[],
  others: readonly number[],
): Promise<string | null> {
  if (pids.length + others.length === 0) return null;
  const [held] = await rowsOf<{ what: string; holders: string | null }>(control, HELD, [pids, others]);
  if (held === undefined) return null;
  return `waiting for a lock on ${held.what} in the source, which is held by ${held.holders ?? 'nobody any more'}`;
}

const HELD = `
  select coalesce(l.relation::regclass::text, l.locktype) as what, (
    select string_agg(concat('session ', a.pid, ' (' || nullif(a.application_name, '') || ')'), ', ')
    from pg_stat_activity a where a.pid = any (pg_blocking_pids(l.pid))) as holders
  from pg_locks l
  where not l.granted and (l.pid = any ($1::int[])
    or (l.pid = any ($2::int[]) and l.waitstart <= clock_timestamp() - interval '${PATIENCE_MS} ms'))`;
