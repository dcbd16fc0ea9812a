import { NearjoinError } from '../core/errors.ts';
import type { SourceName } from '../core/names.ts';
import type { ReadSettings } from './settings.ts';
import { type PoolOptions, WirePool } from './wire/pool.ts';

/** Where databases are, as the catalog says at this moment. */
export interface UrlBook {
  current(): { readonly urls: ReadonlyMap<SourceName, string> };
}

interface Entry {
  readonly url: string;
  readonly pool: WirePool;
  /** Sessions for reading as a target: apart, so that two databases that read from each other never wait in a ring. */
  readonly asTarget: WirePool;
}

/** Sessions of every database, opened when first needed and dropped when the database's URL changes. */
export class Databases {
  readonly #book: UrlBook;
  readonly #settings: ReadSettings;
  readonly #entries = new Map<SourceName, Entry>();

  constructor(book: UrlBook, settings: ReadSettings) {
    this.#book = book;
    this.#settings = settings;
  }

  /** The pool of a database that root fields are read from. */
  source(name: SourceName): WirePool {
    return this.#entry(name, 'source-unavailable').pool;
  }

  /** The pool of a database that remote rows are fetched from. */
  target(name: SourceName): WirePool {
    return this.#entry(name, 'target-unavailable').asTarget;
  }

  /** The URL of a database, for connections that are not ours to pool. */
  url(name: SourceName): string | undefined {
    return this.#book.current().urls.get(name);
  }

  async close(): Promise<void> {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    await Promise.all(entries.map(closeEntry));
  }

  #entry(name: SourceName, code: 'source-unavailable' | 'target-unavailable'): Entry {
    const url = this.url(name);
    const known = this.#entries.get(name);
    if (known !== undefined && known.url === url) return known;
    if (known !== undefined) {
      this.#entries.delete(name);
      void closeEntry(known);
    }
    if (url === undefined) throw new NearjoinError(code, `database "${name}" is not available`);
    const options = poolOptions(url, this.#settings);
    const entry = {
      url,
      pool: new WirePool(options),
      asTarget: new WirePool({ ...options, size: this.#settings.livePoolSize }),
    };
    this.#entries.set(name, entry);
    return entry;
  }
}

async function closeEntry(entry: Entry): Promise<void> {
  await Promise.all([entry.pool.close(), entry.asTarget.close()]);
}

function poolOptions(url: string, settings: ReadSettings): PoolOptions {
  return {
    url,
    size: settings.poolSize,
    leases: settings.livePoolSize,
    leaseTimeoutMs: settings.connectTimeoutMs,
    connectTimeoutMs: settings.connectTimeoutMs,
    statementTimeoutMs: settings.statementTimeoutMs,
    rowLimit: settings.resultLimitBytes,
    statementLimit: settings.preparedStatements,
  };
}
