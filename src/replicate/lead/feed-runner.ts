import { randomBytes } from 'node:crypto';
import { type Connector, ConnectorError } from '../../../connectors/connector.ts';
import { ensureFeed, type FeedLease, loadFeed, saveFeedState } from '../../cache/feed/row.ts';
import type { Queryable } from '../../cache/queryable.ts';
import { loadLingering } from '../../cache/table/lingering.ts';
import { LEAVE_MS } from '../../core/waiting/after-abort.ts';
import { Notifier, restUnless } from '../../core/waiting/notifier.ts';
import { Repeats } from '../../core/waiting/repeats.ts';
import { Backoff } from '../backoff.ts';
import { type FeedOptions, REFUSED_MS } from '../feed-options.ts';
import { ProbePace } from '../follow/probe-pace.ts';
import { say } from '../say.ts';
import { applicationName, Session } from '../session.ts';
import { FeedRemoval, isDatabaseGone } from '../slot/feed-removal.ts';
import { readerName, slotName } from '../slot/names.ts';
import { SlotWatch } from '../slot/slot-watch.ts';
import { withConnector } from '../slot/with-connector.ts';
import { CopiesKept, dropCopies, endFeed } from '../table/orphans.ts';
import { NOTHING, type Wanted } from '../table/wanted.ts';
import { LeaseLost } from '../write/applier.ts';
import { FeedLeader } from './feed-leader.ts';
import { beginScene } from './feed-scene.ts';
import { acquireLease } from './lease.ts';
import { listen } from './listening.ts';
import { ownSchema } from './own-schema.ts';
import { Patience } from './patience.ts';
import { WantedNow } from './wanted-now.ts';

const ANSWER_WITHIN_MS = 15_000;

/** Who leads, and under which name the target is read. */
interface Led {
  readonly lease: FeedLease;
  readonly leader: string;
  readonly name: string;
}

/**
 * Runs one feed: competes for its lease, leads while it has it, and begins again after any failure; ends when the feed is not
 * wanted any more.
 */
export class FeedRunner {
  readonly #options: FeedOptions;
  readonly #stopping = new AbortController();
  readonly #reconsider = new Notifier();
  /** Ends a rest: what is wanted has changed. */
  readonly #wake = new Notifier();
  readonly #repeats: Repeats;
  readonly #probePace: ProbePace;
  readonly #wanted: WantedNow;
  readonly #patience: Patience;
  #leader: FeedLeader | null = null;
  #removal: FeedRemoval | null = null;
  #slot: string | null = null;
  #isDropped = false;
  #slotWatch: SlotWatch | null = null;
  /** The last connection to the source lasted for a while, so its failure is the first of a new series. */
  #wasThere = false;
  #done: Promise<void> | null = null;

  constructor(options: FeedOptions, asked: Wanted) {
    this.#options = options;
    this.#wanted = new WantedNow(options, asked, this.#stopping.signal, (again) => this.want(again));
    this.#repeats = new Repeats(options.clock);
    this.#patience = new Patience(options.limits.leaderStaleMs, options.clock);
    this.#probePace = new ProbePace(options.limits.probeIntervalMs, options.clock);
  }

  /** What slot and publication are called; null until the source was reached. */
  get slot(): string | null {
    return this.#slot;
  }

  /** The feed was dropped, as far as possible, because it was not wanted any more. */
  get isDropped(): boolean {
    return this.#isDropped;
  }

