import { setMaxListeners } from 'node:events';
import pg from 'pg';
import type { CacheStatus } from '../cache/status/cache-table.ts';
import { readCacheStatus } from '../cache/status/status.ts';
import { messageOf } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { SourceName } from '../core/names.ts';
import type { SourceTime } from '../core/position/watermark.ts';
import { clientConfig } from '../core/postgres/client-config.ts';
import { endWithLogIn } from '../core/postgres/failed-log-in.ts';
import { CATALOG_SESSION } from '../core/postgres/session-form.ts';
import { systemClock } from '../core/waiting/clock.ts';
import { endClient } from '../core/waiting/end-client.ts';
import type { Databases } from './databases.ts';
import type { ReadSettings } from './settings.ts';

/** What is known of the caches in one source database. */
export interface KnownStatus {
  readonly status: CacheStatus;
  /** The source's clock now, carried forward from when the status was read. */
  readonly now: SourceTime;
}

interface Watch {
  status: CacheStatus | null;
  readAtMs: number;
  /** Settles when the first reading is there or has failed. */
  first: Promise<void>;
  refreshing: Promise<void> | null;
}

/** Keeps the state of every source database's caches, read a few times a second over a session of its own. */
export class StatusBoard {
  readonly #databases: Databases;
  readonly #settings: ReadSettings;
  readonly #log: Pick<Log, 'warn'>;
  readonly #closed = new AbortController();
  readonly #watches = new Map<SourceName, Watch>();
  readonly #loops = new Set<Promise<void>>();
  readonly #clients = new Map<SourceName, { readonly url: string; readonly client: pg.Client }>();

  constructor(databases: Databases, settings: ReadSettings, log: Pick<Log, 'warn'>) {
    this.#databases = databases;
    this.#settings = settings;
    this.#log = log;
    // Each source's loop listens to it, and there may be any number.
    setMaxListeners(0, this.#closed.signal);
  }

  /** The last reading, waiting for the first one; null while the source says nothing. */
  async known(source: SourceName): Promise<KnownStatus | null> {
    const watch = this.#watch(source);
    if (watch.status === null) await watch.first;
    return this.peek(source);
  }

  /** The last reading, without waiting. */
  peek(source: SourceName): KnownStatus | null {
    const watch = this.#watches.get(source);
    if (watch === undefined || watch.status === null) return null;
    const elapsedUs = (systemClock.monotonicMs() - watch.readAtMs) * 1000;
    return { status: watch.status, now: watch.status.now + elapsedUs };
  }

  /** Reads again now: what was chosen by the last reading has turned out to be gone. A source that nobody reads from is not followed. */
  async refresh(source: SourceName): Promise<void> {
    const watch = this.#watches.get(source);
    if (watch !== undefined) await this.#again(source, watch);
  }

  async #again(source: SourceName, watch: Watch): Promise<void> {
    watch.refreshing ??= this.#read(source, watch).finally(() => {
      watch.refreshing = null;
    });
    await watch.refreshing;
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await Promise.all(this.#loops);
    await Promise.all([...this.#clients.values()].map(({ client }) => endClient(client)));
    this.#clients.clear();
  }

  #watch(source: SourceName): Watch {
    const known = this.#watches.get(source);
    if (known !== undefined) return known;
    const watch: Watch = { status: null, readAtMs: 0, first: Promise.resolve(), refreshing: null };
    this.#watches.set(source, watch);
    watch.first = this.#again(source, watch);
    const loop = watch.first.then(() => this.#follow(source)).finally(() => this.#loops.delete(loop));
    this.#loops.add(loop);
    return watch;
  }

  async #follow(source: SourceName): Promise<void> {
    const { signal } = this.#closed;
    while (!signal.aborted && this.#databases.url(source) !== undefined) {
      await systemClock.delay(this.#settings.pollMs, signal);
      if (!signal.aborted) await this.refresh(source);
    }
    this.#watches.delete(source);
    await this.#drop(source);
  }

  async #read(source: SourceName, watch: Watch): Promise<void> {
    try {
      watch.status = await readCacheStatus(await this.#client(source));
      watch.readAtMs = systemClock.monotonicMs();
    } catch (error) {
      await this.#drop(source);
      // Once is enough for the log: the source's own requests report what is wrong with it.
      if (watch.status !== null) this.#log.warn({ source, error: messageOf(error) }, 'cache status not read');
      watch.status = null;
    }
  }

  async #client(source: SourceName): Promise<pg.Client> {
    const url = this.#databases.url(source);
    const known = this.#clients.get(source);
    if (known !== undefined && known.url === url) return known.client;
    await this.#drop(source);
    if (url === undefined) throw new Error('the source has no URL');
    const client = new pg.Client({
      ...clientConfig(url),
      connectionTimeoutMillis: this.#settings.connectTimeoutMs,
      query_timeout: this.#settings.connectTimeoutMs,
      application_name: 'nearjoin status',
    });
    client.on('error', () => void this.#drop(source));
    endWithLogIn(client);
    await client.connect();
    this.#clients.set(source, { url, client });
    await client.query(CATALOG_SESSION);
    return client;
  }

  async #drop(source: SourceName): Promise<void> {
    const known = this.#clients.get(source);
    this.#clients.delete(source);
    if (known !== undefined) await endClient(known.client);
  }
}
