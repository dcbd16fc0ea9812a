import { Client, type ClientConfig, Pool, type PoolClient } from 'pg';
import { messageOf } from '../../src/core/errors.ts';
import { clientConfig } from '../../src/core/postgres/client-config.ts';
import { endingWithLogIn } from '../../src/core/postgres/failed-log-in.ts';
import { KEEP_ALIVE } from '../../src/core/postgres/keep-alive.ts';
import { MadeClients } from '../../src/core/postgres/made-clients.ts';
import { statementResults } from '../../src/core/postgres/statement-results.ts';
import { orStopped } from '../../src/core/waiting/or-stopped.ts';
import type { StopSignal } from '../../src/core/waiting/stop-signal.ts';
import { ConnectorError } from '../connector.ts';
import { type Doing, toConnectorError } from './failure.ts';
import { APPLICATION_NAME, sessionSettings, type Target } from './settings.ts';

/** How every connection to a target is made. */
export function connectionTo({ url, timings }: Target, applicationName: string): ClientConfig {
  return {
    ...clientConfig(url),
    application_name: applicationName,
    connectionTimeoutMillis: timings.connectMs,
    ...KEEP_ALIVE,
  };
}

/** Runs one statement, or several that have no values, for the rows of all; a name makes it a prepared one, for statements that are run again and again. */
export type Query = <T extends object>(
  sql: string,
  values?: readonly unknown[],
  name?: string,
) => Promise<readonly T[]>;

/** Ordinary connections to a target, for short statements only. */
export class AdminPool {
  readonly target: Target;
  readonly #clients = new MadeClients<Client>();
  #pool: Pool;

  constructor(target: Target) {
    this.target = target;
    this.#pool = this.#open();
  }

  #open(): Pool {
    const { timings, log, name: slot } = this.target;
    const pool = new Pool({
      ...connectionTo(this.target, APPLICATION_NAME),
      Client: endingWithLogIn(Client, (made) => this.#clients.add(made)),
      max: 3,
      idleTimeoutMillis: 30_000,
      allowExitOnIdle: true,
      query_timeout: timings.statementMs,
      verify: (client, done) => void this.#greet(client).then(() => done(), done),
    });
    // An idle connection that breaks is replaced by the next use, which reports what is still wrong then.
    pool.on('error', (error) =>
      log.info({ slot, error: error.message }, 'idle connection to the target lost'),
    );
    return pool;
  }

  /** Limits that hold on the server too: a client that gives up does not end what it waits for. */
  async #greet(client: PoolClient): Promise<void> {
    const { timings, history } = this.target;
    const limits = { statement_timeout: String(timings.statementMs), lock_timeout: String(timings.lockMs) };
    await client.query(sessionSettings(limits));
    await history.check(client);
  }

  /** The rows of one statement; throws a ConnectorError. */
  async rows<T extends object>(sql: string, values: readonly unknown[] = [], name?: string): Promise<T[]> {
    try {
      return await rowsOf<T>(this.#pool, { sql, values, name });
    } catch (error) {
      throw toConnectorError(error, 'administer');
    }
  }

  /** Statements that all see the same moment; throws a ConnectorError. */
  snapshot<T>(work: (query: Query) => Promise<T>): Promise<T> {
    return this.#within('begin transaction isolation level repeatable read read only', work);
  }

  /** Runs the work in one transaction, rolled back when it throws; throws a ConnectorError. */
  transaction<T>(work: (query: Query) => Promise<T>): Promise<T> {
    return this.#within('begin', work);
  }

  async #within<T>(begin: string, work: (query: Query) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect().catch((error: unknown) => {
      throw toConnectorError(error, 'connect');
    });
    try {
      await client.query(begin);
      const result = await work((sql, values = [], name) => rowsOf(client, { sql, values, name }));
      await client.query('commit');
      client.release();
      return result;
    } catch (error) {
      // A connection thrown away takes its transaction with it.
      client.release(true);
      throw toConnectorError(error, 'administer');
    }
  }

  /** Leaves all connections behind: what is asked from now on is asked over new ones. There are none once they are cut. */
  renew(): void {
    const old = this.#pool;
    if (old.ending) return;
    this.#pool = this.#open();
    const { log, name: slot } = this.target;
    old
      .end()
      .catch((error: unknown) => log.info({ slot, error: messageOf(error) }, 'connections not closed'));
  }

  /** The only row of a statement that always has one. */
  async row<T extends object>(sql: string, values: readonly unknown[] = [], name?: string): Promise<T> {
    const [row] = await this.rows<T>(sql, values, name);
    if (row === undefined) throw new ConnectorError('retry', 'the target answered without a row');
    return row;
  }

  /** Commits a tiny transaction, so that the target's log is flushed past where it is now. */
  async forceFlush(): Promise<void> {
    // A role may be set to commit without flushing, which would defeat the purpose.
    await this.rows(
      `select set_config('synchronous_commit', 'local', true), pg_logical_emit_message(true, 'nearjoin', '')`,
    );
  }

  /** Cuts every connection, also one whose statement is never answered. */
  async close(): Promise<void> {
    if (this.#pool.ending) return;
    this.#clients.cut();
    await this.#pool.end();
  }
}

