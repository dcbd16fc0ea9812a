import type { Connector } from '../../connectors/connector.ts';
import type { KnownTypes } from '../cache/column-type.ts';
import type { FeedLease } from '../cache/feed-row.ts';
import { loadStoredTables, type StoredTable } from '../cache/stored-table.ts';
import type { Clock } from '../core/clock.ts';
import { type TableRef, tableKey } from '../core/names.ts';
import { type Discarded, discard, type Exclusively, saveRefused } from './discard.ts';
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
  const stored = await load();
  const wanted = await findWanted(connector, situation.desire, stored, known);
  const plan = reconcile(wanted, stored, situation);
  const added = new Set((await carryOut(options, plan, exclusively, signal)).map(tableKey));
  const missed = stored.filter((each) => added.has(tableKey(each.table)) && isKept(each, plan));
  if (missed.length === 0) return remainingOf(plan);
  // Somebody changed the publication: what was written to these tables since then never came.
  const why = 'the target had stopped publishing it';
  const broken = new Map(missed.map((each) => [tableKey(each.table), why]));
  const again = reconcile(wanted, await load(), { ...situation, broken });
  await carryOut(options, again, exclusively, signal);
  return remainingOf(again);
}

/** Has the target publish what the plan says and drops what must go; returns the tables that were not published before. */
async function carryOut(
  { connector, lease, sinks, clock, cancel }: ReconcilerOptions,
  plan: FeedPlan,
  exclusively: Exclusively,
  signal: AbortSignal,
): Promise<readonly TableRef[]> {
  for (const action of plan.actions) {
    if (action.kind !== 'refuse' || action.stored !== null) continue;
    await exclusively((client) => saveRefused(client, lease.target, action.table, action.reason));
  }
  const gone = discardedBy(plan);
  if (gone.length === 0) return connector.publish(plan.publish);
  for (const { stored } of gone) await cancel(stored.table);
  let added: readonly TableRef[] = [];
  // A published table without a key makes its owner's updates fail: it is let go before anything that may have to wait.
  const before = async (): Promise<void> => {
    added = await connector.publish(plan.publish);
  };
  await discard(gone, { exclusively, sinks, clock, before }, signal);
  return added;
}

function discardedBy({ actions }: FeedPlan): readonly Discarded[] {
  return actions.flatMap((action): readonly Discarded[] => {
    switch (action.kind) {
      case 'forget':
        return [{ stored: action.stored, afterwards: { kind: 'forgotten' } }];
      case 'discard':
        return [{ stored: action.stored, afterwards: { kind: 'pending', reason: action.reason } }];
      case 'refuse': {
        const { stored, reason } = action;
        if (stored === null || isSaid(stored, reason)) return [];
        return [{ stored, afterwards: { kind: 'failed', reason } }];
      }
      default:
        return [];
    }
  });
}

function isSaid(stored: StoredTable, reason: string): boolean {
  return stored.state.kind === 'failed' && stored.state.reason === reason && !stored.exists && !stored.resync;
}

/** Whether the plan leaves a copy in place that depends on the stream having been complete. */
function isKept(stored: StoredTable, { actions }: FeedPlan): boolean {
  if (stored.state.kind === 'pending' || stored.state.kind === 'failed') return false;
  return !actions.some(
    (action) => 'stored' in action && action.stored === stored && action.kind === 'discard',
  );
}

function remainingOf({ actions }: FeedPlan): Remaining {
  return {
    copies: actions.flatMap((action) => (action.kind === 'copy' ? [action.wanted] : [])),
    merges: actions.flatMap((action) => (action.kind === 'merge' ? [action.stored] : [])),
    indexes: actions.flatMap((action) => (action.kind === 'index' ? [action] : [])),
  };
}
