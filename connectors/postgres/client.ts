import { Client, Pool, type QueryResultRow } from 'pg';
import { ConnectorError } from '../connector.ts';
import { toConnectorError } from './failure.ts';
import { APPLICATION_NAME, sessionSettings, type Target } from './settings.ts';

/** After this many idle milliseconds the kernel starts asking whether the other side is still there. */
export const KEEP_ALIVE_MS = 5_000;

/** Ordinary connections to a target, for short statements only. */
export class AdminPool {
  readonly #pool: Pool;
  readonly #clients = new Set<object>();

  constructor(target: Target) {
    this.#pool = new Pool({
      connectionString: target.url,
      application_name: APPLICATION_NAME,
      max: 3,
      idleTimeoutMillis: 30_000,
      allowExitOnIdle: true,
      connectionTimeoutMillis: target.timings.connectMs,
      query_timeout: target.timings.statementMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    });
    // An idle connection that breaks is replaced by the next use, which reports what is still wrong then.
    this.#pool.on('connect', (client) => {
      this.#clients.add(client);
      // The pool listens to idle clients only. One in use may be ended by the target, or by close(): its statement
      // fails then, and without a listener the process would end too.
      client.on('error', () => undefined);
    });
    this.#pool.on('remove', (client) => this.#clients.delete(client));
    this.#pool.on('error', (error) => target.log.info({ err: error }, 'idle connection to the target lost'));
  }

  /** The rows of one statement; throws a ConnectorError. */
  async rows<T extends QueryResultRow>(sql: string, values: readonly unknown[] = []): Promise<T[]> {
    try {
      const result = await this.#pool.query<T>(sql, [...values]);
      return result.rows;
    } catch (error) {
      throw toConnectorError(error, 'administer');
    }
  }

  /** The only row of a statement that always has one. */
  async row<T extends QueryResultRow>(sql: string, values: readonly unknown[] = []): Promise<T> {
    const [row] = await this.rows<T>(sql, values);
    if (row === undefined) throw new ConnectorError('retry', 'the target answered without a row');
    return row;
  }

  /** Runs the statements in one transaction. */
  async transaction(statements: readonly string[]): Promise<void> {
    const client = await this.#pool.connect().catch((error: unknown) => {
      throw toConnectorError(error, 'connect');
    });
    try {
      await client.query('begin');
      for (const statement of statements) await client.query(statement);
      await client.query('commit');
      client.release();
    } catch (error) {
      // A connection thrown away takes its transaction with it.
      client.release(true);
      throw toConnectorError(error, 'administer');
    }
  }

  /** Cuts every connection, also one whose statement is never answered. */
  async close(): Promise<void> {
    if (this.#pool.ending) return;
    for (const client of this.#clients) if (client instanceof Client) client.connection.stream.destroy();
    await this.#pool.end();
  }
}

/** A connection of its own with our session settings; the signal cuts it whatever it is doing. */
export class OwnClient {
  readonly client: Client;
  readonly #signal: AbortSignal;
  readonly #cut: () => void;

  private constructor(client: Client, signal: AbortSignal) {
    this.client = client;
    this.#signal = signal;
    this.#cut = () => this.destroy();
    signal.addEventListener('abort', this.#cut);
  }

  /** Connects; `replication` makes it a walsender, which takes replication commands too. */
  static async open(target: Target, signal: AbortSignal, replication = false): Promise<OwnClient> {
    if (signal.aborted) throw new ConnectorError('retry', 'stopped before the connection was made');
    const config = {
      connectionString: target.url,
      application_name: APPLICATION_NAME,
      connectionTimeoutMillis: target.timings.connectMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    };
    const own = new OwnClient(OwnClient.#client(config, replication), signal);
    // Whoever waits for a statement learns of it; without a listener it would end the process.
    own.client.on('error', () => own.destroy());
    try {
      await own.client.connect();
      await own.client.query(sessionSettings({ lock_timeout: String(target.timings.lockMs) }));
      return own;
    } catch (error) {
      own.destroy();
      throw toConnectorError(error, 'connect');
    }
  }

  static #client(config: object, replication: boolean): Client {
    try {
      return new Client(replication ? { ...config, replication: 'database' } : config);
    } catch (error) {
      throw toConnectorError(error, 'connect');
    }
  }

  /** Cuts the connection at once; nothing is sent. */
  destroy(): void {
    this.#signal.removeEventListener('abort', this.#cut);
    this.client.connection.stream.destroy();
  }
}

/** The work's outcome, or a ConnectorError as soon as the signal aborts; work that goes on must see to itself. */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop: () => void = () => undefined;
  const stopped = new Promise<never>((_resolve, reject) => {
    stop = () => reject(new ConnectorError('retry', 'stopped before it was done'));
  });
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  try {
    return await Promise.race([work, stopped]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
