import { isDeepStrictEqual } from 'node:util';
import type { Connector } from '../../connectors/connector.ts';
import { storedTargets } from '../cache/feed/row.ts';
import type { Catalog, WantedTable } from '../catalog/catalog.ts';
import { keptIn } from '../core/kept-in.ts';
import { type Log, logOfFeed } from '../core/log.ts';
import type { MetadataIdentity } from '../core/metadata-identity.ts';
import type { SourceName } from '../core/names.ts';
import type { Probe } from '../core/position/watermark.ts';
import type { Clock } from '../core/waiting/clock.ts';
import type { FeedLimits, Way } from './feed-options.ts';
import { FeedRunner } from './lead/feed-runner.ts';
import { type Addressed, MovedFeeds, type Pair, type Running } from './moved-feeds.ts';
import { Pace } from './pace.ts';
import { say } from './say.ts';
import { askSource } from './session.ts';
import { LeftTargets } from './slot/left-targets.ts';
import { type NotedSlot, type SlotBook, SlotNotes } from './slot/slot-book.ts';
import { UnfollowedSlots } from './slot/unfollowed-slots.ts';
import { SourceClock } from './source-clock.ts';
import type { StepHook } from './steps.ts';
import { NOTHING, type Wanted } from './table/wanted.ts';

/** What a supervisor reads of a catalog. */
export interface SupervisedSnapshot {
  readonly catalog: Pick<Catalog, 'sources' | 'wanted' | 'resourceVersion'>;
  readonly urls: ReadonlyMap<SourceName, string>;
}

/** Where catalogs come from. */
export interface CatalogFeed {
  changes(signal: AbortSignal): AsyncIterable<SupervisedSnapshot>;
  refresh(): Promise<void>;
}

/** What a supervisor needs from outside. */
export interface SupervisorOptions {
  readonly catalogs: CatalogFeed;
  /** Makes a connector; `name` is what slot and publication are to be called. With `how.kafka` it reads through Kafka. */
  readonly connect: (url: string, name: string, how?: Way) => Connector;
  readonly limits: FeedLimits;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly onProbe: (source: SourceName, target: SourceName, probe: Probe | null) => void;
  /** Notes of slots, in the metadata database: they survive the sources and this process. */
  readonly book: SlotBook;
  /** The metadata database for which sources are claimed; null claims none. */
  readonly installation?: MetadataIdentity | null;
  readonly onStep?: StepHook | undefined;
}

