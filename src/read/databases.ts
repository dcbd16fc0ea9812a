import { extensionTypesText } from '../cache/known-types.ts';
import type { KnownTypes, Source } from '../catalog/catalog.ts';
import { NO_TYPES } from '../catalog/type/held-type.ts';
import { NearjoinError } from '../core/errors.ts';
import type { SourceName } from '../core/names.ts';
import type { DatabaseIdentity } from '../core/postgres/database-identity.ts';
import type { ReadSettings } from './settings.ts';
import { type PoolOptions, WirePool } from './wire/pool.ts';
import type { SpareBuffers } from './wire/spare-buffers.ts';

/** Where databases are and which types they have, as the catalog says at this moment. */
export interface DatabaseBook {
  current(): {
    readonly urls: ReadonlyMap<SourceName, string>;
    readonly catalog: {
      readonly sources: ReadonlyMap<SourceName, Pick<Source, 'types' | 'identity' | 'unavailable'>>;
    };
  };
}

interface Entry {
  readonly url: string;
  /** As they were when the sessions were set up; null where the database had not said. */
  readonly types: KnownTypes | null;
  readonly pool: WirePool;
  /** Sessions for reading as a target: apart, so that two databases that read from each other never wait in a ring. */
  readonly asTarget: WirePool;
}

/** Sessions of every database, opened when first needed and dropped when the database's URL changes, or its extensions do. */
export class Databases {
  readonly #book: DatabaseBook;
  readonly #settings: ReadSettings;
  readonly #buffers: SpareBuffers;
  readonly #entries = new Map<SourceName, Entry>();
  /** What sessions were last compared with. */
  #seen: ReturnType<DatabaseBook['current']> | null = null;

  constructor(book: DatabaseBook, settings: ReadSettings, buffers: SpareBuffers) {
    this.#book = book;
    this.#settings = settings;
    this.#buffers = buffers;
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
    return this.#current().urls.get(name);
  }

  /** Which database the metadata names; null while it has not said. */
  identity(name: SourceName): DatabaseIdentity | null {
    return this.#current().catalog.sources.get(name)?.identity ?? null;
  }

  /** The types that a database has; none while it has not said. */
  types(name: SourceName): KnownTypes {
    return this.#types(name) ?? NO_TYPES;
  }

  async close(): Promise<void> {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    await Promise.all(entries.flatMap(({ pool, asTarget }) => [pool.close(), asTarget.close()]));
  }

  #entry(name: SourceName, code: 'source-unavailable' | 'target-unavailable'): Entry {
    const url = this.url(name);
    const types = this.#types(name);
    const known = this.#entries.get(name);
    if (known !== undefined && known.url === url && isServedBy(known.types, types)) return known;
    if (known !== undefined) this.#retire(name, known);
    if (url === undefined) throw new NearjoinError(code, `database "${name}" is not available`);
    const options = this.#poolOptions(url);
    const entry = {
      url,
      types,
      pool: new WirePool({ ...options, loans: () => this.#settings.livePoolSize * this.#otherDatabases() }),
      asTarget: new WirePool({ ...options, size: this.#settings.livePoolSize, asksHistory: true }),
    };
    this.#entries.set(name, entry);
    return entry;
  }

  #poolOptions(url: string): PoolOptions {
    const settings = this.#settings;
    return {
      url,
      size: settings.poolSize,
      loans: () => settings.livePoolSize,
      loanTimeoutMs: settings.connectTimeoutMs,
      connectTimeoutMs: settings.connectTimeoutMs,
      silenceMs: settings.silenceMs,
      statementTimeoutMs: settings.statementTimeoutMs,
      rowLimit: settings.resultLimitBytes,
      buffers: this.#buffers,
      statementLimit: settings.preparedStatements,
      asksHistory: false,
    };
  }

  /** Each live answer holds a session of its targets: so many for each of those keep no other target from being read. */
  #otherDatabases(): number {
    return Math.max(1, this.#current().urls.size - 1);
  }

  /** The book as it is now. Sessions of a database that has left it end: somebody may want to drop that database. */
  #current(): ReturnType<DatabaseBook['current']> {
    const current = this.#book.current();
    if (current === this.#seen) return current;
    this.#seen = current;
    for (const [name, entry] of this.#entries) if (!current.urls.has(name)) this.#retire(name, entry);
    return current;
  }

  #retire(name: SourceName, { pool, asTarget }: Entry): void {
    this.#entries.delete(name);
    void Promise.all([pool.retire(), asTarget.retire()]);
  }

  #types(name: SourceName): KnownTypes | null {
    const source = this.#current().catalog.sources.get(name);
    return source === undefined || source.unavailable !== null ? null : source.types;
  }
}

/** Sessions find the operators of the extensions that there were when they were set up. */
function isServedBy(then: KnownTypes | null, now: KnownTypes | null): boolean {
  if (now === null || then === now) return true;
  return then !== null && extensionTypesText(then) === extensionTypesText(now);
}
