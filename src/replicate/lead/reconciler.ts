import type { Connector, Published } from '../../../connectors/connector.ts';
import type { Queryable } from '../../cache/queryable.ts';
import { saveShape } from '../../cache/table/serving.ts';
import { loadStoredTables, type StoredTable } from '../../cache/table/stored.ts';
import type { WantedTable } from '../../catalog/catalog.ts';
import { must } from '../../core/assert.ts';
import { type TableRef, tableKey } from '../../core/names.ts';
import { renew } from '../copy/renew.ts';
import type { Exclusively } from '../exclusively.ts';
import { type Discarded, discard, retire } from '../table/discard.ts';
import { replace, saveRefused } from '../table/generations.ts';
import {
  type FeedAction,
  type FeedPlan,
  type ReconcileFacts,
  reconcile,
  type Sized,
} from '../table/reconcile.ts';
import type { SourceTypes } from '../table/source-types.ts';
import { checkWanted, type Wanted } from '../table/wanted.ts';
import type { Sinks } from '../write/sink.ts';
import type { FeedScene } from './feed-scene.ts';

/** What a run changes its tables with. */
export interface Tools {
  readonly types: SourceTypes;
  readonly sinks: Sinks;
  readonly exclusively: Exclusively;
  /** Stops a copy that is under way; what it leaves is dropped afterwards. */
  readonly cancel: (table: TableRef) => Promise<void>;
}

/** What remains to be done with the stream running. */
export interface Remaining {
  readonly copies: readonly Sized[];
  readonly resumes: readonly (FeedAction & { readonly kind: 'resume' })[];
  readonly merges: readonly StoredTable[];
  readonly indexes: readonly (FeedAction & { readonly kind: 'index' })[];
  /** Whether every copy was looked at as it is: one that began meanwhile was not. */
  readonly isWhole: boolean;
  /** What the target goes on publishing though it should not. */
  readonly stillPublished: Published['stillPublished'];
}

/** Facts that change from one look to the next. */
export interface Situation extends ReconcileFacts {
  readonly wanted: Wanted;
}

/**
 * Drops copies that are not wanted or not right, and has the target publish exactly the wanted tables; returns what remains
 * to be done. Notes in the scene whether all copies that readers use are known to be right.
 */
export async function bringToOrder(
  scene: FeedScene,
  tools: Tools,
  situation: Situation,
  signal: AbortSignal,
): Promise<Remaining> {
  const { connector, lease } = scene;
  const { exclusively, types } = tools;
  const { known, wanted, stored } = await exclusively(async (client) => ({
    known: await types.look(client),
    wanted: await holdable(scene, client, situation.wanted),
    stored: await loadStoredTables(client, lease.target),
  }));
  const plan = reconcile(await checkWanted(connector, wanted, stored, known), stored, situation);
  const done = await carryOut(scene, tools, plan, signal);
  const { added, refused } = done;
  const renewed = plan.actions.flatMap((action) =>
    action.kind === 'renew' ? [tableKey(action.stored.table)] : [],
  );
  if (added.length + refused.length + renewed.length === 0 && !done.isRetired)
    return remainingOf(connector, plan, done);
  scene.inOrder = false;
  // Changes of an added table were missing from the stream until now, so an earlier copy of it is wrong, and the next is of a
  // table that is published. And what had to wait until an older generation was gone can be done now.
  const resting = new Map([...situation.resting, ...refused.map(toEntry)]);
  const underWay = new Set([...situation.underWay].filter((key) => !renewed.includes(key)));
  return bringToOrder(scene, tools, { ...situation, underWay, resting, broken: new Map() }, signal);
}

/** What is wanted, without tables whose names the source cannot hold, not even to note that they failed. */
async function holdable({ options, names }: FeedScene, client: Queryable, wanted: Wanted): Promise<Wanted> {
  if (wanted.kind === 'unknown') return wanted;
  const tables: WantedTable[] = [];
  for (const each of wanted.tables) {
    const { ref } = each.table;
    if (await names.areHeld(client, ref)) tables.push(each);
    else if (names.isNews(ref)) options.log.warn({ table: ref, reason: NO_NAME }, NOT_CACHED);
  }
  return { ...wanted, tables };
}

const NO_NAME = 'its name has a character that the encoding of the source database lacks';

function toEntry({ table, reason }: Published['refused'][number]): readonly [string, string] {
  return [tableKey(table), reason];
}

/** What came of a plan. */
interface Done extends Published, Pick<Remaining, 'isWhole'> {
  /** Whether an older generation is gone. */
  readonly isRetired: boolean;
}

/** Has the target publish what the plan says, drops what must go, notes what is new. */
async function carryOut(scene: FeedScene, tools: Tools, plan: FeedPlan, signal: AbortSignal): Promise<Done> {
  const isWhole = await note(scene, tools, plan);
  // Publishing may wait long for a lock, and only concerns tables that have no copy yet.
  if (isWhole && areRight(plan)) scene.inOrder = true;
  const published = await publish(scene, tools, plan, signal);
  await hideRenewed(scene, tools, plan, signal);
  const { onStep } = scene.options;
  let isRetired = false;
  for (const action of plan.actions) {
    if (action.kind === 'retire')
      isRetired = (await retire(action.stored, { ...tools, onStep })) || isRetired;
  }
  return { ...published, isWhole, isRetired };
}

