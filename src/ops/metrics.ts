import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { SourceName } from '../core/names.ts';
import type { FeedReport } from './replication.ts';

const FEED_LABELS = ['source', 'target'] as const;
const FEED_STATES = ['starting', 'streaming', 'paused', 'retrying', 'failed'] as const;
const TABLE_STATES = ['pending', 'copying', 'catching-up', 'ready', 'failed'] as const;

/** Hasura's buckets, with finer ones below for answers from a cache. */
const SECONDS_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.03, 0.05, 0.1, 0.3, 0.5, 1, 3, 5, 10];

/** How one GraphQL operation ended, for the counters. */
export interface OperationOutcome {
  readonly operationType: 'query' | 'mutation' | 'subscription' | 'unknown';
  readonly failed: boolean;
  readonly seconds: number;
}

/** What is open in the process, and what live queries have done since its start. */
export interface OpenCounts {
  readonly websockets: number;
  readonly subscriptions: number;
  readonly liveQueries: number;
  readonly liveRuns: Readonly<Record<'changed' | 'same' | 'failed', number>>;
}

/** A counter kept here and handed over at a scrape: the library's own look-up by labels costs more than the rest of the counting. */
class Tally<Label extends string> {
  readonly #counts = new Map<string, { readonly labels: Record<Label, string>; count: number }>();

  constructor(registry: Registry, name: string, help: string, labelNames: readonly Label[]) {
    const counts = this.#counts;
    new Counter({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset();
        for (const { labels, count } of counts.values()) this.inc(labels, count);
      },
    });
  }

  /** Counts one under `key`, which stands for the labels. */
  add(key: string, labels: () => Record<Label, string>): void {
    const known = this.#counts.get(key);
    if (known !== undefined) known.count += 1;
    else this.#counts.set(key, { labels: labels(), count: 1 });
  }
}

/** Every metric's name, labels and help text; names of Hasura's where the meaning is the same. */
export class Metrics {
  readonly #registry: Registry = new Registry();
  readonly #feeds: FeedGauges;
  readonly #requests: Tally<'operation_type' | 'response_status'>;
  readonly #execution: Histogram<'operation_type'>;
  readonly #taken: Tally<'target' | 'route' | 'reason'>;

  constructor() {
    const registers = [this.#registry];
    this.#feeds = new FeedGauges(this.#registry);
    this.#requests = new Tally(
      this.#registry,
      'hasura_graphql_requests_total',
      'GraphQL operations answered',
      ['operation_type', 'response_status'],
    );
    this.#execution = new Histogram({
      name: 'hasura_graphql_execution_time_seconds',
      help: 'Time from reading a GraphQL operation to its answer',
      labelNames: ['operation_type'],
      buckets: SECONDS_BUCKETS,
      registers,
    });
    this.#taken = new Tally(
      this.#registry,
      'nearjoin_route_total',
      'Remote reads by target, route and the reason for it',
      ['target', 'route', 'reason'],
    );
    collectDefaultMetrics({ register: this.#registry });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Counts one finished operation. */
  operation({ operationType, failed, seconds }: OperationOutcome): void {
    const response_status = failed ? 'failed' : 'success';
    this.#requests.add(`${operationType}/${response_status}`, () => ({
      operation_type: operationType,
      response_status,
    }));
    this.#execution.observe({ operation_type: operationType }, seconds);
  }

  /** Counts the route one target took in one operation. */
  route(target: SourceName, route: 'cache' | 'live', reason: string): void {
    this.#taken.add(`${route}/${reason}/${target}`, () => ({ target, route, reason }));
  }

  /** Reads at every scrape what is open. */
  watch(read: () => OpenCounts): void {
    const registers = [this.#registry];
    const gauge = (name: string, help: string, pick: (counts: OpenCounts) => number): void => {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(pick(read()));
        },
      });
    };
    gauge('nearjoin_websocket_connections', 'Open WebSockets', ({ websockets }) => websockets);
    gauge(
      'nearjoin_active_subscriptions',
      'Subscriptions that clients follow',
      (counts) => counts.subscriptions,
    );
    gauge(
      'nearjoin_live_queries',
      'Different live queries among them, each read once for all',
      (counts) => counts.liveQueries,
    );
    new Counter({
      name: 'nearjoin_live_query_runs_total',
      help: 'Readings of live queries by what they gave',
      labelNames: ['outcome'] as const,
      registers,
      collect() {
        this.reset();
        for (const [outcome, count] of Object.entries(read().liveRuns)) this.inc({ outcome }, count);
      },
    });
  }

  /** The Prometheus text, with the feeds as they are now. */
  async print(feeds: readonly FeedReport[]): Promise<string> {
    this.#feeds.set(feeds);
    return this.#registry.metrics();
  }
}

