import type { Connector, Published } from '../../connectors/connector.ts';
import type { FeedLease } from '../cache/feed-row.ts';
import { loadStoredTables, type StoredTable, updateStoredTable } from '../cache/stored-table.ts';
import type { KnownTypes } from '../catalog/catalog.ts';
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
  readonly resumes: readonly (FeedAction & { readonly kind: 'resume' })[];
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
  const plan = reconcile(await findWanted(connector, situation.desire, stored, known), stored, situation);
  const { added, refused } = await carryOut(options, plan, exclusively, signal);
  if (added.length + refused.length === 0) return remainingOf(plan);
  // What was added is another to the stream from here on, so that a copy from before does not fit it any more.
  const now = await load();
  const wanted = await findWanted(connector, situation.desire, now, known);
  const resting = new Map([...situation.resting, ...refused.map(toEntry)]);
  const again = reconcile(wanted, now, { ...situation, resting, broken: new Map() });
  await carryOut(options, again, exclusively, signal);
  return remainingOf(again);
}

function toEntry({ table, reason }: Published['refused'][number]): readonly [string, string] {
  return [tableKey(table), reason];
}

/** Has the target publish what the plan says, drops what must go, notes what is new. */
async function carryOut(
  { connector, lease, sinks, clock, cancel }: ReconcilerOptions,
  plan: FeedPlan,
  exclusively: Exclusively,
  signal: AbortSignal,
): Promise<Published> {
  await note(plan, lease, exclusively);
  const gone = discardedBy(plan);
  if (gone.length === 0) return connector.publish(plan.publish);
  for (const { stored } of gone) await cancel(stored.table);
  let published: Published = { added: [], refused: [] };
  // A published table without a key makes its owner's updates fail: it is let go before anything that may have to wait.
  const before = async (): Promise<void> => {
    published = await connector.publish(plan.publish);
  };
  await discard(gone, { exclusively, sinks, clock, before }, signal);
  return published;
}

async function note({ actions }: FeedPlan, lease: FeedLease, exclusively: Exclusively): Promise<void> {
  for (const action of actions) {
    if (action.kind === 'refuse' && action.stored === null)
      await exclusively((client) => saveRefused(client, lease.target, action.table, action.reason));
    if (action.kind === 'note-shape')
      await exclusively((client) =>
        updateStoredTable(client, action.stored, { shape: JSON.stringify(action.shape) }),
      );
  }
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

function remainingOf({ actions }: FeedPlan): Remaining {
  return {
    copies: actions.flatMap((action) => (action.kind === 'copy' ? [action.wanted] : [])),
    resumes: actions.flatMap((action) => (action.kind === 'resume' ? [action] : [])),
    merges: actions.flatMap((action) => (action.kind === 'merge' ? [action.stored] : [])),
    indexes: actions.flatMap((action) => (action.kind === 'index' ? [action] : [])),
  };
}
