import type { PostgresServer } from '../../src/embedded/server.ts';
import { eventually, type Nearjoin, startNearjoin } from '../support/nearjoin.ts';
import { poll } from '../support/poll.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { makePlayground, type Playground } from '../support/processes.ts';
import { type Proxy, startProxy } from '../support/proxy.ts';
import { startTarget } from '../support/servers.ts';
import { ACCOUNTS, QUERY } from './model.ts';
import { Target } from './target.ts';

/** A target server of its own, behind a proxy; two nodes that answer, two that replicate, one process doing both. */
export class World {
  readonly source: TestDatabase;
  readonly target: Target;
  readonly proxy: Proxy;
  readonly #meta: TestDatabase;
  readonly #playground: Playground;
  #server: PostgresServer;
  /** Answers only; lives to the end. */
  readonly api: Nearjoin;
  /** Answers and replicates; may be killed. */
  both: Nearjoin;
  /** Replicates only; may be killed. */
  replicator: Nearjoin;

  private constructor(parts: {
    source: TestDatabase;
    meta: TestDatabase;
    playground: Playground;
    server: PostgresServer;
    proxy: Proxy;
    nodes: readonly [Nearjoin, Nearjoin, Nearjoin];
  }) {
    this.source = parts.source;
    this.#meta = parts.meta;
    this.#playground = parts.playground;
    this.#server = parts.server;
    this.proxy = parts.proxy;
    this.target = new Target(parts.server.url('postgres'));
    [this.api, this.both, this.replicator] = parts.nodes;
  }

  /** What processes that were killed have logged of their streams. */
  readonly #told: string[] = [];
  readonly #starting = new Map<'both' | 'replicator', Promise<void>>();

  static async open(): Promise<World> {
    const playground = makePlayground();
    const [server, source, meta] = await Promise.all([
      startTarget({ directory: `${playground.path}/target` }),
      createDatabase('source', [
        'create table viewer (id int primary key)',
        `insert into viewer select generate_series(0, ${ACCOUNTS - 1})`,
      ]),
      createDatabase('source'),
    ]);
    await new Target(server.url('postgres')).setUp();
    const proxy = await startProxy(server);
    const node = (roles: string): Promise<Nearjoin> => startNode(meta, roles);
    const nodes = [await node('api'), await node(ROLES.both), await node(ROLES.replicator)] as const;
    const world = new World({ source, meta, playground, server, proxy, nodes });
    try {
      await world.cacheAllBut(null);
      await world.target.readLog();
      await world.settled();
    } catch (error) {
      // Nobody else has it to close: its processes would stay.
      await world.close();
      throw error;
    }
    return world;
  }

  /** Waits until the feed streams and every table is ready. */
  async settled(): Promise<void> {
    await Promise.all(this.#starting.values());
    await eventually(async () => {
      const { body } = await this.api.get('/v1/replication');
      const [feed] = body.feeds;
      const isReady =
        feed?.tables.length === 4 && feed.tables.every((each: { state: string }) => each.state === 'ready');
      if (feed?.state !== 'streaming' || !isReady) throw new Error(JSON.stringify(body));
      return true;
    });
  }

  /** Waits until the feed's stream is one that brings large transactions before they commit. */
  async streamsEarly(): Promise<void> {
    await poll(
      'a stream with transactions that go on',
      () => {
        const newest = [this.both, this.replicator].map(({ log }) => log.findLast(isStreaming));
        return newest.some((line) => line?.includes('"early":true'));
      },
      60_000,
    );
  }

  /** How many streams brought large transactions before they committed, of how many. */
  get streams(): string {
    const lines = [
      ...this.#told,
      ...[this.both, this.replicator].flatMap(({ log }) => log.filter(isStreaming)),
    ];
    return `${lines.filter((line) => line.includes('"early":true')).length} of ${lines.length}`;
  }

  readonly query: string = QUERY;

  /** The product's own comparison of cache and target. */
  async verify(): Promise<readonly object[]> {
    const asked = await this.api.post('/v1/replication/pg2/verify', {});
    const { id } = asked.body.verifications[0];
    return eventually(async () => {
      const { body } = await this.api.get(`/v1/replication/pg2/verify?id=${id}`);
      const [found] = body.verifications;
      return found.state === 'done' ? found.tables : undefined;
    });
  }

  /** Kills a process at once; another takes its place when it is up, while other things go wrong. */
  async kill(which: 'both' | 'replicator'): Promise<void> {
    if (this.#starting.has(which)) return;
    await this[which].kill();
    this.#told.push(...this[which].log.filter(isStreaming));
    const starting = startNode(this.#meta, ROLES[which]).then((node) => {
      this[which] = node;
      this.#starting.delete(which);
    });
    starting.catch(() => undefined); // seen by whoever waits for it
    this.#starting.set(which, starting);
  }

  /** Has the metadata say so; it is refused while a database does not answer. */
  async cacheAllBut(table: string | null): Promise<void> {
    const urls = [this.source.url, this.proxy.through(this.#server.url('postgres'))] as const;
    await eventually(async () => {
      const replaced = await this.api.metadata('replace_metadata', metadataOf(urls, table));
      if (replaced.status !== 200) throw new Error(replaced.text);
      return true;
    });
  }

  /** As for an update of its software. */
  async restartTarget(): Promise<void> {
    const { port } = this.#server;
    await this.#server.stop();
    this.#server = await startTarget({ directory: `${this.#playground.path}/target`, port });
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#starting.values());
    await Promise.all([this.api, this.both, this.replicator].map((node) => node.stop()));
    await this.proxy.close();
    await this.#server.stop();
    await Promise.all([this.source.drop(), this.#meta.drop()]);
    this.#playground.remove();
  }
}

const EARLY_AT_ONCE = new URL('early-at-once.mjs', import.meta.url);

const ROLES = { both: 'api,replicator', replicator: 'replicator' } as const;

function isStreaming(line: string): boolean {
  return line.includes('"msg":"streaming"');
}

function startNode(meta: TestDatabase, roles: string): Promise<Nearjoin> {
  return startNearjoin({
    NEARJOIN_METADATA_DATABASE_URL: meta.url,
    NEARJOIN_ROLES: roles,
    NODE_OPTIONS: `--import=${EARLY_AT_ONCE.href}`,
    NEARJOIN_PROBE_INTERVAL_MS: '30',
    NEARJOIN_WAIT_TIMEOUT_MS: '1500',
  });
}

function metadataOf([sourceUrl, targetUrl]: readonly [string, string], uncached: string | null): unknown {
  const source = (name: string, url: string, tables: readonly unknown[]) => ({
    name,
    kind: 'postgres',
    configuration: { connection_info: { database_url: url } },
    tables,
  });
  const remote = (name: string, table: string, type: 'object' | 'array', column: string) => ({
    name,
    definition: {
      to_source: {
        relationship_type: type,
        source: 'pg2',
        table: { schema: 'public', name: table },
        field_mapping: { id: column },
        nearjoin: { cache: table !== uncached },
      },
    },
  });
  const relationships = [
    remote('account', 'account', 'object', 'id'),
    remote('mirror', 'mirror', 'object', 'id'),
    remote('events', 'event', 'array', 'account_id'),
    remote('flood', 'flood', 'array', 'account_id'),
  ];
  const named = (name: string): object => ({ table: { schema: 'public', name } });
  return {
    version: 3,
    sources: [
      source('pg1', sourceUrl, [{ ...named('viewer'), remote_relationships: relationships }]),
      source('pg2', targetUrl, ['account', 'mirror', 'event', 'flood'].map(named)),
    ],
  };
}
