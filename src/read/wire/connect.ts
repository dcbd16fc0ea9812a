import net from 'node:net';
import type { Duplex } from 'node:stream';
import pg from 'pg';
import { refuseSharedSession } from '../../cache/own-session.ts';
import { must } from '../../core/assert.ts';
import { type HistoryName, historyName } from '../../core/position/token.ts';
import { clientConfig } from '../../core/postgres/client-config.ts';
import { KEEP_ALIVE } from '../../core/postgres/keep-alive.ts';
import { FIND_OPERATORS } from '../../core/postgres/search-path.ts';
import { SESSION_FORM, settingsStatement } from '../../core/postgres/session-form.ts';
import { endClient } from '../../core/waiting/end-client.ts';
import { WireConnection } from './connection.ts';
import { NotConnected } from './failure.ts';
import { FrugalSocket } from './frugal-socket.ts';
import type { RowMemory } from './incoming.ts';
import { KEEP_HEAP } from './keep-heap.ts';
import { encodeCancel } from './messages.ts';
import { isServed, SERVER_PROCESS, type ServerProcess } from './served.ts';
import type { SessionFacts, WireOptions } from './wire-options.ts';

/** How connections to one database are made. */
export interface ConnectOptions extends RowMemory {
  readonly url: string;
  readonly connectTimeoutMs: number;
  /** Of a session that is silent for so long the server is asked whether it works for it. */
  readonly silenceMs: number;
  readonly statementTimeoutMs: number;
  readonly statementLimit: number;
  /** Ask which history the server writes: positions are told of its answers. */
  readonly asksHistory: boolean;
}

/** What sessions of one pool have in common. */
export type PoolPart = Pick<WireOptions, 'onAnswered' | 'onUnserved' | 'cancels'>;

/** What `pg` keeps of a session, as far as we take it over. */
interface LoggedIn {
  readonly connection: { readonly stream: Duplex };
  readonly processID: number;
  readonly secretKey: number;
  readonly host: string;
  readonly port: number;
}

/**
 * Values are written the same way on every connection we read through, and plans are generic: with `auto` a limit
 * makes Postgres plan every single execution again. Nothing is written but by a transaction that says so: a native query
 * may call what it likes.
 */
const SETTINGS: readonly (readonly [string, string])[] = [
  ...SESSION_FORM,
  ['client_encoding', 'UTF8'],
  ['idle_session_timeout', '0'],
  // A live answer holds a transaction open in one database while another works; how long all may take is said by requests.
  ['idle_in_transaction_session_timeout', '0'],
  ['transaction_timeout', '0'],
  ['lock_timeout', '0'],
  ['plan_cache_mode', 'force_generic_plan'],
  ['default_transaction_read_only', 'on'],
  // What is written is temporary: no disk and no standby need be waited for.
  ['synchronous_commit', 'off'],
];

/**
 * What nobody has set is meant for spinning disks: with it the planner reads thousands of rows in the order of one index
 * and throws most away, where another index has just those that are asked for.
 */
const CHEAP_RANDOM_PAGES = `
  select set_config('random_page_cost', '1.1', false) from pg_settings where name = 'random_page_cost' and source = 'default'`;

/** Logs in with `pg` (TLS, SCRAM and the rest are its business), then takes the socket over. */
export async function connectWire(options: ConnectOptions, pool: PoolPart): Promise<WireConnection> {
  const client = new pg.Client({
    ...clientConfig(options.url),
    connectionTimeoutMillis: options.connectTimeoutMs,
    // Bounds the set-up of the session: a server that lets in and then falls silent would be waited for without end.
    query_timeout: options.connectTimeoutMs,
    ...KEEP_ALIVE,
    application_name: 'nearjoin',
    stream: plainSocket,
  });
  client.on('error', () => undefined);
  let facts: SessionFacts & { readonly process: ServerProcess };
  try {
    await client.connect();
    await refuseSharedSession(client, options.url);
    const told = await setUp(client, options.statementTimeoutMs);
    facts = { ...told, history: options.asksHistory ? await historyOf(client) : null };
  } catch (cause) {
    // Not waited for: its end may not get through either.
    void endClient(client);
    throw new NotConnected(cause);
  }
  return takeOver(client as unknown as LoggedIn, { ...options, ...facts, ...pool });
}

