import type { Connector, TargetIdentity } from '../../../connectors/connector.ts';
import { type StoredFeed, type StoredIdentity, saveFeedState, saveIdentity } from '../../cache/feed/row.ts';
import { loadStoredTables } from '../../cache/table/stored.ts';
import type { Lsn } from '../../core/position/lsn.ts';
import type { Exclusively } from '../exclusively.ts';
import type { StartingPoint } from '../follow/progress.ts';
import { discard } from '../table/discard.ts';
import type { Applier } from '../write/applier.ts';
import type { Sinks } from '../write/sink.ts';
import type { FeedScene } from './feed-scene.ts';
import { decideStart, doubtfulCopies, leftBehind } from './start-decision.ts';

/** How a run starts. */
export interface Start extends StartingPoint {
  /** The slot was made for this run: no transaction in its stream began before the slot was there. */
  readonly isNew: boolean;
}

/** The target as it is now, and what the cache is made to fit it with. */
export interface StartMeans {
  readonly identity: TargetIdentity;
  readonly applier: Applier;
  readonly exclusively: Exclusively;
  readonly sinks: Sinks;
}

/** Finds out whether the cache can go on from where it stands; gives it up and begins a new slot when it cannot. */
export async function findStart(
  scene: FeedScene,
  stored: StoredFeed,
  means: StartMeans,
  signal: AbortSignal,
): Promise<Start> {
  const { connector, options, lease, control } = scene;
  const { identity } = means;
  // One after the other, over one connection: to make another takes longer.
  const slot = await connector.slotHealth();
  const written = await connector.position();
  const decision = decideStart({ stored, identity, slot, connector: connector.kind, written });
  if (decision.kind === 'resume') {
    const { after } = decision;
    await goOn(scene, { before: stored.identity, after }, means, signal);
    const { freshAsOf = null, lastCommit = null } = stored.watermark ?? {};
    return { after, freshAsOf, lastCommit, isNew: false };
  }
  options.log.info({ reason: decision.reason }, 'building the cache of a target anew');
  const left = leftBehind(stored.identity, { identity, connector: connector.kind }, connector.slot);
  if (left !== null) {
    options.log.warn({ slot: connector.slot, left }, 'a target is another database now');
    await saveFeedState(control, lease, { state: 'starting', reason: decision.reason, lastError: left });
  }
  return rebuild(scene, decision.reason, means, signal);
}

/**
 * Goes on with the cache as it is. Only copies under way that were read past the position, from an earlier server process, are
 * made again: what they hold may be lost on the target.
 */
async function goOn(
  { connector, options, lease, control }: FeedScene,
  { before, after }: { readonly before: StoredIdentity | null; readonly after: Lsn },
  { identity, exclusively, sinks }: StartMeans,
  signal: AbortSignal,
): Promise<void> {
  const { timeline, startedAt: now } = identity;
  if (before?.timeline === timeline && before.startedAt === now) return;
  if (before?.timeline !== timeline) options.log.info({ timeline }, 'going on after a failover');
  const copies = await loadStoredTables(control, lease.target);
  const doubtful = doubtfulCopies(copies, { before: before?.startedAt ?? null, now, position: after });
  const reason = 'the target was restarted, and may not have all that was copied';
  const gone = doubtful.map((each) => ({
    stored: each,
    afterwards: { kind: 'pending', reason } as const,
    servesOn: true,
  }));
  await discard(gone, { exclusively, sinks, clock: options.clock }, signal);
  signal.throwIfAborted();
  await saveIdentity(control, lease, identity, connector.slot);
}

/** For what a new slot, or a new beginning, waits. */
const WAITS: Readonly<Record<Connector['kind'], string>> = {
  postgres: 'waiting for transactions that run on the target to end',
  kafka: 'waiting for a transaction of the target to come through Debezium and Kafka',
};

/** From the first statement on no reader uses the cache; a crash anywhere leads back here. */
async function rebuild(
  { connector, options, lease, control }: FeedScene,
  reason: string,
  { identity, applier, exclusively, sinks }: StartMeans,
  signal: AbortSignal,
): Promise<Start> {
  const { clock, onStep } = options;
  await applier.mark({ position: null, freshAsOf: null, lastCommit: null });
  await onStep?.('rebuild:invalidated');
  const stored = await loadStoredTables(control, lease.target);
  const gone = stored.map((each) => ({ stored: each, afterwards: { kind: 'pending', reason } as const }));
  await discard(gone, { exclusively, sinks, clock }, signal);
  signal.throwIfAborted();
  await onStep?.('rebuild:dropped');
  const waits = WAITS[connector.kind];
  await saveFeedState(control, lease, { state: 'starting', reason: waits });
  const after = await connector.createSlot(signal);
  await onStep?.('rebuild:slot-created');
  await saveIdentity(control, lease, identity, connector.slot);
  await applier.mark({ position: after, freshAsOf: null, lastCommit: null });
  await onStep?.('rebuild:started');
  return { after, freshAsOf: null, lastCommit: null, isNew: true };
}
