import pg from 'pg';
import { messageOf, NearjoinError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { MetadataIdentity } from '../core/metadata-identity.ts';
import { endingWithLogIn } from '../core/postgres/failed-log-in.ts';
import { MadeClients } from '../core/postgres/made-clients.ts';
import { CATALOG_SESSION } from '../core/postgres/session-form.ts';
import { INSUFFICIENT_PRIVILEGE, sqlStateOf } from '../core/postgres/sql-state.ts';
import { LEAVE_MS } from '../core/waiting/after-abort.ts';
import { systemClock } from '../core/waiting/clock.ts';
import { forLibrary } from './connection-url.ts';
import { DocumentReader } from './document/parse.ts';
import type { Metadata } from './model.ts';
import { conflictError, outOfReach, storeFailure, unconfirmed } from './store/failure.ts';
import { settleIdentity } from './store/identity.ts';
import { migrateMetadata } from './store/migrate.ts';
import { StoredReadingNotes } from './store/reading-notes.ts';
import { StoredSlotBook } from './store/slot-book.ts';
import { watchVersions } from './store/version-watch.ts';

/** The metadata with the version it was stored under. */
export interface StoredMetadata {
  readonly metadata: Metadata;
  readonly resourceVersion: number;
}

/** What the stock CLI and console keep on the server for themselves. */
export interface CatalogState {
  readonly id: string;
  readonly cli_state: unknown;
  readonly console_state: unknown;
}

/** Where the metadata lives, and whom to tell when it cannot be reached. */
export interface StoreOptions {
  readonly url: string;
  readonly log: Pick<Log, 'warn'>;
  /** How long an answer is waited for. */
  readonly answerWithinMs?: number;
}

const ANSWER_WITHIN_MS = 30_000;
/** A connection that fell silent is told by this before long, so that what was taken from a role is not read on meanwhile. */
const VERSION_WITHIN_MS = 5_000;
/** Notes do not wait for a synchronous standby, so that nodes can start while it is away. Changes of metadata wait as the server is set to. */
const NOTES_SESSION = `${CATALOG_SESSION}; set synchronous_commit = local`;
const AS_SET = `set_config('synchronous_commit', (select reset_val from pg_settings where name = 'synchronous_commit'), true)`;
const STANDBY_AWAITED = `select exists (
  select from pg_stat_activity where datname = current_database() and application_name = current_setting('application_name')
    and wait_event = 'SyncRep') as awaited`;
const RIGHTS =
  'its role must be able to make the schema nearjoin_metadata, and to own it ("grant create on database … to …")';

/** Connects to the metadata database and brings its schema up to date. */
export async function openMetadataStore(given: StoreOptions): Promise<MetadataStore> {
  try {
    const options = { ...given, url: forLibrary(given.url) };
    const clients = new MadeClients<pg.Client>();
    const pool = openPool(options, clients);
    return new MetadataStore({ pool, clients }, options, await migrate(pool, given.log));
  } catch (error) {
    if (error instanceof NearjoinError) throw error;
    // The cause is left out: a malformed URL travels inside the error it makes, password and all.
    const denied = sqlStateOf(error) === INSUFFICIENT_PRIVILEGE ? `: ${RIGHTS}` : '';
    throw new NearjoinError(
      'start-failed',
      `cannot open the metadata database: ${messageOf(error)}${denied}`,
    );
  }
}

function openPool({ url, log, answerWithinMs }: StoreOptions, clients: MadeClients<pg.Client>): pg.Pool {
  const pool = new pg.Pool({
    Client: endingWithLogIn(pg.Client, (made) => clients.add(made)),
    connectionString: url,
    application_name: 'nearjoin metadata',
    max: 4,
    connectionTimeoutMillis: 10_000,
    query_timeout: answerWithinMs ?? ANSWER_WITHIN_MS,
    verify: (client, done) => void client.query(NOTES_SESSION).then(() => done(), done),
  });
  pool.on('error', (error) => log.warn({ reason: messageOf(error) }, 'metadata connection lost'));
  return pool;
}

const COPIED =
  'the metadata database is a copy of another one, or was moved: it has an id of its own now, and leaves the slots that were noted in it alone';

/** Brings the schema up to date; returns which metadata database it is. */
async function migrate(pool: pg.Pool, log: Pick<Log, 'warn'>): Promise<MetadataIdentity> {
  try {
    const client = await pool.connect();
    try {
      await migrateMetadata(client);
      const { copied, ...identity } = await settleIdentity(client);
      if (copied !== null) log.warn({ ...identity, ...copied }, COPIED);
      return identity;
    } finally {
      client.release();
    }
  } catch (error) {
    await pool.end();
    throw error;
  }
}

/** The library's types lack what it takes. */
type TimedQuery = pg.QueryConfig & Pick<pg.ClientConfig, 'query_timeout'>;

interface Sessions {
  readonly pool: pg.Pool;
  readonly clients: MadeClients<pg.Client>;
}

/** Where metadata outlives the process; shared by all nodes. Made by `openMetadataStore`. */
export class MetadataStore {
  readonly #pool: pg.Pool;
  readonly #clients: Sessions['clients'];
  readonly #options: StoreOptions;
  readonly #closed = new AbortController();
  readonly #documents = new DocumentReader();
  #lastTurn: Promise<unknown> = Promise.resolve();
  /** Tells this metadata database from every other one, also from one that it was copied from by its contents. */
  readonly installation: MetadataIdentity;
  /** The replication slots there are. */
  readonly slots: StoredSlotBook;
  /** What databases last said of themselves. */
  readonly readings: StoredReadingNotes;

  constructor({ pool, clients }: Sessions, options: StoreOptions, installation: MetadataIdentity) {
    this.installation = installation;
    this.#pool = pool;
    this.#clients = clients;
    this.#options = options;
    this.slots = new StoredSlotBook(pool);
    this.readings = new StoredReadingNotes(pool);
  }

  /** Runs changes one after the other, so that only other processes can save between a load and a save of this one. */
  inTurn<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#lastTurn.then(change, change);
    this.#lastTurn = turn;
    return turn;
  }

  async #query<Row extends pg.QueryResultRow>(
    query: TimedQuery,
    failureOf: (error: unknown) => unknown = storeFailure,
  ): Promise<pg.QueryResult<Row>> {
    const client = await this.#pool.connect().catch((error: unknown) => {
      throw outOfReach(error);
    });
    try {
      const result = await client.query<Row>(query);
      client.release();
      return result;
    } catch (error) {
      client.release(true);
      throw await failureOf(error);
    }
  }

  async #change(text: string, values: readonly unknown[]): Promise<pg.QueryResult> {
    return this.#query({ text, values: [...values] }, async (error) => {
      const isAnswered = sqlStateOf(error) !== null;
      return !isAnswered && (await this.#isStandbyAwaited()) ? unconfirmed() : storeFailure(error);
    });
  }

  async #isStandbyAwaited(): Promise<boolean> {
    const asked = this.#pool.query<{ awaited: boolean }>(STANDBY_AWAITED);
    return await asked.then(
      ({ rows }) => rows[0]?.awaited === true,
      () => false,
    );
  }

  async load(): Promise<StoredMetadata> {
    const found = await this.#query<{ document: string; resource_version: string }>({
      text: 'select document::text as document, resource_version from nearjoin_metadata.metadata',
    });
    const row = found.rows[0];
    if (row === undefined)
      throw new NearjoinError('unexpected', 'the metadata database holds no metadata row');
    return {
      metadata: this.#documents.read(row.document),
      resourceVersion: Number(row.resource_version),
    };
  }

  /** Stores a new document if the stored version is still the expected one; else refuses with code `conflict`. */
  async save(metadata: Metadata, expectedVersion: number): Promise<void> {
    // One statement, so the notice is sent if and only if the row moved.
    const { rowCount } = await this.#change(
      `with saved as (
         update nearjoin_metadata.metadata
         set document = $1::json, resource_version = resource_version + 1
         where resource_version = $2
         returning resource_version
       )
       select pg_notify('nearjoin_metadata', resource_version::text), ${AS_SET} from saved`,
      [JSON.stringify(metadata), expectedVersion],
    );
    if (rowCount === 0) throw await this.#conflict(expectedVersion);
  }

  async #conflict(expectedVersion: number): Promise<NearjoinError> {
    const current = (await this.load()).resourceVersion;
    return conflictError(expectedVersion, current);
  }

  /** The current version first, then each other one within a second of its saving, whoever saved it or put it back. */
  listen(signal: AbortSignal): AsyncIterable<number> {
    return watchVersions({
      url: this.#options.url,
      log: this.#options.log,
      clock: systemClock,
      signal: AbortSignal.any([signal, this.#closed.signal]),
      readVersion: () => this.#readVersion(),
    });
  }

  async #readVersion(): Promise<number> {
    const found = await this.#query<{ resource_version: string }>({
      text: 'select resource_version from nearjoin_metadata.metadata',
      query_timeout: VERSION_WITHIN_MS,
    });
    return Number(found.rows[0]?.resource_version ?? 0);
  }

  async catalogState(): Promise<CatalogState> {
    const found = await this.#query<CatalogState>({
      text: 'select id, cli_state, console_state from nearjoin_metadata.catalog_state',
    });
    const row = found.rows[0];
    if (row === undefined)
      throw new NearjoinError('unexpected', 'the metadata database holds no catalog state');
    return row;
  }

  async setCatalogState(type: 'cli' | 'console', state: unknown): Promise<void> {
    const column = type === 'cli' ? 'cli_state' : 'console_state';
    const update = `update nearjoin_metadata.catalog_state set ${column} = $1::json returning ${AS_SET}`;
    await this.#change(update, [JSON.stringify(state ?? {})]);
  }

  /** What is under way may take a moment to end. */
  async close(): Promise<void> {
    this.#closed.abort();
    const late = setTimeout(() => this.#clients.cut(), LEAVE_MS);
    await this.#pool.end().finally(() => clearTimeout(late));
  }
}