// A primary keeps its timeline for as long as it runs, so one look holds for all of a connection's life.
const HISTORY = `
  select system_identifier::text as system,
    case when not pg_is_in_recovery() then left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) end as timeline
  from pg_control_system()`;

/** A server that keeps it to itself, or a standby, can be read all the same. */
async function historyOf(client: pg.Client): Promise<HistoryName | null> {
  try {
    const { rows } = await client.query<{ system: string; timeline: string | null }>(HISTORY);
    const [row] = rows;
    if (row === undefined || row.timeline === null) return null;
    return historyName(row.system, Number.parseInt(row.timeline, 16));
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    // `pg` tells of an error before the server is ready again. Whoever takes the socket over would take that for the answer of
    // the first request, and each answer for that of the request behind it.
    await client.query('select');
    return null;
  }
}

/** TLS reads from the socket by itself, into buffers of its own. */
function plainSocket(connection?: { readonly ssl?: unknown }): net.Socket {
  return connection?.ssl ? new net.Socket() : new FrugalSocket();
}

// No temporary tables on a standby, in a read-only session, or without the right to them.
const MAKES_TEMPS = `
  select current_setting('transaction_read_only') = 'off' and has_database_privilege(current_database(), 'temporary') as makes, ${SERVER_PROCESS}`;

/** Sets the session up; says whether it can make temporary tables, and which process of the server works for it. */
async function setUp(
  client: pg.Client,
  statementTimeoutMs: number,
): Promise<Pick<SessionFacts, 'makesTemps'> & { readonly process: ServerProcess }> {
  // One round trip: every statement has a result.
  const results: unknown = await client.query(`${settingsQuery(statementTimeoutMs)}; ${MAKES_TEMPS}`);
  const last = (results as readonly pg.QueryResult<{ makes: boolean } & ServerProcess>[]).at(-1);
  const { makes, ...process } = must(last?.rows[0], 'what a session says of itself');
  return { makesTemps: makes, process };
}

/** Puts a session into the state that statements are made for. */
export function settingsQuery(statementTimeoutMs: number): string {
  const all = [...SETTINGS, ['statement_timeout', String(Math.trunc(statementTimeoutMs))] as const];
  return [settingsStatement(all), CHEAP_RANDOM_PAGES, FIND_OPERATORS, KEEP_HEAP].join('; ');
}

/** All that is known of a session that is taken over. */
type Taken = ConnectOptions & SessionFacts & PoolPart & { readonly process: ServerProcess };

function takeOver(client: LoggedIn, options: Taken): WireConnection {
  const socket = must(client.connection?.stream, 'socket of a logged-in client');
  for (const event of ['data', 'error', 'close', 'end', 'readable']) socket.removeAllListeners(event);
  const { host, port, processID } = client;
  const secret = Buffer.alloc(4);
  secret.writeInt32BE(client.secretKey);
  return new WireConnection(socket, {
    rowLimit: options.rowLimit,
    buffers: options.buffers,
    statementLimit: options.statementLimit,
    history: options.history,
    makesTemps: options.makesTemps,
    onAnswered: options.onAnswered,
    cancels: options.cancels,
    cancel: () => sendCancel({ host, port }, encodeCancel(processID, secret), options.connectTimeoutMs),
    silenceMs: options.silenceMs,
    isServed: () => isServed(options.url, options.process, options.connectTimeoutMs),
    onUnserved: options.onUnserved,
  });
}

/** The server takes cancel requests before any TLS or log-in, and closes the connection when it has acted. */
function sendCancel(to: { host: string; port: number }, message: Buffer, timeoutMs: number): Promise<void> {
  const address = to.host.startsWith('/') ? { path: `${to.host}/.s.PGSQL.${to.port}` } : to;
  return new Promise((resolve, reject) => {
    const socket = net.connect(address, () => socket.end(message));
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error('cancel request timed out')));
    socket.on('error', reject);
    socket.on('close', () => resolve());
    socket.resume();
  });
}
