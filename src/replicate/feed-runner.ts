import { randomBytes } from 'node:crypto';
import { type Connector, ConnectorError } from '../../connectors/connector.ts';
import { dropTableSql } from '../cache/ddl.ts';
import { deleteFeed, ensureFeed, type FeedLease, loadFeed } from '../cache/feed-row.ts';
import { migrate } from '../cache/migrate.ts';
import { loadStoredTables } from '../cache/stored-table.ts';
import { LeaseLost } from './applier.ts';
import { Backoff } from './backoff.ts';
import { FeedLeader } from './feed-leader.ts';
import type { FeedOptions } from './feed-options.ts';
import type { FeedScene } from './feed-scene.ts';
import { acquireLease, applicationName, releaseLease } from './lease.ts';
import { Notifier } from './notifier.ts';
import { say } from './say.ts';
import { Session } from './session.ts';
import { slotName } from './slot-name.ts';
import { TableFailures } from './table-failures.ts';
import type { Desire } from './wanted.ts';

const ANSWER_WITHIN_MS = 15_000;
const DROP_ATTEMPTS = 3;

/** Runs one feed: waits for the lead, leads, starts again after whatever happens; ends when nothing is wanted of it. */
export class FeedRunner {
  readonly #options: FeedOptions;
  readonly #stopping = new AbortController();
  readonly #reconsider = new Notifier();
  #desire: Desire;
  #leader: FeedLeader | null = null;
  #done: Promise<void> | null = null;

  constructor(options: FeedOptions, desire: Desire) {
    this.#options = options;
    this.#desire = desire;
  }

  /** Begins; resolves when the feed is dropped because nothing is wanted of it, or was stopped. */
  start(): Promise<void> {
    this.#done ??= this.#run(this.#stopping.signal);
    return this.#done;
  }

  /** What the catalog wants has changed. */
  wish(desire: Desire): void {
    this.#desire = desire;
    this.#leader?.reconsider();
  }

  /** Ends the feed here and gives the lead to whoever waits for it. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#done;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { limits, random, clock, log, target } = this.#options;
    const backoff = new Backoff(limits.retryMs.first, limits.retryMs.longest, random);
    while (!signal.aborted) {
      const startedMs = clock.monotonicMs();
      try {
        if (await this.#compete(signal)) return;
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ target, source: this.#options.source, error: say(error) }, 'feed left its source');
      }
      if (clock.monotonicMs() - startedMs > limits.retryMs.longest) backoff.succeeded();
      await clock.delay(backoff.nextMs(), signal);
    }
  }

  /** True when the feed is dropped for good. */
  async #compete(signal: AbortSignal): Promise<boolean> {
    const { sourceUrl, target, limits, clock } = this.#options;
    const leader = randomBytes(6).toString('hex');
    const session = await Session.open({
      url: sourceUrl,
      applicationName: applicationName(leader),
      // The lease, probes and the status share it; none of them needs a transaction.
      pipeline: true,
      settings: { lock_timeout: '500' },
      answerWithinMs: ANSWER_WITHIN_MS,
    });
    const lost = new AbortController();
    void session.lost.then(() => lost.abort());
    const stop = AbortSignal.any([signal, lost.signal]);
    try {
      const { id } = await migrate(session.client);
      await ensureFeed(session.client, target, 'postgres');
      const lease = await acquireLease(
        session.client,
        { target, leader, staleAfterMs: limits.leaderStaleMs },
        clock,
        stop,
      );
      if (lease === null) return false;
      const gone = await this.#lead(session, { lease, leader, name: slotName(id, target) }, stop);
      if (lost.signal.aborted) throw new Error('the connection to the source database was lost');
      await releaseLease(session.client, target);
      return gone;
    } finally {
      await session.close();
    }
  }

  async #lead(
    session: Session,
    { lease, leader, name }: { readonly lease: FeedLease; readonly leader: string; readonly name: string },
    signal: AbortSignal,
  ): Promise<boolean> {
    const { connect, log, clock, random, target, source } = this.#options;
    log.info({ source, target, epoch: String(lease.epoch) }, 'leading a feed');
    const control = session.client;
    if (connect === null) {
      log.warn({ source, target, slot: name }, 'the address of the target is gone: drop the slot by hand');
      if (this.#isUnwanted()) await dropFeed(session, lease);
      return this.#isUnwanted();
    }
    const connector = connect(name);
    try {
      const { transactionsApplied, changesApplied } = await loadFeed(control, target);
      const scene: FeedScene = {
        options: this.#options,
        lease,
        leader,
        connector,
        control,
        desire: () => this.#desire,
        reconsider: this.#reconsider,
        failures: new TableFailures(clock, random),
        counters: { transactionsApplied, changesApplied },
        tick: null,
        streamed: false,
      };
      this.#leader = new FeedLeader(scene);
      await this.#leader.lead(signal);
      if (signal.aborted || !this.#isUnwanted()) return false;
      await this.#dropAll(session, lease, connector);
      return true;
    } catch (error) {
      if (error instanceof LeaseLost) log.warn({ source, target }, 'another process leads this feed now');
      else throw error;
      return false;
    } finally {
      this.#leader = null;
      await connector.close();
    }
  }

  #isUnwanted(): boolean {
    return this.#desire.kind === 'tables' && this.#desire.tables.length === 0;
  }

  async #dropAll(session: Session, lease: FeedLease, connector: Connector): Promise<void> {
    const { log, target, source } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      try {
        await connector.drop();
        break;
      } catch (error) {
        if (!(error instanceof ConnectorError)) throw error;
        if (attempt < DROP_ATTEMPTS) continue;
        log.warn(
          { source, target, slot: connector.slot, error: say(error) },
          'the slot must be dropped by hand',
        );
        break;
      }
    }
    await dropFeed(session, lease);
    log.info({ source, target }, 'feed dropped');
  }
}

async function dropFeed({ client }: Session, lease: FeedLease): Promise<void> {
  for (const { relation, overlay } of await loadStoredTables(client, lease.target)) {
    await client.query(dropTableSql(relation));
    if (overlay !== null) await client.query(dropTableSql(overlay));
  }
  await client.query('delete from nearjoin.cache_table where target = $1', [lease.target]);
  await deleteFeed(client, lease);
}