/** What is measured of a feed; null while it is not known. */
const FEED_NUMBERS: readonly FeedMetric<number | null>[] = [
  [
    'staleness_seconds',
    'Age of the cache on the source database clock; absent while unknown',
    (feed) => secondsOf(feed.staleness_ms),
  ],
  ['lag_bytes', 'WAL written on the target and not applied yet', (feed) => feed.lag_bytes],
  ['retained_wal_bytes', 'WAL our slot holds on the target', (feed) => feed.retained_wal_bytes],
  [
    'verified_timestamp_seconds',
    'When the whole cache was last compared with the target; absent before the first time',
    (feed) => feed.verified_at,
  ],
  [
    'early_transactions',
    'Transactions that are written before they commit on the target',
    (feed) => feed.early_transactions,
  ],
  ['early_changes', 'Row changes of them written so far', (feed) => feed.early_changes],
  [
    'early_age_seconds',
    'For how long the first of them has been open on the source; absent while there are none',
    (feed) => secondsOf(feed.early_age_ms),
  ],
  ['rows_differing', 'Rows that differed then and were not repaired', (feed) => feed.rows_differing],
];

/** What a feed has done since it was made. */
const FEED_TOTALS: readonly FeedMetric<number>[] = [
  ['transactions_applied', 'Target transactions applied to the cache', (feed) => feed.transactions_applied],
  ['changes_applied', 'Row changes applied to the cache', (feed) => feed.changes_applied],
];

type FeedMetric<Value> = readonly [name: string, help: string, read: (feed: FeedReport) => Value];

function secondsOf(ms: number | null): number | null {
  return ms === null ? null : ms / 1000;
}

type FeedLabel = (typeof FEED_LABELS)[number];

/** Gauges read from the feeds' own tables at every scrape; a state is one gauge per state, 0 or 1. */
class FeedGauges {
  readonly #numbers: readonly {
    readonly gauge: Gauge<FeedLabel>;
    readonly read: FeedMetric<number | null>[2];
  }[];
  readonly #totals: readonly {
    readonly counter: Counter<FeedLabel>;
    readonly read: FeedMetric<number>[2];
  }[];
  readonly #states: Gauge<FeedLabel | 'state'>;
  readonly #tables: Gauge<FeedLabel | 'state'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#numbers = FEED_NUMBERS.map(([name, help, read]) => ({
      gauge: new Gauge({ name: `nearjoin_feed_${name}`, help, labelNames: FEED_LABELS, registers }),
      read,
    }));
    this.#totals = FEED_TOTALS.map(([name, help, read]) => ({
      counter: new Counter({ name: `nearjoin_feed_${name}_total`, help, labelNames: FEED_LABELS, registers }),
      read,
    }));
    const byState = { labelNames: [...FEED_LABELS, 'state'] as const, registers };
    this.#states = new Gauge({ name: 'nearjoin_feed_state', help: 'State of the feed', ...byState });
    this.#tables = new Gauge({ name: 'nearjoin_feed_tables', help: 'Cache tables by state', ...byState });
  }

  set(feeds: readonly FeedReport[]): void {
    for (const { gauge } of this.#numbers) gauge.reset();
    for (const { counter } of this.#totals) counter.reset();
    this.#states.reset();
    this.#tables.reset();
    for (const feed of feeds) {
      const labels = { source: feed.source, target: feed.target };
      for (const { gauge, read } of this.#numbers) {
        const value = read(feed);
        if (value !== null) gauge.set(labels, value);
      }
      for (const { counter, read } of this.#totals) counter.inc(labels, read(feed));
      for (const state of FEED_STATES) this.#states.set({ ...labels, state }, feed.state === state ? 1 : 0);
      for (const state of TABLE_STATES) {
        this.#tables.set({ ...labels, state }, feed.tables.filter((table) => table.state === state).length);
      }
    }
  }
}
