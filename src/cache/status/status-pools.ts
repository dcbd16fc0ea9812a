import pg from 'pg';
import type { SourceName } from '../../core/names.ts';
import { clientConfig } from '../../core/postgres/client-config.ts';
import { endingWithLogIn } from '../../core/postgres/failed-log-in.ts';
import { CATALOG_SESSION } from '../../core/postgres/session-form.ts';
import type { Queryable } from '../queryable.ts';
import type { CacheStatus } from './cache-table.ts';
import { readCacheStatus } from './status.ts';

const CONNECT_TIMEOUT_MS = 3000;
const STATEMENT_TIMEOUT_MS = 5000;
// Not with the log-in, where a proxy takes few settings. What is asked of a feed waits for a standby no more than the feed does.
const SETTINGS = `${CATALOG_SESSION}; set statement_timeout = ${STATEMENT_TIMEOUT_MS}; set synchronous_commit = local`;

/** Small pools of their own for status and feed requests, so that a busy read lane never hides how it is doing. */
export class StatusPools {
  readonly #urls: () => ReadonlyMap<SourceName, string>;
  readonly #onError: (source: SourceName, error: Error) => void;
  readonly #pools: Map<SourceName, { readonly url: string; readonly pool: pg.Pool }> = new Map();

  constructor(
    urls: () => ReadonlyMap<SourceName, string>,
    onError: (source: SourceName, error: Error) => void,
  ) {
    this.#urls = urls;
    this.#onError = onError;
  }

  /** Every database the metadata names and whose URL is known. */
  get sources(): readonly SourceName[] {
    return [...this.#urls().keys()];
  }

  /** What one source database says of its feeds; throws when it does not answer in time. */
  status(source: SourceName): Promise<CacheStatus> {
    return readCacheStatus(this.client(source));
  }

  /** A client for one source database; a changed URL gets a new pool. */
  client(source: SourceName): Queryable {
    const url = this.#urls().get(source);
    if (url === undefined) throw new Error(`no connection URL for source "${source}"`);
    const known = this.#pools.get(source);
    if (known?.url === url) return known.pool;
    if (known !== undefined) this.#end(source, known.pool);
    const pool = this.#open(source, url);
    this.#pools.set(source, { url, pool });
    return pool;
  }

  async close(): Promise<void> {
    const pools = [...this.#pools.values()];
    this.#pools.clear();
    await Promise.all(pools.map(({ pool }) => pool.end()));
  }

  #open(source: SourceName, url: string): pg.Pool {
    const pool = new pg.Pool({
      Client: endingWithLogIn(pg.Client),
      ...clientConfig(url),
      application_name: 'nearjoin status',
      max: 1,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: STATEMENT_TIMEOUT_MS + 1000,
      idleTimeoutMillis: 30_000,
      allowExitOnIdle: true,
      verify: (client, done) => void client.query(SETTINGS).then(() => done(), done),
    });
    pool.on('error', (error) => this.#onError(source, error));
    return pool;
  }

  #end(source: SourceName, pool: pg.Pool): void {
    this.#pools.delete(source);
    pool.end().catch((error: Error) => this.#onError(source, error));
  }
}
