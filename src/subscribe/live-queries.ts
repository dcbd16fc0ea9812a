import type { AppliedCommits } from '../cache/applied-commits.ts';
import { type Clock, systemClock } from '../core/clock.ts';
import type { SourceName } from '../core/names.ts';
import { Turns } from '../core/turns.ts';
import type { ReadAnswer, ReadRequest } from '../read/read-lane.ts';
import { Cohort, type Pace, type RunOutcome, type Subscriber } from './cohort.ts';
import { FeedNews } from './feed-news.ts';
import { feedsOf, type LiveQuery, LiveQueryKeys, sourceOf } from './live-query.ts';

/** Where live queries are read; a read lane of their own, so that they never stand before a query. */
export interface LiveLane {
  run(request: ReadRequest): Promise<ReadAnswer>;
  appliedCommits(source: SourceName): Promise<AppliedCommits>;
}

/** How live queries are read. */
export interface LiveSettings {
  readonly refetchMs: number;
  /** Live queries of one source that are read at the same time. */
  readonly atOnce: number;
  readonly runMs: number;
}

/** One subscriber's place among the live queries. */
export interface Subscription {
  /** Ends it; gives the digest of the answer that was taken last. */
  leave(): string | null;
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
  /** By source, so that one that hangs does not hold up the others. */
  readonly #turns = new Map<SourceName | null, Turns>();
  readonly #readings = new Set<Promise<void>>();
  readonly #runs: Record<RunOutcome, number> = { changed: 0, same: 0, failed: 0 };
  #subscribers = 0;

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

  /** Reads a query for a subscriber from now on; `seen` is the digest of an answer that need not be sent again. */
  subscribe(query: LiveQuery, subscriber: Subscriber, seen: string | null = null): Subscription {
    const key = this.#keys.keyOf(query);
    const known = this.#cohorts.get(key);
    const cohort = known ?? this.#open(key, query);
    cohort.join(subscriber, seen);
    if (known === undefined) this.#read(cohort);
    this.#subscribers += 1;
    let left = false;
    return {
      leave: () => {
        if (left) return null;
        left = true;
        this.#subscribers -= 1;
        const taken = cohort.leave(subscriber);
        if (cohort.isEmpty) this.#end(key, cohort);
        return taken;
      },
      catchUp: () => cohort.wake(),
    };
  }

  get counts(): LiveCounts {
    return { subscribers: this.#subscribers, cohorts: this.#cohorts.size, runs: this.#runs };
  }

  /** Ends every live query. */
  async close(): Promise<void> {
    for (const [key, cohort] of this.#cohorts) this.#end(key, cohort);
    await Promise.all([this.#news.close(), ...this.#readings]);
  }

  #open(key: string, query: LiveQuery): Cohort {
    const { refetchMs, runMs } = this.#settings;
    const pace: Pace = { refetchMs, runMs, spacingMs: SPACING_MS, backOffMs: BACK_OFF_MS };
    const cohort = new Cohort(query, {
      run: (request) => this.#lane.run(request),
      clock: this.#clock,
      pace,
      onRun: (outcome) => {
        this.#runs[outcome] += 1;
      },
    });
    this.#cohorts.set(key, cohort);
    this.#follow(query, cohort);
    return cohort;
  }

  #read(cohort: Cohort): void {
    const reading = cohort.follow(this.#turnsOf(sourceOf(cohort.query))).finally(() => {
      this.#readings.delete(reading);
    });
    this.#readings.add(reading);
  }

  #end(key: string, cohort: Cohort): void {
    cohort.end();
    if (this.#cohorts.get(key) !== cohort) return;
    this.#cohorts.delete(key);
    for (const { source, target } of feedsOf(cohort.query)) {
      this.#dependents.get(feedKey(source, target))?.delete(cohort);
      this.#news.unwatch(source);
    }
  }

  /** Reads it again too when a feed that it depends on brings something. */
  #follow(query: LiveQuery, cohort: Cohort): void {
    for (const { source, target } of feedsOf(query)) {
      const key = feedKey(source, target);
      const dependents = this.#dependents.get(key) ?? new Set();
      this.#dependents.set(key, dependents.add(cohort));
      this.#news.watch(source);
    }
  }

  #wake(source: SourceName, target: SourceName): void {
    for (const cohort of this.#dependents.get(feedKey(source, target)) ?? []) cohort.wake();
  }

  #turnsOf(source: SourceName | null): Turns {
    const turns = this.#turns.get(source) ?? new Turns(this.#settings.atOnce);
    this.#turns.set(source, turns);
    return turns;
  }
}

function feedKey(source: SourceName, target: SourceName): string {
  return JSON.stringify([source, target]);
}