async function publish(
  { connector, lease, options }: FeedScene,
  { exclusively, sinks, cancel }: Tools,
  plan: FeedPlan,
  signal: AbortSignal,
): Promise<Published> {
  const { clock, log } = options;
  const gone = discardedBy(plan);
  if (gone.length === 0) return connector.publish(plan.publish);
  for (const { stored } of gone) await cancel(stored.table);
  // Where no copy has to go the stream goes on while publishing waits for a lock.
  let published = gone.some(isThere) ? null : await connector.publish(plan.publish);
  // A published table without a key makes its owner's updates fail: it is let go before anything that may have to wait.
  const before = async (): Promise<void> => {
    published ??= await connector.publish(plan.publish);
  };
  const begun = await exclusively((client) => loadStoredTables(client, lease.target));
  const going = withoutRefused(gone, published?.refused ?? []);
  await discard(asTheyAre(going, begun), { exclusively, sinks, clock, before }, signal);
  for (const { stored, afterwards } of going) {
    const fields = { table: stored.table };
    if (afterwards.kind === 'failed') log.warn({ ...fields, reason: afterwards.reason }, NOT_CACHED);
    else if ('reason' in afterwards && afterwards.reason !== null)
      log.info({ ...fields, reason: afterwards.reason }, 'a table is copied again');
  }
  return must(published, 'what was published');
}

/** A table that could not be published is not copied now: what was said of it may still hold. */
function withoutRefused(gone: readonly Discarded[], refused: Published['refused']): readonly Discarded[] {
  const keys = new Set(refused.map(({ table }) => tableKey(table)));
  return gone.filter(
    ({ stored, afterwards }) => afterwards.kind !== 'pending' || !keys.has(tableKey(stored.table)),
  );
}

/** Hides copies of which some parts may be wrong, before freshness may be proved again. */
async function hideRenewed(
  { options }: FeedScene,
  { exclusively, sinks, cancel }: Tools,
  { actions }: FeedPlan,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log } = options;
  for (const action of actions) {
    if (action.kind !== 'renew') continue;
    const { stored, reason } = action;
    await cancel(stored.table);
    await renew(action, { exclusively, sinks, clock }, signal);
    log.info({ table: stored.table, reason }, 'parts of a table are copied again');
  }
}

/** Tables as they are now: a copy that was still waiting when they were looked at may have begun before it was stopped. */
function asTheyAre(gone: readonly Discarded[], begun: readonly StoredTable[]): readonly Discarded[] {
  const now = new Map(begun.map((each) => [tableKey(each.table), each]));
  return gone.map((each) => ({ ...each, stored: now.get(tableKey(each.stored.table)) ?? each.stored }));
}

const NOT_CACHED = 'a table cannot be cached';

/** Notes what is new; says whether all of it is still about what is there. */
async function note(
  { options, lease }: FeedScene,
  { exclusively, cancel }: Tools,
  { actions }: FeedPlan,
): Promise<boolean> {
  const { log, onStep } = options;
  let isWhole = true;
  for (const action of actions) {
    if (action.kind === 'refuse' && action.stored === null) {
      const { table, reason } = action;
      await exclusively((client) => saveRefused(client, lease.target, table, reason));
      log.warn({ table, reason }, NOT_CACHED);
    }
    if (action.kind === 'note-shape') {
      const isNoted = await exclusively((client) => saveShape(client, action.stored, action.shape));
      isWhole &&= isNoted;
    }
    if (action.kind === 'replace') {
      const { stored, wanted, reason } = action;
      await cancel(stored.table);
      await exclusively((client) => replace(client, stored, { columns: wanted.columns, reason }));
      const fields = { table: stored.table, reason };
      log.info(fields, 'a table is copied again, the copy there is serves meanwhile');
      await onStep?.('replace:noted');
    }
  }
  return isWhole;
}

/** Whether no copy has to go or to be hidden. */
function areRight(plan: FeedPlan): boolean {
  return !discardedBy(plan).some(isThere) && !plan.actions.some(({ kind }) => kind === 'renew');
}

/** Whether there may be a copy: of a table that failed mostly only that is noted. */
function isThere({ stored: { state, exists, serving } }: Discarded): boolean {
  return state.kind !== 'failed' || exists || serving !== null;
}

function discardedBy({ actions }: FeedPlan): readonly Discarded[] {
  return actions.flatMap((action): readonly Discarded[] => {
    switch (action.kind) {
      case 'forget':
        return [{ stored: action.stored, afterwards: { kind: 'forgotten' } }];
      case 'unserve':
        return [{ stored: action.stored, afterwards: { kind: 'unserved' } }];
      case 'discard': {
        const { stored, reason, servesOn } = action;
        return [{ stored, afterwards: { kind: 'pending', reason }, servesOn }];
      }
      case 'refuse': {
        const { stored, reason, servesOn } = action;
        if (stored === null || isSaid(stored, action)) return [];
        return [{ stored, afterwards: { kind: 'failed', reason }, servesOn }];
      }
      default:
        return [];
    }
  });
}

function isSaid(
  { state, exists, resync, serving }: StoredTable,
  { reason, servesOn }: { readonly reason: string; readonly servesOn: boolean },
): boolean {
  if (state.kind !== 'failed' || state.reason !== reason || exists || resync) return false;
  return serving === null || servesOn;
}

async function remainingOf(
  connector: Connector,
  { actions }: FeedPlan,
  { isWhole, stillPublished }: Pick<Remaining, 'isWhole' | 'stillPublished'>,
): Promise<Remaining> {
  const copies = actions.flatMap((action) => (action.kind === 'copy' ? [action] : []));
  const sizes = copies.length === 0 ? [] : await connector.sizes(copies.map(({ wanted }) => wanted.table));
  return {
    copies: copies.map(({ wanted }, at) => ({ ...wanted, ...must(sizes[at], 'the size of a table') })),
    resumes: actions.flatMap((action) => (action.kind === 'resume' ? [action] : [])),
    merges: actions.flatMap((action) => (action.kind === 'merge' ? [action.stored] : [])),
    indexes: actions.flatMap((action) => (action.kind === 'index' ? [action] : [])),
    isWhole,
    stillPublished,
  };
}
