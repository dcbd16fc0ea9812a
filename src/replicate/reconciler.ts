import type { Connector } from '../../connectors/connector.ts';
import type { KnownTypes } from '../cache/column-type.ts';
import type { FeedLease } from '../cache/feed-row.ts';
import { loadStoredTables, type StoredTable } from '../cache/stored-table.ts';
import type { Clock } from '../core/clock.ts';
import { type TableRef, tableKey } from '../core/names.ts';
import { type Discarded, type Exclusively, discard, saveRefused } from './discard.ts';
import { type Cacheable, type FeedAction, type FeedPlan, reconcile } from './reconcile.ts';
import type { Sinks } from './sink.ts';
import { type Desire, findWanted } from './wanted.ts';

/** What bringing a feed's tables to the wanted state needs. */
export interface ReconcilerOptions {
  readonly connector: Connector;
  readonly lease: FeedLease;
  readonly known: KnownTypes;
  readonly sinks: Sinks;
  readonly clock: Clock;
  /** Stops a copy under way; its leftovers are dropped here. */
  readonly cancel: (table: TableRef) => Promise<void>;
}

/** What remains to be done with the stream running. */
export interface Remaining {
  readonly copies: readonly Cacheable[];
  readonly merges: readonly StoredTable[];
  readonly indexes: readonly (FeedAction & { readonly kind: 'index' })[];
}

/** Facts that change from one look to the next. */
export interface Situation {
  readonly desire: Desire;
  readonly underWay: ReadonlySet<string>;
  readonly broken: ReadonlyMap<string, string>;
  readonly resting: ReadonlyMap<string, string>;
}

/** Drops what is not wanted or not right, and has the target publish exactly what is; says what must be copied. */
export async function bringToOrder(
  options: ReconcilerOptions,
  situation: Situation,
  exclusively: Exclusively,
  signal: AbortSignal,
): Promise<Remaining> {
  const { connector, lease, known } = options;
  const load = (): Promise<readonly StoredTable[]> =>
    exclusively((client) => loadStoredTables(client, lease.target));
  let stored = await load();
  const wanted = await findWanted(connector, situation.desire, stored, known);
  let plan = reconcile(wanted, stored, situation);
  await dropCopies(options, plan, exclusively, signal);
  const added = new Set((await connector.publish(plan.publish)).map(tableKey));
  const missed = stored.filter((each) => added.has(tableKey(each.table)) && isKept(each, plan));
  if (missed.length > 0) {
    // Somebody changed the publication: what was written to these tables since then never came.
    const broken = missed.map((each) => [tableKey(each.table), 'the target had stopped publishing it'] as const);
    stored = await load();
    plan = reconcile(wanted, stored, { ...situation, broken: new Map(broken) });
    await dropCopies(options, plan, exclusively, signal);
  }
  return remainingOf(plan);
}

async function dropCopies(
  { lease, sinks, clock, cancel }: ReconcilerOptions,
  { actions }: FeedPlan,
  exclusively: Exclusively,
  signal: AbortSignal,
): Promise<void> {
  const gone: Discarded[] = [];
  for (const action of actions) {
    if (action.kind === 'forget') gone.push({ stored: action.stored, afterwards: { kind: 'forgotten' } });
    if (action.kind === 'discard') {
      gone.push({ stored: action.stored, afterwards: { kind: 'pending', reason: action.reason } });
    }
    if (action.kind !== 'refuse') continue;
    const { stored, table, reason } = action;
    if (stored === null) await exclusively((client) => saveRefused(client, lease.target, table, reason));
    else if (!isSaid(stored, reason)) gone.push({ stored, afterwards: { kind: 'failed', reason } });
  }
  for (const { stored } of gone) await cancel(stored.table);
  await discard(gone, { exclusively, sinks, clock }, signal);
}

function isSaid(stored: StoredTable, reason: string): boolean {
  return stored.state.kind === 'failed' && stored.state.reason === reason && !stored.exists && !stored.resync;
}

/** Whether the plan leaves a copy in place that depends on the stream having been complete. */
function isKept(stored: StoredTable, { actions }: FeedPlan): boolean {
  if (stored.state.kind === 'pending' || stored.state.kind === 'failed') return false;
  return !actions.some((action) => 'stored' in action && action.stored === stored && action.kind === 'discard');
}

function remainingOf({ actions }: FeedPlan): Remaining {
  return {
    copies: actions.flatMap((action) => (action.kind === 'copy' ? [action.wanted] : [])),
    merges: actions.flatMap((action) => (action.kind === 'merge' ? [action.stored] : [])),
    indexes: actions.flatMap((action) => (action.kind === 'index' ? [action] : [])),
  };
}