/** Runs a feed for every pair of source and target the catalog wants one for, and ends those it no longer wants. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #stopping = new AbortController();
  readonly #running = new Map<string, Running>();
  /** Addresses of databases that left the metadata: their slots must still be dropped. */
  readonly #lastUrls = new Map<SourceName, string>();
  readonly #paces = new Map<SourceName, Pace>();
  readonly #searched = new Map<SourceName, string>();
  readonly #notes: SlotNotes;
  readonly #left: LeftTargets;
  readonly #moved: MovedFeeds;
  readonly #unfollowed: UnfollowedSlots;
  #latest: SupervisedSnapshot | null = null;
  #adapted: Promise<void> = Promise.resolve();
  #done: Promise<void> | null = null;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#notes = new SlotNotes(options.book, options.log, this.#stopping.signal);
    this.#left = new LeftTargets(options);
    this.#moved = new MovedFeeds({
      urls: this.#lastUrls,
      left: this.#left,
      notes: this.#notes,
      makeRunner: (addressed, wanted) => this.#runner(addressed, wanted),
      successorOf: ({ source, target }) => this.#running.get(keyOf(source, target)),
      isSearched: (source) => this.#searched.get(source) === this.#lastUrls.get(source),
      signal: this.#stopping.signal,
    });
    this.#unfollowed = new UnfollowedSlots({ ...options, isFollowed: (slot) => this.#isFollowed(slot) });
  }

  start(): void {
    this.#done ??= this.#follow(this.#stopping.signal);
  }

  /** Ends every feed here; other processes may lead them then. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#done;
    const runners = [...this.#running.values(), ...this.#moved.leaving].map(({ runner }) => runner);
    await Promise.all([this.#left, this.#unfollowed, ...runners].map((each) => each.stop()));
  }

  async #follow(signal: AbortSignal): Promise<void> {
    for await (const snapshot of this.#options.catalogs.changes(signal)) {
      if (signal.aborted) return;
      for (const [name, url] of snapshot.urls) this.#lastUrls.set(name, url);
      const before = this.#latest?.catalog.resourceVersion;
      this.#latest = snapshot;
      await this.#notes.read(this.#running.values());
      await this.#adapt();
      // An administrator changed the metadata, or had it read again.
      if (before !== snapshot.catalog.resourceVersion)
        for (const { runner } of this.#running.values()) runner.tryNow();
      await this.#findLeftovers(snapshot);
      this.#moved.dismissRetired();
      await this.#unfollowed.consider(this.#notes.noted, {
        isListed: (name) => snapshot.catalog.sources.has(name),
        urls: snapshot.urls,
      });
    }
  }

  /** Runs one at a time, since a feed that has ended asks for it too. Each goes by the catalog that is the newest when its turn comes. */
  #adapt(): Promise<void> {
    this.#adapted = this.#adapted.then(async () => {
      if (this.#latest !== null) await this.#adaptTo(this.#latest);
    });
    return this.#adapted;
  }

  async #adaptTo(snapshot: SupervisedSnapshot): Promise<void> {
    const wanted = new Map<string, WantedTable[]>();
    for (const each of snapshot.catalog.wanted)
      keptIn(wanted, keyOf(each.source, each.target), () => []).push(each);
    for (const [key, running] of this.#running) {
      if (this.#isMoved(running)) await this.#retire(key, running);
      else if (isListed(snapshot, running)) running.runner.want(wantedOf(snapshot, running, wanted.get(key)));
      else running.runner.abandon();
    }
    for (const [key, tables] of wanted) {
      const [first] = tables;
      if (first !== undefined) await this.#moved.stopLeaving(first);
      if (first !== undefined && !this.#running.has(key))
        this.#begin(first, { kind: 'tables', tables, lingering: [] });
    }
  }

  /** Ends feeds that an earlier process left in a source database and that are not wanted any more. */
  async #findLeftovers(snapshot: SupervisedSnapshot): Promise<void> {
    for (const source of this.#searched.keys()) if (!snapshot.urls.has(source)) this.#searched.delete(source);
    for (const [source, url] of snapshot.urls) {
      const state = snapshot.catalog.sources.get(source);
      if (state === undefined || state.unavailable !== null || this.#searched.get(source) === url) continue;
      try {
        for (const target of await askSource(url, storedTargets, this.#stopping.signal)) {
          const pair = { source, target };
          if (!this.#running.has(keyOf(source, target))) this.#begin(pair, wantedOf(snapshot, pair));
        }
        this.#searched.set(source, url);
      } catch (error) {
        this.#tellUnsearched(source, error);
      }
    }
  }

  #tellUnsearched(source: SourceName, error: unknown): void {
    if (this.#stopping.signal.aborted) return;
    this.#options.log.warn({ source, error: say(error) }, 'a source could not be searched for old feeds');
  }

  /** Whether a feed here uses the slot. One of the same target whose slot's name is not known yet might, so it counts. */
  #isFollowed({ slot, target }: NotedSlot): boolean {
    return [...this.#running.values(), ...this.#moved.leaving].some(
      ({ target: followed, runner }) => followed === target && (runner.slot ?? slot) === slot,
    );
  }

  #begin({ source, target }: Pair, wanted: Wanted): void {
    const sourceUrl = this.#lastUrls.get(source);
    // Whoever asks for it may have waited for something while all feeds were stopped.
    if (sourceUrl === undefined || this.#stopping.signal.aborted) return;
    const targetUrl = this.#lastUrls.get(target) ?? null;
    const kafka = this.#latest?.catalog.sources.get(target)?.kafka ?? null;
    const addressed = { source, target, sourceUrl, targetUrl, kafka };
    const runner = this.#runner(addressed, wanted);
    if (this.#latest !== null && !isListed(this.#latest, addressed)) runner.abandon();
    const key = keyOf(source, target);
    const running = { ...addressed, runner };
    this.#running.set(key, running);
    void runner.start().then(() => this.#ended(key, running));
  }

  #runner({ source, target, sourceUrl, targetUrl, kafka }: Addressed, wanted: Wanted): FeedRunner {
    const { limits, clock, random, log, onStep, catalogs, connect, onProbe } = this.#options;
    return new FeedRunner(
      {
        source,
        target,
        sourceUrl,
        targetUrl,
        connect: targetUrl === null ? null : (name, reader) => connect(targetUrl, name, { kafka, reader }),
        unavailable: this.#latest?.catalog.sources.get(target)?.unavailable ?? null,
        connector: kafka === null ? 'postgres' : 'kafka',
        limits: kafka === null ? limits : { ...limits, probeIntervalMs: limits.kafkaProbeIntervalMs },
        clock,
        random,
        log: logOfFeed(log, { source, target }),
        pace: this.#paceOf(target),
        onProbe: (probe) => onProbe(source, target, probe),
        sourceClock: new SourceClock(clock),
        notedSlot: this.#notes.slotOf({ source, target }),
        onNamed: (slot) => {
          void this.#notes.note({ slot, source, target });
          this.#moved.dismissRetired();
        },
        refreshCatalog: () => catalogs.refresh(),
        installation: this.#options.installation ?? null,
        onStep,
      },
      wanted,
    );
  }

  /** All sources that copy from a target share one pace. */
  #paceOf(target: SourceName): Pace | null {
    const { limits, clock } = this.#options;
    const { bytesPerS } = limits.copy;
    return bytesPerS === null ? null : keptIn(this.#paces, target, () => new Pace(bytesPerS, clock));
  }

  /** A feed that was dropped may be wanted again by now. */
  async #ended(key: string, running: Running): Promise<void> {
    await this.#notes.forgetDropped(running);
    if (this.#running.get(key) !== running) return;
    this.#running.delete(key);
    if (!this.#stopping.signal.aborted) await this.#adapt();
  }

  #isMoved({ source, target, sourceUrl, targetUrl, kafka }: Running): boolean {
    const now = this.#latest?.catalog.sources.get(target);
    if (now !== undefined && !isDeepStrictEqual(now.kafka, kafka)) return true;
    return this.#lastUrls.get(source) !== sourceUrl || (this.#lastUrls.get(target) ?? null) !== targetUrl;
  }

  async #retire(key: string, running: Running): Promise<void> {
    await running.runner.stop();
    if (this.#running.get(key) === running) this.#running.delete(key); // else it has ended by itself
    this.#moved.retire(running);
  }
}

function isListed({ catalog }: SupervisedSnapshot, { source, target }: Pair): boolean {
  return catalog.sources.has(source) && catalog.sources.has(target);
}

/** What is wanted of a feed; `unknown` while one of its databases cannot be read, so that the feed stays as it is. */
function wantedOf(snapshot: SupervisedSnapshot, pair: Pair, tables?: readonly WantedTable[]): Wanted {
  if (tables !== undefined) return { kind: 'tables', tables, lingering: [] };
  if (!isListed(snapshot, pair)) return NOTHING;
  const { sources } = snapshot.catalog;
  const isUnread = [pair.source, pair.target].some(
    (name) => (sources.get(name)?.unavailable ?? null) !== null,
  );
  return isUnread ? { kind: 'unknown' } : NOTHING;
}

function keyOf(source: SourceName, target: SourceName): string {
  return JSON.stringify([source, target]);
}
