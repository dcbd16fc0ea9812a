import { saveFeedState } from '../../cache/feed/row.ts';
import { rowsOf } from '../../cache/queryable.ts';
import { must } from '../../core/assert.ts';
import type { Log } from '../../core/log.ts';
import { LOCK_HOLDER_SQL } from '../../core/postgres/lock-holder.ts';
import type { Exclusively } from '../exclusively.ts';
import type { FeedOptions } from '../feed-options.ts';
import { untilFirstFailure } from '../together.ts';
import type { FeedScene } from './feed-scene.ts';

const LOOK_MS = 1_000;
/** A lock held for a shorter time, as by a vacuum that truncates the table, is not worth telling. */
const PATIENCE_MS = 5_000;

/** A run's writing. */
export interface Writing {
  /** The server process of its session. */
  readonly pid: number;
  /** What its feed is while nothing holds it up. */
  readonly state: 'starting' | 'streaming';
  readonly pump: {
    /** For how long it has been waiting for the source. */
    readonly waitingMs: number;
    /** The sessions that write transactions in progress. */
    readonly early: { readonly pids: readonly number[] };
  };
}

/** What is needed to tell it in the log and the status. */
interface Teller {
  readonly options: Pick<FeedOptions, 'clock'> & { readonly log: Pick<Log, 'warn'> };
  readonly control: FeedScene['control'];
  readonly lease: FeedScene['lease'];
}

/** Says in the status that a feed is held up by a lock on its source, for as long as that keeps it from writing. */
export async function tellHeldUpBySource(
  { options, control, lease }: Teller,
  { pid, state, pump }: Writing,
  stop: AbortSignal,
): Promise<void> {
  const { clock, log } = options;
  let told: string | null = null;
  while (!stop.aborted) {
    await clock.delay(LOOK_MS, stop);
    const isWaiting = pump.waitingMs >= PATIENCE_MS;
    const held = stop.aborted ? null : await whatHolds(control, isWaiting ? [pid] : [], pump.early.pids);
    // A statement with a lock timeout waits for nothing between two tries: what was told still holds.
    const reason: string | null = held ?? (isWaiting ? told : null);
    if (stop.aborted || reason === told) continue;
    if (reason !== null) {
      log.warn({ reason }, 'feed held up');
      await saveFeedState(control, lease, { state: 'retrying', reason, lastError: reason });
    } else if (told !== null) await saveFeedState(control, lease, { state, reason, instead: told });
    told = reason;
  }
}

/** Does what a run begins with, such as dropping copies, and says in the status meanwhile which lock holds that up. */
export async function toldWhile<T>(
  teller: Teller,
  writer: { readonly pid: number; readonly exclusively: Exclusively },
  work: (exclusively: Exclusively, stop: AbortSignal) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const { clock } = teller.options;
  let sinceMs: number | null = null;
  const exclusively: Exclusively = async (each) => {
    sinceMs = clock.monotonicMs();
    try {
      return await writer.exclusively(each);
    } finally {
      sinceMs = null;
    }
  };
  const pump = {
    get waitingMs() {
      return sinceMs === null ? 0 : clock.monotonicMs() - sinceMs;
    },
    early: { pids: [] },
  };
  const over = new AbortController();
  const results: T[] = [];
  await untilFirstFailure(AbortSignal.any([signal, over.signal]), [
    (stop) => tellHeldUpBySource(teller, { pid: writer.pid, state: 'starting', pump }, stop),
    async (stop) => {
      results.push(await work(exclusively, stop));
      over.abort();
    },
  ]);
  signal.throwIfAborted();
  return must(results[0], 'what was begun');
}

/**
 * Says in the status that a feed is held up by its target, when that lasts; also while a stream is being opened. The function
 * that is returned takes, after each look at the target, why it holds changes back, or null.
 */
export function heldUpByTarget(scene: FeedScene): (reason: string | null) => Promise<void> {
  const { options, control, lease } = scene;
  const { clock, log } = options;
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
    if (!held.isTold) log.warn({ reason }, 'feed held up');
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
  const [held] = await rowsOf<Held>(control, HELD, [pids, others]);
  if (held === undefined) return null;
  const said = `waiting for a lock on ${held.what} in the source, which is held by ${held.holders ?? 'nobody any more'}`;
  return held.cure === null ? said : `${said}; end what it is at there, or run: ${held.cure}`;
}

interface Held {
  readonly what: string;
  readonly holders: string | null;
  /** SQL that ends them. */
  readonly cure: string | null;
}

/** In the place of a prepared transaction's session there is a 0. */
const HELD = `
  select coalesce(l.relation::regclass::text, l.locktype) as what, h.holders, h.cure
  from pg_locks l
  cross join lateral (
    select string_agg(${LOCK_HOLDER_SQL}, ', ' order by b.pid) as holders,
      string_agg(format('select pg_terminate_backend(%s);', a.pid), ' ' order by b.pid) filter (where a.pid is not null) as cure
    from (select distinct unnest(pg_blocking_pids(l.pid))) b (pid)
    left join pg_stat_activity a on a.pid = b.pid
    where b.pid = 0 or a.pid is not null
  ) h
  where not l.granted and (l.pid = any ($1::int[])
    or (l.pid = any ($2::int[]) and l.waitstart <= clock_timestamp() - interval '${PATIENCE_MS} ms'))`;