  /** The slot's name; until the source was reached, the one noted last. */
  get #knownSlot(): string | null {
    return this.#slot ?? this.#options.notedSlot;
  }

  /** Begins; resolves when the feed was dropped or stopped. */
  start(): Promise<void> {
    this.#done ??= this.#run(this.#stopping.signal);
    return this.#done;
  }

  /** What the catalog wants has changed. */
  want(asked: Wanted): void {
    const isAnother = this.#wanted.ask(asked);
    this.#leader?.reconsider();
    if (!this.#wanted.isNothing) this.#removal = null;
    if (isAnother) this.#wake.notify();
  }

  /** Tries at once what rests: an administrator may have put right what failed. */
  tryNow(): void {
    this.#leader?.tryNow();
  }

  /** Removes the feed: one of its databases is not in the metadata any more. */
  abandon(): void {
    this.#wanted.forget();
    this.want(NOTHING);
  }

  /** Stops running the feed here; another process may lead it then. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#done;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { limits, random, connect } = this.#options;
    const { first, longest } = limits.retryMs;
    // Without an address of the target each try only tells the status so, and what a status was told counts for ten seconds.
    const quick = new Backoff(first, connect === null ? Math.min(longest, REFUSED_MS) : longest, random);
    const slow = new Backoff(first, limits.goneRetryMs, random);
    while (!signal.aborted) {
      let backoff = quick;
      try {
        this.#isDropped = await this.#compete(signal);
      } catch (error) {
        if (signal.aborted) break;
        this.#isDropped = await this.#failed(error, signal);
        this.#watchSlot();
        if (this.#wanted.isNothing || isDatabaseGone(error)) backoff = slow;
      }
      if (this.#isDropped) break;
      if (this.#wasThere) for (const each of [quick, slow]) each.succeeded();
      this.#wasThere = false;
      // Ends early when what is wanted changes.
      await restUnless(this.#wake, { clock: this.#options.clock, ms: backoff.nextMs() }, signal);
    }
    await this.#endSlotWatch();
  }

  /** Watches the target's slot while the source is away; until `#endSlotWatch`. */
  #watchSlot(): void {
    const { connect } = this.#options;
    const slot = this.#knownSlot;
    if (this.#slotWatch !== null || slot === null || connect === null || this.#wanted.isNothing) return;
    this.#slotWatch = new SlotWatch(this.#options, connect(slot));
  }

  async #endSlotWatch(): Promise<void> {
    const watch = this.#slotWatch;
    this.#slotWatch = null;
    await watch?.stop();
  }

  /** True when the feed is given up. */
  async #failed(error: unknown, signal: AbortSignal): Promise<boolean> {
    const { log } = this.#options;
    if (this.#wasThere) this.#repeats.forget();
    const said = say(error);
    const repeated = this.#repeats.heard(error instanceof CopiesKept ? error.kind : said);
    if (repeated !== null) log.warn({ error: said, repeated }, 'feed left its source');
    // A ConnectorError is about the target, so the source was there and the feed is tried again.
    if (!this.#wanted.isNothing || error instanceof ConnectorError || error instanceof CopiesKept)
      return false;
    const { connect } = this.#options;
    return await this.#removing().withoutSource({ slot: this.#knownSlot, connect }, error, signal);
  }

  #removing(): FeedRemoval {
    this.#removal ??= new FeedRemoval(this.#options);
    return this.#removal;
  }

  /** True when the feed is dropped for good. */
  async #compete(signal: AbortSignal): Promise<boolean> {
    const { sourceUrl, target, limits, clock } = this.#options;
    const leader = randomBytes(6).toString('hex');
    const options = {
      url: sourceUrl,
      applicationName: applicationName(leader),
      // The lease, probes and the status share it; none of them needs a transaction.
      pipeline: true,
      settings: { lock_timeout: '500' },
      answerWithinMs: ANSWER_WITHIN_MS,
    };
    const session = await Session.open(options, signal);
    session.cutAfter(signal, LEAVE_MS * 2); // after those that write
    const begunMs = clock.monotonicMs();
    const lost = new AbortController();
    void session.lost.then(() => lost.abort());
    const stop = AbortSignal.any([signal, lost.signal]);
    try {
      const isWanted = (): boolean => !this.#wanted.isNothing;
      const owning = { ...this.#options, isWanted, wake: this.#wake };
      const id = await ownSchema(session.client, owning, stop);
      if (id === null) return this.#wanted.isNothing;
      await this.#endSlotWatch();
      const name = slotName(id, target);
      if (this.#slot === null) {
        this.#slot = name;
        this.#options.onNamed(name);
      }
      await ensureFeed(session.client, target, this.#options.connector);
      const lease = await acquireLease(
        session.client,
        { target, leader, patience: this.#patience },
        clock,
        stop,
      );
      // Its leader has removed the feed, so it is gone for all who do not want it either.
      if (lease === null) return !stop.aborted && this.#wanted.isNothing;
      await listen(session.client, target, {
        wished: (wish) => this.#probePace.wish(wish),
        resumed: () => this.tryNow(),
      });
      const gone = await this.#lead(session, { lease, leader, name }, stop);
      if (lost.signal.aborted) throw new Error('the connection to the source database was lost');
      return gone;
    } finally {
      // When a feed is being removed, taking long is no success.
      this.#wasThere = !this.#wanted.isNothing && clock.monotonicMs() - begunMs > limits.retryMs.longest;
      await session.close();
    }
  }

  async #lead(session: Session, { name, ...led }: Led, signal: AbortSignal): Promise<boolean> {
    const { connect, log, target } = this.#options;
    const control = session.client;
    this.#wanted.restore(await loadLingering(control, target));
    this.want(this.#wanted.asked);
    if (connect === null) return await this.#leadUnaddressed(control, led.lease, name);
    log.info({ epoch: String(led.lease.epoch) }, 'leading a feed');
    try {
      return await withConnector(connect(name, await readerName(control)), signal, (connector) =>
        this.#leadWith(session, { ...led, connector }, signal),
      );
    } catch (error) {
      if (!(error instanceof LeaseLost)) throw error;
      log.warn({}, 'another process leads this feed now');
      return false;
    } finally {
      this.#leader = null;
    }
  }

  /** The target can neither be followed nor be cleared; while the feed is wanted it is left, as it is, to whoever has the address. */
  async #leadUnaddressed(control: Queryable, lease: FeedLease, slot: string): Promise<boolean> {
    const { log, unavailable } = this.#options;
    if (this.#wanted.isNothing) {
      log.warn({ slot }, 'the address of the target is gone: drop the slot by hand');
      await endFeed(control, lease, await dropCopies(control, lease));
      return true;
    }
    const reason = `the replicator has no address of the target${unavailable === null ? '' : `: ${unavailable}`}`;
    await saveFeedState(control, lease, { state: 'failed', reason });
    const repeated = this.#repeats.heard(reason);
    if (repeated !== null) log.warn({ reason, repeated }, 'nobody can follow the target from here');
    return false;
  }

  async #leadWith(
    session: Session,
    led: Omit<Led, 'name'> & { readonly connector: Connector },
    signal: AbortSignal,
  ): Promise<boolean> {
    const control = session.client;
    const { transactionsApplied, changesApplied } = await loadFeed(control, this.#options.target);
    const scene = beginScene({
      options: this.#options,
      ...led,
      control,
      wanted: this.#wanted,
      reconsider: this.#reconsider,
      repeats: this.#repeats,
      probePace: this.#probePace,
      counters: { transactionsApplied, changesApplied, early: null },
    });
    this.#leader = new FeedLeader(scene);
    await this.#leader.lead(signal);
    if (signal.aborted || !this.#wanted.isNothing) return false;
    await this.#dropAll(session, led.lease, led.connector);
    return true;
  }

  /** The feed's row goes last: with it goes what is known of the slot. */
  async #dropAll({ client }: Session, lease: FeedLease, connector: Connector): Promise<void> {
    const kept = await dropCopies(client, lease);
    try {
      await this.#removing().freeTarget(connector);
    } catch (error) {
      const reason = `waiting to drop its slot and publication: ${say(error)}`;
      await saveFeedState(client, lease, { state: 'retrying', reason, lastError: say(error) });
      throw error;
    }
    await endFeed(client, lease, kept);
    this.#options.log.info({}, 'feed dropped');
  }
}
