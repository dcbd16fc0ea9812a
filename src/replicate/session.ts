import pg from 'pg';
import { type OwnSession, refuseSharedSession } from '../cache/own-session.ts';
import { clientConfig } from '../core/postgres/client-config.ts';
import { KEEP_ALIVE } from '../core/postgres/keep-alive.ts';
import { FIND_OPERATORS } from '../core/postgres/search-path.ts';
import { SESSION_FORM, settingsStatement } from '../core/postgres/session-form.ts';
import { afterAbort } from '../core/waiting/after-abort.ts';
import { orStopped } from '../core/waiting/or-stopped.ts';

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

const SETTINGS: readonly (readonly [name: string, value: string])[] = [
  ...SESSION_FORM,
  // a host that vanished must not hold locks for hours
  ['tcp_keepalives_idle', '5'],
  ['tcp_keepalives_interval', '2'],
  ['tcp_keepalives_count', '3'],
  // what role or database limit for all their sessions would end a long copy, or a session that waits
  ['statement_timeout', '0'],
  ['lock_timeout', '0'],
  ['idle_session_timeout', '0'],
  ['idle_in_transaction_session_timeout', '0'],
  ['transaction_timeout', '0'],
  // A standby that is away holds nothing up: what it gets is a beginning of one log, in which rows, position, leader and
  // all that is said of them are as they were at one moment. What a slot was told beyond that is noticed at the next start.
  ['synchronous_commit', 'local'],
];

/** For the connection to be made, and for it to be set up. */
const SET_UP_MS = 10_000;

/** The name of every session a leader opens on the source. */
export function applicationName(leader: string): string {
  return `nearjoin feed ${leader}`;
}

/** One connection to a source database, closed without waiting for anything. */
export class Session {
  readonly client: pg.Client;
  readonly #lost: Promise<Error>;
  #own: OwnSession = { pid: 0, isProxied: false };

  private constructor(client: pg.Client) {
    this.client = client;
    this.#lost = new Promise((resolve) => {
      client.on('error', resolve);
      client.on('end', () => resolve(new Error('the connection to the source database ended')));
    });
  }

  /** The signal cuts it while it is being made. */
  static async open(options: SessionOptions, signal: AbortSignal): Promise<Session> {
    const config = {
      ...clientConfig(options.url),
      application_name: options.applicationName,
      connectionTimeoutMillis: SET_UP_MS,
      ...KEEP_ALIVE,
      pipeline: options.pipeline ?? false,
      ...(options.answerWithinMs === undefined ? {} : { query_timeout: options.answerWithinMs }),
    };
    const client = new pg.Client(config);
    const session = new Session(client);
    const late = setTimeout(() => destroySocket(client, tooLate()), SET_UP_MS * 2);
    try {
      await orStopped(session.#setUp(options), signal);
      return session;
    } catch (error) {
      destroySocket(client);
      throw error;
    } finally {
      clearTimeout(late);
    }
  }

  async #setUp({ url, settings = {} }: SessionOptions): Promise<void> {
    await this.client.connect();
    this.#own = await refuseSharedSession(this.client, url);
    // Not as options of the connection, where those of its string would stand in for them.
    const all = settingsStatement([...SETTINGS, ...Object.entries(settings)]);
    await this.client.query(`${all}; ${FIND_OPERATORS}`);
  }

  /** The server process that it has. */
  get pid(): number {
    return this.#own.pid;
  }

  /** Resolves with the reason when the connection is gone. */
  get lost(): Promise<Error> {
    return this.#lost;
  }

  /**
   * Cuts the connection so long after the signal, should it still be there. What was sent is mostly answered by then; a
   * statement that waits, for a lock or for a server that has gone silent, is not waited for.
   */
  cutAfter(signal: AbortSignal, ms: number): void {
    const callOff = afterAbort(signal, ms, () => destroySocket(this.client));
    void this.#lost.then(callOff);
  }

  /** Ends the connection; a statement still running is left to the server, whose socket is gone then. */
  async close(): Promise<void> {
    const forced = setTimeout(() => destroySocket(this.client), 1_000);
    try {
      // The next client of a proxy that keeps the server's session must not find locks and settings of ours in it.
      if (this.#own.isProxied) await this.client.query('discard all');
      await this.client.end();
    } catch {
      destroySocket(this.client); // it was broken already: nothing is left to end
    } finally {
      clearTimeout(forced);
    }
  }
}

/** Does the work over a session of its own, which the signal cuts. */
export async function withSession<T>(
  options: SessionOptions,
  signal: AbortSignal,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const session = await Session.open(options, signal);
  session.cutAfter(signal, 0);
  try {
    return await work(session.client);
  } finally {
    await session.close();
  }
}

/** What a source database answers over a session of its own, which must not take long. */
export function askSource<T>(
  url: string,
  ask: (client: pg.Client) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const options = { url, applicationName: 'nearjoin supervisor', answerWithinMs: 10_000 };
  return withSession(options, signal, ask);
}

function destroySocket(client: pg.Client, reason?: Error): void {
  const { connection } = client as pg.Client & { connection?: { stream?: { destroy(why?: Error): void } } };
  connection?.stream?.destroy(reason);
}

function tooLate(): Error {
  return new Error('the source database did not answer in time');
}