/** A connection of its own with our session settings; the signal cuts it whatever it is doing. */
export class OwnClient {
  readonly client: Client;
  readonly #signal: StopSignal;
  readonly #cut: () => void;

  private constructor(client: Client, signal: StopSignal) {
    this.client = client;
    this.#signal = signal;
    this.#cut = () => this.destroy();
    signal.addEventListener('abort', this.#cut);
  }

  /**
   * Connects; `replication` makes it a walsender, which takes replication commands too. It must lead to the server that
   * was identified, unless it is there to identify one.
   */
  static async open(
    target: Target,
    signal: StopSignal,
    { replication = false, identifies = false, applicationName = APPLICATION_NAME } = {},
  ): Promise<OwnClient> {
    if (signal.aborted) throw new ConnectorError('retry', 'stopped before the connection was made');
    const config = connectionTo(target, applicationName);
    const own = new OwnClient(OwnClient.#client(config, replication), signal);
    // Whoever waits for a statement learns of it; without a listener it would end the process.
    own.client.on('error', () => own.destroy());
    return await own.orCut('connect', async (client) => {
      await client.connect();
      await client.query(sessionSettings({ lock_timeout: String(target.timings.lockMs) }));
      if (!identifies) await target.history.check(client);
      return own;
    });
  }

  static #client(config: object, replication: boolean): Client {
    try {
      return new Client(replication ? { ...config, replication: 'database' } : config);
    } catch (error) {
      throw toConnectorError(error, 'connect');
    }
  }

  /** The work's outcome. When it fails the connection is cut, and the failure is a ConnectorError. */
  async orCut<T>(doing: Doing, work: (client: Client) => Promise<T>): Promise<T> {
    try {
      return await work(this.client);
    } catch (error) {
      this.destroy();
      throw toConnectorError(error, doing);
    }
  }

  /** Cuts the connection at once; nothing is sent. */
  destroy(): void {
    this.#signal.removeEventListener('abort', this.#cut);
    this.client.connection.stream.destroy();
  }
}

interface Statement {
  readonly sql: string;
  readonly values: readonly unknown[];
  readonly name: string | undefined;
}

async function rowsOf<T extends object>(
  client: Pool | PoolClient,
  { sql, values, name }: Statement,
): Promise<T[]> {
  const result = await client.query<T>({
    text: sql,
    values: [...values],
    ...(name === undefined ? {} : { name }),
  });
  return statementResults(result).flatMap(({ rows }) => rows);
}

/** The work's outcome, or a ConnectorError as soon as the signal aborts; work that goes on must see to itself. */
export function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return orStopped(work, signal, () => new ConnectorError('retry', 'stopped before it was done'));
}
