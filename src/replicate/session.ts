import pg from 'pg';
import { FIND_OPERATORS } from '../cache/search-path.ts';
import { TEXT_FORM } from '../core/text-form.ts';

/** How one connection to a source database is set up. */
export interface SessionOptions {
  readonly url: string;
  /** Shown in pg_stat_activity; a successor ends what a silent leader left by it. */
  readonly applicationName: string;
  /** Statements may go out before the ones before are answered. */
  readonly pipeline?: boolean;
  readonly settings?: Readonly<Record<string, string>>;
  /** Client-side limit on one statement's answer. */
  readonly answerWithinMs?: number;
}

const SETTINGS = {
  ...Object.fromEntries(TEXT_FORM),
  jit: 'off',
  default_transaction_isolation: 'read committed',
  // a host that vanished must not hold locks for hours
  tcp_keepalives_idle: '5',
  tcp_keepalives_interval: '2',
  tcp_keepalives_count: '3',
};

/** What role or database limit for all their sessions would end a long copy, or a session that waits; not every version has all of it. */
const NO_LIMITS = `
  select set_config(name, '0', false) from pg_settings
  where name in ('statement_timeout', 'lock_timeout', 'idle_session_timeout', 'idle_in_transaction_session_timeout',
    'transaction_timeout') and name <> all ($1)`;

/** One connection to a source database, closed without waiting for anything. */
export class Session {
  readonly client: pg.Client;
  readonly #lost: Promise<Error>;

  private constructor(client: pg.Client) {
    this.client = client;
    this.#lost = new Promise((resolve) => {
      client.on('error', resolve);
      client.on('end', () => resolve(new Error('the connection to the source database ended')));
    });
  }

  static async open(options: SessionOptions): Promise<Session> {
    const settings = { ...SETTINGS, ...options.settings };
    const config = {
      connectionString: options.url,
      application_name: options.applicationName,
      connectionTimeoutMillis: 10_000,
      keepAlive: true,
      pipeline: options.pipeline ?? false,
      options: Object.entries(settings)
        .map(([name, value]) => `-c ${name}=${value.replace(/([\\ ])/g, '\\$1')}`)
        .join(' '),
      ...(options.answerWithinMs === undefined ? {} : { query_timeout: options.answerWithinMs }),
    };
    const client = new pg.Client(config);
    const session = new Session(client);
    await client.connect();
    await client.query(FIND_OPERATORS);
    await client.query(NO_LIMITS, [Object.keys(settings)]);
    return session;
  }

  /** Resolves with the reason when the connection is gone. */
  get lost(): Promise<Error> {
    return this.#lost;
  }

  /** Ends the connection; a statement still running is left to the server, whose socket is gone then. */
  async close(): Promise<void> {
    const forced = setTimeout(() => destroySocket(this.client), 1_000);
    try {
      await this.client.end();
    } catch {
      destroySocket(this.client); // it was broken already: nothing is left to end
    } finally {
      clearTimeout(forced);
    }
  }
}

function destroySocket(client: pg.Client): void {
  const { connection } = client as pg.Client & { connection?: { stream?: { destroy(): void } } };
  connection?.stream?.destroy();
}
