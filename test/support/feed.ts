import type { Connector } from '../../connectors/connector.ts';
import { kafkaConnector } from '../../connectors/kafka/connector.ts';
import type { KafkaCluster, KafkaTimings } from '../../connectors/kafka/settings.ts';
import { postgresConnector } from '../../connectors/postgres/connector.ts';
import type { Timings } from '../../connectors/postgres/settings.ts';
import type { Queryable } from '../../src/cache/queryable.ts';
import type { CacheTable, FeedStatus } from '../../src/cache/status/cache-table.ts';
import { readCacheStatus } from '../../src/cache/status/status.ts';
import type { Table, WantedTable } from '../../src/catalog/catalog.ts';
import { introspect } from '../../src/catalog/introspect.ts';
import type { KafkaFeed } from '../../src/catalog/part/kafka-feed.ts';
import type { MetadataIdentity } from '../../src/core/metadata-identity.ts';
import { tableKey } from '../../src/core/names.ts';
import type { Probe } from '../../src/core/position/watermark.ts';
import { systemClock } from '../../src/core/waiting/clock.ts';
import { parseMetadata } from '../../src/metadata/document/parse.ts';
import { DEFAULT_LIMITS, type FeedLimits } from '../../src/replicate/feed-options.ts';
import type { SlotBook } from '../../src/replicate/slot/slot-book.ts';
import type { StepHook } from '../../src/replicate/steps.ts';
import { type SupervisedSnapshot, Supervisor } from '../../src/replicate/supervisor.ts';
import { logInto } from './log-lines.ts';
import { poll } from './poll.ts';
import { createDatabase, insertPosition, prepared, type TestDatabase, type Which } from './postgres.ts';
import { resolve } from './resolve.ts';
import { memoryBook } from './slot-book.ts';
import { bareSource, Snapshots } from './snapshots.ts';

/** The tables to cache, each with the columns it is looked up by. */
export type Tracked = Readonly<Record<string, readonly (readonly string[])[]>>;

/** How a rig's supervisor differs from the usual one. */
export interface SupervisorSettings {
  readonly limits?: Partial<FeedLimits>;
  readonly onStep?: StepHook;
  readonly onProbe?: (probe: Probe | null) => void;
  /** May hold up what a connector is asked for. */
  readonly onConnect?: (connector: Connector) => void;
  /** In place of the target's own address, for example a proxy's. */
  readonly targetUrl?: string;
  readonly sourceUrl?: string;
  readonly installation?: MetadataIdentity;
  readonly timings?: Partial<Timings>;
  /** From where on changes are written as they come. */
  readonly largeBytes?: number;
  /** The target is followed through these brokers. */
  readonly kafkaTimings?: Partial<KafkaTimings>;
  readonly kafka?: { readonly cluster: KafkaCluster; readonly feed: KafkaFeed };
}

/** Limits that make tests quick. */
export const QUICK: FeedLimits = {
  ...DEFAULT_LIMITS,
  kafkaProbeIntervalMs: 100,
  schemaPollMs: 1_000,
  retryMs: { first: 20, longest: 500 },
  unfitRetryMs: 500,
  removalDelayMs: 0,
  unreadMs: 0,
  // On a slow machine tests take so long that their streams would be opened anew in the middle of them.
  early: { ...DEFAULT_LIMITS.early, settledMs: 3_600_000 },
};

async function written(database: TestDatabase, statements: readonly string[]): Promise<TestDatabase> {
  for (const statement of statements) await database.query(statement);
  return database;
}

/** Two databases, and supervisors that keep a copy of the one's tables in the other. */
export class FeedRig {
  readonly source: TestDatabase;
  readonly target: TestDatabase;
  readonly log: string[] = [];
  readonly probes: Probe[] = [];
  readonly book: SlotBook = memoryBook();
  #tracked: Tracked;
  #wanted: readonly WantedTable[] = [];
  #readings = 0;
  #newestReading = 0;
  #unavailable = false;
  #resourceVersion = 1;
  readonly #snapshots = new Snapshots();
  readonly #supervisors: Supervisor[] = [];

