import { createHash, randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { poll } from './poll.ts';

/** `target15` is an installed Postgres 15: there only where the machine has one, see `hasTestServer`. */
export type Which = 'source' | 'target' | 'target15';

/** A server shared by all tests of a run. */
export interface TestServer {
  readonly host: string;
  readonly port: number;
  /** The major version, as in 18. */
  readonly version: number;
  url(database: string): string;
}

/** A statement that a session plans once, because it is asked again and again. */
interface Prepared {
  readonly text: string;
  readonly name: string;
}

/** The statement as one to be kept. */
export function prepared(text: string): Prepared {
  return { text, name: createHash('sha1').update(text).digest('hex') };
}

/** A database of one test. */
export interface TestDatabase {
  readonly url: string;
  readonly name: string;
  readonly server: TestServer;
  /** Values come back as `pg` parses them. */
  query<Row extends pg.QueryResultRow = Record<string, unknown>>(
    sql: string | Prepared,
    params?: readonly unknown[],
  ): Promise<pg.QueryResult<Row>>;
  /** Ends every session in it and drops it with its replication slots. */
  drop(): Promise<void>;
}

/** False for `target15` where Postgres 15 is not installed: `test.skipIf(!hasTestServer('target15'))`. */
export function hasTestServer(which: Which): boolean {
  return inject('postgres')[which] !== undefined;
}

/** The server by its part in the tests. */
export function testServer(which: Which): TestServer {
  const address = inject('postgres')[which];
  if (address === undefined) throw new Error(`no server "${which}" on this machine: ask hasTestServer first`);
  const { host, port, version, base } = address;
  return { host, port, version, url: (database) => `${base}${encodeURIComponent(database)}` };
}

/** Makes a fresh database and runs the statements in it; `form` is what else `create database` is to say. */
export async function createDatabase(
  which: Which,
  statements: readonly string[] = [],
  form = '',
): Promise<TestDatabase> {
  const server = testServer(which);
  const name = `test_${randomBytes(6).toString('hex')}`;
  // Files are copied in half the time that their pages take through the log; Postgres 14 knows no other way.
  const strategy = server.version >= 15 ? 'strategy file_copy' : '';
  await admin(server).query(`create database ${name} ${strategy} ${form}`);
  const url = server.url(name);
  const pool = new pg.Pool({ connectionString: url, max: 4, allowExitOnIdle: true });
  pool.on('error', () => undefined); // a session ended by drop(), or by a test that kills sessions on purpose
  const database: TestDatabase = {
    url,
    name,
    server,
    query: (sql, params = []) => pool.query(sql, [...params]),
    drop: async () => {
      await pool.end();
      await drop(admin(server), name);
    },
  };
  for (const statement of statements) await database.query(statement);
  return database;
}

/** How far a database's server has written its log: everything committed before is at or below it. */
export async function insertPosition(database: Pick<TestDatabase, 'query'>): Promise<string> {
  const { rows } = await database.query<{ lsn: string }>('select pg_current_wal_insert_lsn()::text as lsn');
  return rows[0]?.lsn ?? '';
}

/** A lock that was not granted in time, and a deadlock. */
const LOCKED_OUT = ['55P03', '40P01'];

/**
 * Drops what others are using, and all that depends on it. It is locked piece by piece, as they lock what they need:
 * either may be the one that has to say it again.
 */
export function dropInUse(database: TestDatabase, what: string): Promise<void> {
  return poll(`the drop of ${what}`, async () => {
    try {
      await database.query(`set local lock_timeout = '1s'; drop ${what} cascade`);
      return true;
    } catch (error) {
      if (error instanceof pg.DatabaseError && LOCKED_OUT.includes(error.code ?? '')) return false;
      throw error;
    }
  });
}

/** Drops the lasting slots of a database; whoever read one may take a moment to let it go. */
export function dropSlots(database: TestDatabase): Promise<void> {
  return poll(`the slots of ${database.name} to be dropped`, async () => {
    const { rows } = await database.query<{ name: string }>(
      `select slot_name::text as name from pg_replication_slots where database = current_database() and not temporary`,
    );
    const dropped = rows.map(({ name }) => database.query('select pg_drop_replication_slot($1)', [name]));
    return (await Promise.all(dropped.map(unlessInUse))).every(Boolean);
  });
}

async function drop(pool: pg.Pool, name: string): Promise<void> {
  await poll(`${name} to be free and dropped`, async () => {
    const slots = await pool.query<{ slot_name: string; active_pid: number | null }>(
      'select slot_name, active_pid from pg_replication_slots where database = $1',
      [name],
    );
    for (const { slot_name: slot, active_pid: pid } of slots.rows) {
      if (pid !== null) await pool.query('select pg_terminate_backend($1, 1000)', [pid]);
      await unlessInUse(pool.query('select pg_drop_replication_slot($1)', [slot]));
    }
    return slots.rows.length === 0 && unlessInUse(pool.query(`drop database if exists ${name} with (force)`));
  });
}

/** False while something is in use (55006), or was gone before (42704): to be looked at again. */
async function unlessInUse(dropping: Promise<unknown>): Promise<boolean> {
  try {
    await dropping;
    return true;
  } catch (error) {
    if (error instanceof pg.DatabaseError && (error.code === '55006' || error.code === '42704')) return false;
    throw error;
  }
}

const admins = new Map<string, pg.Pool>();

/** Sessions beside all tests' databases, which are kept: to open one takes as long as to drop a database. */
function admin(server: TestServer): pg.Pool {
  const url = server.url('postgres');
  const known = admins.get(url);
  if (known !== undefined) return known;
  const pool = new pg.Pool({ connectionString: url, allowExitOnIdle: true });
  pool.on('error', () => undefined); // a test may end whichever sessions there are
  admins.set(url, pool);
  return pool;
}

/** Whether a server is there and can make the extension: `test.skipIf(!(await hasExtension(…)))`. */
export async function hasExtension(which: Which, extension: string): Promise<boolean> {
  if (!hasTestServer(which)) return false;
  const { rows } = await admin(testServer(which)).query(
    'select from pg_available_extensions where name = $1',
    [extension],
  );
  return rows.length > 0;
}
