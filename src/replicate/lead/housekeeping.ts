import type { Connector, SlotHealth } from '../../../connectors/connector.ts';
import { ConnectorError } from '../../../connectors/connector.ts';
import { type FeedRequests, loadRequests } from '../../cache/feed/requests.ts';
import { type FeedLease, renewLease } from '../../cache/feed/row.ts';
import type { Queryable } from '../../cache/queryable.ts';
import { missingObjects } from '../../cache/schema/control-objects.ts';
import { saveLingering } from '../../cache/table/lingering.ts';
import { isDamaged } from '../../cache/table/stored.ts';
import type { Lsn } from '../../core/position/lsn.ts';
import type { Clock } from '../../core/waiting/clock.ts';
import { type FeedLimits, REFUSED_MS } from '../feed-options.ts';
import { RetainedTooMuch, tooMuch } from '../slot/retained.ts';
import type { SourceClock } from '../source-clock.ts';
import type { Lingering } from '../table/linger.ts';
import { untilFirstFailure } from '../together.ts';
import { LeaseLost } from '../write/applier.ts';
import type { Counters } from './feed-scene.ts';

/** What happens beside the stream for as long as a feed is led, streaming or not. */
export interface HousekeepingOptions {
  readonly client: Queryable;
  readonly lease: FeedLease;
  readonly connector: Connector;
  readonly clock: Clock;
  readonly limits: Pick<FeedLimits, 'maxRetainedWalBytes' | 'addressPollMs'>;
  /** Tables that are wanted no more and whose copies stay for a while: a successor must know how long. */
  readonly lingering: () => readonly Lingering[];
  readonly counters: () => Readonly<Counters>;
  readonly onRequests: (requests: FeedRequests) => void;
  readonly sourceClock: SourceClock;
  /** What was proved on the source's clock counts no more. */
  readonly onClockSetBack: () => void;
  /** What needs the slot at this moment, as one run or a pause. */
  readonly slotNeed: () => unknown;
  /** The slot holds back more than it may, or is gone. */
  readonly onSlotTrouble: (error: Error) => void;
  /** Why the target keeps back what it has, as often as it is looked at; null while it does not. */
  readonly onHeldUp: (reason: string | null) => Promise<void>;
  /** The target's address leads to another server than the one that was identified. */
  readonly onStrayed: (error: Error) => void;
  /** Something of the cache is gone from the source. */
  readonly onDamage: () => void;
  /** Called every tick, for things that want to be done a few times a second. */
  readonly onTick: () => Promise<void>;
}

const TICK_MS = 200;
const SAMPLE_MS = 1_000;

const WAITING_SNAPSHOT = 'a snapshot that waits for transactions of the target to end';

interface Sample {
  targetPosition: Lsn | null;
  retainedWalBytes: number | null;
}

/** Reads what is asked of the feed, renews the lease and samples the target until the signal aborts; throws when the lease is lost. */
export async function keepHouse(options: HousekeepingOptions, signal: AbortSignal): Promise<void> {
  const sample: Sample = { targetPosition: null, retainedWalBytes: null };
  await untilFirstFailure(signal, [
    (stop) => sampleTarget(options, sample, stop),
    (stop) => watchAddress(options, stop),
    (stop) => renewAndListen(options, sample, stop),
  ]);
}

async function renewAndListen(
  options: HousekeepingOptions,
  sample: Sample,
  signal: AbortSignal,
): Promise<void> {
  const { client, lease, clock, counters, lingering, onDamage, onTick } = options;
  let renewedMs = Number.NEGATIVE_INFINITY;
  while (!signal.aborted) {
    await hearRequests(options);
    if (clock.monotonicMs() - renewedMs >= SAMPLE_MS) {
      renewedMs = clock.monotonicMs();
      if (!(await renewLease(client, lease, { ...sample, ...counters() }))) throw new LeaseLost();
      await assertWhole(client);
      await saveLingering(client, lease, lingering());
      if (await isDamaged(client, lease.target)) onDamage();
    }
    await onTick();
    await clock.delay(TICK_MS, signal);
  }
}

async function hearRequests(options: HousekeepingOptions): Promise<void> {
  const { client, lease, clock, sourceClock, onClockSetBack, onRequests } = options;
  const askedMs = clock.monotonicMs();
  const requests = await loadRequests(client, lease);
  if (requests === null) throw new LeaseLost();
  if (sourceClock.isBehind(requests.now, askedMs)) onClockSetBack();
  onRequests(requests);
}

/** Whoever takes the lead next sets up what is missing. */
async function assertWhole(client: Queryable): Promise<void> {
  const missing = await missingObjects(client);
  if (missing.length > 0) throw new Error(`parts of schema nearjoin are gone: ${missing.join(', ')}`);
}

/** Apart from the rest: a target that does not answer must not keep the lease from being renewed. */
async function sampleTarget(
  options: HousekeepingOptions,
  sample: Sample,
  signal: AbortSignal,
): Promise<void> {
  const { connector, clock, limits, slotNeed, onSlotTrouble, onHeldUp } = options;
  while (!signal.aborted) {
    let isRefused = false;
    try {
      const need = slotNeed();
      const health = await connector.slotHealth();
      sample.targetPosition = await connector.position();
      sample.retainedWalBytes = retainedBy(health);
      await onHeldUp(health.kind === 'usable' ? health.heldBack : null);
      const trouble = troubleOf(health, limits.maxRetainedWalBytes);
      // Of the slot that a run has made since it says nothing.
      if (trouble !== null && slotNeed() === need) onSlotTrouble(trouble);
      // Behind the slot: where the publication is somebody else's it fails for as long as a table of it lacks its key.
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
  { connector, clock, limits, onStrayed }: HousekeepingOptions,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await clock.delay(limits.addressPollMs, signal);
    const error = signal.aborted ? null : await connector.strayed();
    if (error !== null) onStrayed(error);
  }
}