  private constructor(source: TestDatabase, target: TestDatabase, tracked: Tracked) {
    this.source = source;
    this.target = target;
    this.#tracked = tracked;
  }

  /** `statements` run on the target before anything else; `form` is that of the source, as `createDatabase` takes it. */
  static async open(
    statements: readonly string[],
    tracked: Tracked,
    which: Which | TestDatabase = 'target',
    form = '',
  ): Promise<FeedRig> {
    const [source, target] = await Promise.all([
      createDatabase('source', [], form),
      typeof which === 'string' ? createDatabase(which, statements) : written(which, statements),
    ]);
    const rig = new FeedRig(source, target, tracked);
    await rig.refresh();
    return rig;
  }

  /** Starts another supervisor, as another process would. */
  start(settings: SupervisorSettings = {}): Supervisor {
    const large = settings.largeBytes === undefined ? {} : { largeBytes: settings.largeBytes };
    const supervisor = new Supervisor({
      catalogs: {
        changes: (signal) => this.#snapshots.of(() => this.#snapshot(settings), signal),
        refresh: () => this.refresh(),
      },
      connect: (url, name, { kafka = null, reader = null } = {}) => {
        const options = { url, name, log: logInto(this.log), timings: settings.timings ?? {}, reader };
        if (kafka === null) {
          const connector = postgresConnector({ ...options, ...large });
          settings.onConnect?.(connector);
          return connector;
        }
        const cluster = settings.kafka?.cluster ?? { brokers: [], tls: null, login: null };
        return kafkaConnector({ ...options, kafka, cluster, kafkaTimings: settings.kafkaTimings ?? {} });
      },
      limits: { ...QUICK, ...settings.limits },
      clock: systemClock,
      random: () => 0.5,
      log: logInto(this.log),
      onProbe: (_source, _target, probe) => {
        if (probe !== null) this.probes.push(probe);
        settings.onProbe?.(probe);
      },
      book: this.book,
      installation: settings.installation ?? null,
      onStep: settings.onStep,
    });
    this.#supervisors.push(supervisor);
    supervisor.start();
    return supervisor;
  }

  get wanted(): readonly WantedTable[] {
    return this.#wanted;
  }

  /** Other tables are wanted from now on. */
  async track(tracked: Tracked): Promise<void> {
    this.#tracked = tracked;
    await this.refresh();
  }

