import { ConnectorError, type SlotHealth } from '../../../connectors/connector.ts';
import { type FeedRequests, loadRequests } from '../../cache/feed/requests.ts';
import { renewLease } from '../../cache/feed/row.ts';
import type { Queryable } from '../../cache/queryable.ts';
import { missingObjects } from '../../cache/schema/control-objects.ts';
import { saveLingering } from '../../cache/table/lingering.ts';
import { isDamaged } from '../../cache/table/stored.ts';
import type { Lsn } from '../../core/position/lsn.ts';
import { REFUSED_MS } from '../feed-options.ts';
import { RetainedTooMuch, tooMuch } from '../slot/retained.ts';
import { untilFirstFailure } from '../together.ts';
import { LeaseLost } from '../write/applier.ts';
import type { FeedScene } from './feed-scene.ts';
import { heldUpByTarget } from './held-up.ts';

/** What needs the slot: a run, known by its tick, or a pause; null while nothing does. */
export type SlotNeed = FeedScene['tick'] | 'pause';

/** What housekeeping asks of the leader, and tells it. */
export interface Leading {
  readonly slotNeed: () => SlotNeed;
  readonly onRequests: (requests: FeedRequests) => void;
  /** What was proved on the source's clock counts no more. */
  readonly onClockSetBack: () => void;
  /** The slot holds back more than it may, or is gone. */
  readonly onSlotTrouble: (error: Error) => void;
  /** The target's address leads to another server than the one that was identified. */
  readonly onStrayed: (error: Error) => void;
}

const TICK_MS = 200;
const SAMPLE_MS = 1_000;

const WAITING_SNAPSHOT = 'a snapshot that waits for transactions of the target to end';

interface Sample {
  targetPosition: Lsn | null;
  retainedWalBytes: number | null;
}

/**
 * What happens beside the stream for as long as a feed is led, streaming or not: reads what is asked of it, renews the lease and
 * samples the target until the signal aborts; throws when the lease is lost.
 */
export async function keepHouse(scene: FeedScene, leading: Leading, signal: AbortSignal): Promise<void> {
  const sample: Sample = { targetPosition: null, retainedWalBytes: null };
  await untilFirstFailure(signal, [
    (stop) => sampleTarget(scene, sample, leading, stop),
    (stop) => watchAddress(scene, leading, stop),
    (stop) => renewAndListen(scene, sample, leading, stop),
  ]);
}

async function renewAndListen(
  scene: FeedScene,
  sample: Readonly<Sample>,
  leading: Leading,
  signal: AbortSignal,
): Promise<void> {
  const { control, lease, counters, wanted, reconsider } = scene;
  const { clock } = scene.options;
  let renewedMs = Number.NEGATIVE_INFINITY;
  while (!signal.aborted) {
    await hearRequests(scene, leading);
    if (clock.monotonicMs() - renewedMs >= SAMPLE_MS) {
      renewedMs = clock.monotonicMs();
      if (!(await renewLease(control, lease, { ...sample, ...counters }))) throw new LeaseLost();
      await assertWhole(control);
      await saveLingering(control, lease, wanted.lingering());
      if (await isDamaged(control, lease.target)) reconsider.notify();
    }
    await scene.tick?.();
    await clock.delay(TICK_MS, signal);
  }
}

async function hearRequests({ options, control, lease }: FeedScene, leading: Leading): Promise<void> {
  const { clock, sourceClock } = options;
  const askedMs = clock.monotonicMs();
  const requests = await loadRequests(control, lease);
  if (requests === null) throw new LeaseLost();
  if (sourceClock.isBehind(requests.now, askedMs)) leading.onClockSetBack();
  leading.onRequests(requests);
}

/** Whoever takes the lead next sets up what is missing. */
async function assertWhole(control: Queryable): Promise<void> {
  const missing = await missingObjects(control);
  if (missing.length > 0) throw new Error(`parts of schema nearjoin are gone: ${missing.join(', ')}`);
}

/** Apart from the rest: a target that does not answer must not keep the lease from being renewed. */
async function sampleTarget(
  scene: FeedScene,
  sample: Sample,
  leading: Leading,
  signal: AbortSignal,
): Promise<void> {
  const { connector } = scene;
  const { clock, limits } = scene.options;
  const tellHeldUp = heldUpByTarget(scene);
  while (!signal.aborted) {
    let isRefused = false;
    try {
      const need = leading.slotNeed();
      const health = await connector.slotHealth();
      sample.targetPosition = await connector.position();
      sample.retainedWalBytes = retainedBy(health);
      await tellHeldUp(health.kind === 'usable' ? health.heldBack : null);
      const trouble = troubleOf(health, limits.maxRetainedWalBytes);
      // What was found says nothing of the slot that another run has made meanwhile.
      if (trouble !== null && leading.slotNeed() === need) leading.onSlotTrouble(trouble);
      // Last: in a publication of somebody else's it fails for as long as a table there lacks its key.
      await connector.protect();
    } catch (error) {
      if (!(error instanceof ConnectorError)) throw error;
      sample.retainedWalBytes = null; // unknown while the target does not answer; the stream's own failure says why
      isRefused = error.failure === 'unfit';
    }
    await clock.delay(isRefused ? REFUSED_MS : SAMPLE_MS, signal);
  }
}

function retainedBy(health: SlotHealth): number | null {
  return 'retainedWalBytes' in health ? health.retainedWalBytes : null;
}

/** What is wrong with the slot; null while nothing is. */
function troubleOf(health: SlotHealth, maxRetainedWalBytes: number): Error | null {
  const retained = retainedBy(health);
  if (retained !== null && retained > maxRetainedWalBytes)
    return new RetainedTooMuch(retained, maxRetainedWalBytes);
  const forCopies = health.kind === 'usable' ? health.retainedForCopies : 0;
  // The copies are begun again, for which nothing else need be given up.
  if (forCopies > maxRetainedWalBytes)
    return new ConnectorError('retry', tooMuch(WAITING_SNAPSHOT, forCopies, maxRetainedWalBytes));
  if (health.kind === 'lost') return new ConnectorError('slot-lost', health.reason);
  return health.kind === 'missing' ? new ConnectorError('slot-lost', 'the replication slot is gone') : null;
}

async function watchAddress(
  { connector, options }: FeedScene,
  { onStrayed }: Leading,
  signal: AbortSignal,
): Promise<void> {
  const { clock, limits } = options;
  while (!signal.aborted) {
    await clock.delay(limits.addressPollMs, signal);
    const error = signal.aborted ? null : await connector.strayed();
    if (error !== null) onStrayed(error);
  }
}
