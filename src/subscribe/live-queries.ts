import type { AppliedCommits } from '../cache/feed/applied-commits.ts';
import { keptIn } from '../core/kept-in.ts';
import type { SourceName } from '../core/names.ts';
import { type Clock, systemClock } from '../core/waiting/clock.ts';
import type { ReadAnswer, ReadRequest } from '../read/read-request.ts';
import {
  type Before,
  Cohort,
  NOTHING_BEFORE,
  type Pace,
  type RunOutcome,
  type Subscriber,
  type TakenBatch,
} from './cohort.ts';
import { FeedNews } from './feed-news.ts';
import {
  AT_START,
  behind,
  feedsOf,
  type LiveQuery,
  LiveQueryKeys,
  type Progress,
  sourceOf,
} from './live-query.ts';
import { Rounds } from './rounds.ts';

/** What live queries are read by: a read lane of their own, so that no query waits behind them. */
export interface LiveLane {
  run(request: ReadRequest): Promise<ReadAnswer>;
  appliedCommits(source: SourceName): Promise<AppliedCommits>;
}

/** How live queries are read. */
export interface LiveSettings {
  readonly refetchMs: number;
  /** Rounds of readings of one source that go on at the same time. */
  readonly atOnce: number;
  readonly runMs: number;
}

/** One subscriber's place among the live queries. */
export interface Subscription {
  /** Ends it; returns how far it has come. */
  leave(): Progress;
  /** Offers the newest answer again: the subscriber could not take one, and now it can. */
  catchUp(): void;
}

/** Counted since the start, and how many there are now. */
export interface LiveCounts {
  readonly subscribers: number;
  readonly cohorts: number;
  readonly runs: Readonly<Record<RunOutcome, number>>;
}

const NEWS_MS = 50;
const NEWS_RETRY_MS = 1000;
const SPACING_MS = 50;
const BACK_OFF_MS = 10_000;

/** All live queries of the process: equal ones are one cohort, read when it is time or when a feed has brought something. */
export class LiveQueries {
  readonly #lane: LiveLane;
  readonly #clock: Clock;
  readonly #settings: LiveSettings;
  readonly #news: FeedNews;
  readonly #keys = new LiveQueryKeys();
  readonly #cohorts = new Map<string, Cohort>();
  /** By feed, the cohorts whose answers it can change. */
  readonly #dependents = new Map<string, Set<Cohort>>();
  /** By source, so that a source that hangs does not hold up the others. */
  readonly #rounds = new Map<SourceName | null, Rounds>();
  readonly #readings = new Set<Promise<void>>();
  readonly #runs: Record<RunOutcome, number> = { changed: 0, same: 0, failed: 0 };
  /** Each subscriber's cohort: with a stream it changes with every batch. */
  readonly #places = new Map<Subscriber, Cohort>();

  constructor(lane: LiveLane, settings: LiveSettings, clock: Clock = systemClock) {
    this.#lane = lane;
    this.#clock = clock;
    this.#settings = settings;
    this.#news = new FeedNews({
      applied: (source) => lane.appliedCommits(source),
      clock,
      everyMs: NEWS_MS,
      retryMs: NEWS_RETRY_MS,
      onNews: (source, target) => this.#wake(source, target),
    });
  }

  /** Reads a query for a subscriber from now on; `from` is how far the subscriber has come already. */
  subscribe(query: LiveQuery, subscriber: Subscriber, from: Progress = AT_START): Subscription {
    this.#enter(behind(query, from.cursor), NOTHING_BEFORE, (cohort) => this.#join(cohort, subscriber, from));
    return {
      leave: () => this.#leave(subscriber),
      catchUp: () => this.#places.get(subscriber)?.wake(),
    };
  }

  get counts(): LiveCounts {
    return { subscribers: this.#places.size, cohorts: this.#cohorts.size, runs: this.#runs };
  }

  /** Ends every live query. */
  async close(): Promise<void> {
    for (const cohort of this.#cohorts.values()) this.#end(cohort);
    await Promise.all(this.#readings);
  }

  /** Joins the query's cohort; a new cohort is first read after a rest. */
  #enter(query: LiveQuery, before: Before, join: (cohort: Cohort) => void): void {
    const key = this.#keys.keyOf(query);
    const known = this.#cohorts.get(key);
    const cohort = known ?? this.#open(key, query);
    join(cohort);
    if (known === undefined) this.#read(cohort, before);
  }

  #join(cohort: Cohort, subscriber: Subscriber, from: Progress): void {
    cohort.join(subscriber, from);
    this.#places.set(subscriber, cohort);
  }

  #leave(subscriber: Subscriber): Progress {
    const cohort = this.#places.get(subscriber);
    if (cohort === undefined) return AT_START;
    this.#places.delete(subscriber);
    const progress = cohort.leave(subscriber);
    if (cohort.isEmpty) this.#end(cohort);
    return progress;
  }

  /** Those who are at the same place of a stream are one cohort again, wherever they began. */
  #moveOn(cohort: Cohort, { by, cursor, before }: TakenBatch): void {
    const moved = by.map(
      (subscriber) => [subscriber, { ...cohort.leave(subscriber), digest: null }] as const,
    );
    this.#enter(behind(cohort.query, cursor), before, (next) => {
      for (const [subscriber, from] of moved) this.#join(next, subscriber, from);
    });
    if (cohort.isEmpty) this.#end(cohort);
  }

  #open(key: string, query: LiveQuery): Cohort {
    const { refetchMs, runMs } = this.#settings;
    const pace: Pace = { refetchMs, runMs, spacingMs: SPACING_MS, backOffMs: BACK_OFF_MS };
    const cohort = new Cohort(key, query, {
      run: (request) => this.#lane.run(request),
      clock: this.#clock,
      pace,
      onRun: (outcome) => {
        this.#runs[outcome] += 1;
      },
      onBatch: (from, batch) => this.#moveOn(from, batch),
    });
    this.#cohorts.set(key, cohort);
    this.#follow(query, cohort);
    return cohort;
  }

  #read(cohort: Cohort, before: Before): void {
    const reading = cohort.follow(this.#roundsOf(sourceOf(cohort.query)), before).finally(() => {
      this.#readings.delete(reading);
    });
    this.#readings.add(reading);
  }

  #end(cohort: Cohort): void {
    cohort.end();
    if (this.#cohorts.get(cohort.key) !== cohort) return;
    this.#cohorts.delete(cohort.key);
    for (const { source, target } of feedsOf(cohort.query)) {
      this.#dependents.get(feedKey(source, target))?.delete(cohort);
      this.#news.unwatch(source);
    }
  }

  /** Reads it again too when a feed that it depends on brings something. */
  #follow(query: LiveQuery, cohort: Cohort): void {
    for (const { source, target } of feedsOf(query)) {
      keptIn(this.#dependents, feedKey(source, target), () => new Set()).add(cohort);
      this.#news.watch(source);
    }
  }

  #wake(source: SourceName, target: SourceName): void {
    for (const cohort of this.#dependents.get(feedKey(source, target)) ?? []) cohort.wake();
  }

  #roundsOf(source: SourceName | null): Rounds {
    return keptIn(this.#rounds, source, () => new Rounds(this.#settings.atOnce, this.#clock));
  }
}

function feedKey(source: SourceName, target: SourceName): string {
  return JSON.stringify([source, target]);
}