  /** Reads the target's catalog again. What is read meanwhile by somebody who began later holds. */
  async refresh(): Promise<void> {
    const tracked = this.#tracked;
    this.#readings += 1;
    const reading = this.#readings;
    // Any name will do on the target.
    const tables = Object.keys(tracked).map((name, at) => ({
      table: { schema: 'public', name },
      configuration: { custom_name: `table_${at}` },
    }));
    const configuration = { connection_info: { database_url: this.target.url } };
    const metadata = parseMetadata({
      version: 3,
      sources: [{ name: 'pg2', kind: 'postgres', tables, configuration }],
    });
    const found = await introspect(this.target.url);
    if (reading < this.#newestReading) return;
    this.#newestReading = reading;
    const catalog = resolve(metadata, new Map([['pg2', found]]), { resourceVersion: 1, generation: 1 });
    const known = catalog.sources.get('pg2')?.tables ?? new Map<string, Table>();
    this.#wanted = Object.entries(tracked).flatMap(([name, lookups]) => {
      const table = known.get(tableKey({ schema: 'public', name }));
      return table === undefined ? [] : [{ source: 'pg1', target: 'pg2', table, lookups, mapping: null }];
    });
    this.#snapshots.changed();
  }

  /** An administrator has the metadata read again. */
  reload(): void {
    this.#resourceVersion += 1;
    this.#snapshots.changed();
  }

  /** The catalog says that the target cannot be read. */
  setUnavailable(unavailable: boolean): void {
    this.#unavailable = unavailable;
    this.#snapshots.changed();
  }

  async status(): Promise<FeedStatus | undefined> {
    const query: Queryable['query'] = (asked) =>
      this.source.query(typeof asked === 'string' ? prepared(asked) : asked);
    return (await readCacheStatus({ query })).feeds.get('pg2');
  }

  async tableStatus(name: string): Promise<CacheTable | undefined> {
    return (await this.status())?.tables.find(({ table }) => table.name === name);
  }

  /** Waits until every wanted table is ready. */
  async ready(): Promise<void> {
    const names = this.#wanted.map(({ table }) => table.ref.name);
    const areReady = async (): Promise<boolean> => {
      const tables = (await this.status())?.tables ?? [];
      const ready = tables.filter(({ state }) => state.kind === 'ready').map(({ table }) => table.name);
      return names.every((name) => ready.includes(name));
    };
    await this.until(`${names.join()} to be ready`, areReady);
  }

  /** Waits until another copy of a table than the one that was is ready. */
  async copiedAgain(name: string, before: string | undefined): Promise<void> {
    const isReady = async (): Promise<boolean> => {
      const now = await this.tableStatus(name);
      return now?.relation !== before && now?.state.kind === 'ready';
    };
    await this.until('another copy', isReady);
  }

  /** Waits until everything committed on the target before is in the cache. */
  async caughtUp(): Promise<void> {
    const written = await insertPosition(this.target);
    await this.until('the watermark to pass what is committed', async () => {
      const newest = await this.source.query<{ passed: boolean | null }>(
        'select position >= $1::pg_lsn as passed from nearjoin.watermark order by seq desc limit 1',
        [written],
      );
      return newest.rows[0]?.passed === true;
    });
  }

  /** Fails with what was logged when it takes too long. */
  async until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    try {
      await poll(what, isSo);
    } catch (error) {
      const status = JSON.stringify(await this.status(), (_, value: unknown) =>
        typeof value === 'bigint' ? String(value) : value,
      );
      throw new Error(`${String(error)}\n${this.log.slice(-30).join('\n')}\n${status}`);
    }
  }

  /** The rows of a table on the target, and of its copy: text of every column, in the key's order. */
  async contents(
    name: string,
  ): Promise<{ readonly target: readonly string[]; readonly cache: readonly string[] }> {
    const cached = await this.tableStatus(name);
    if (cached?.state.kind !== 'ready') throw new Error(`${name} is not ready`);
    const columns = cached.columns.map((column) => `"${column.name}"`).join(', ');
    const read = async (database: TestDatabase, from: string): Promise<readonly string[]> => {
      const { rows } = await database.query<{ row: string }>(
        `select row_to_json(t)::text collate "C" as row from (select ${columns} from ${from}) t order by row`,
      );
      return rows.map(({ row }) => row);
    };
    const [target, cache] = await Promise.all([
      read(this.target, `"${name}"`),
      read(this.source, `nearjoin."${cached.relation}"`),
    ]);
    return { target, cache };
  }

  /** Ends every supervisor; the databases stay. */
  async stop(): Promise<void> {
    await Promise.all(this.#supervisors.map((each) => each.stop()));
  }

  async close(): Promise<void> {
    await this.stop();
    await Promise.all([this.source.drop(), this.target.drop()]);
  }

  #snapshot({ targetUrl, sourceUrl, kafka }: SupervisorSettings): SupervisedSnapshot {
    const unavailable = this.#unavailable ? 'down' : null;
    const sources = new Map([
      ['pg1', bareSource('pg1')],
      ['pg2', bareSource('pg2', { kafka: kafka?.feed ?? null, unavailable })],
    ]);
    const urls = new Map([
      ['pg1', sourceUrl ?? this.source.url],
      ['pg2', targetUrl ?? this.target.url],
    ]);
    const wanted = this.#unavailable ? [] : this.#wanted;
    return { catalog: { sources, wanted, resourceVersion: this.#resourceVersion }, urls };
  }
}
