import { execFile } from 'node:child_process';
import { chown, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import type { PostgresServer } from '../../src/embedded/server.ts';
import { poll } from './poll.ts';
import type { TestDatabase } from './postgres.ts';
import { makePlayground } from './processes.ts';
import { type Proxy, startProxy } from './proxy.ts';
import { startTarget } from './servers.ts';

/** A primary, a standby that follows it, and an address that leads to one of them. */
export interface Pair extends AsyncDisposable {
  readonly primary: PostgresServer;
  readonly standby: PostgresServer;
  /** Database `postgres` of whichever server the address leads to. */
  readonly database: TestDatabase;
  /** Cuts the standby off from the primary: it falls behind from here on. */
  cutOff(): void;
  /** Ends the primary, promotes the standby, and has the address lead to it. */
  failOver(): Promise<void>;
}

const STANDBY_SLOT = 'standby';

/** How a pair differs from the usual one. */
export interface PairOptions {
  /** For the primary alone. */
  readonly settings?: Readonly<Record<string, string>>;
  /** In place of the one that all targets run. */
  readonly binDirectory?: string;
}

/** Starts both from copies of one data directory. */
export async function startPair({ settings = {}, ...binaries }: PairOptions = {}): Promise<Pair> {
  const playground = makePlayground();
  const [first, second] = [join(playground.path, 'first'), join(playground.path, 'second')];
  const seed = await startTarget({ ...binaries, directory: first });
  await once(seed.url('postgres'), `select pg_create_physical_replication_slot('${STANDBY_SLOT}')`);
  await seed.stop();
  await promisify(execFile)('cp', ['-a', first, second]);
  await makeStandby(join(second, 'data'));
  const primary = await startTarget({ ...binaries, directory: first, settings });
  const line = await startProxy(primary);
  const standby = await startTarget({
    ...binaries,
    directory: second,
    settings: standbySettings(primary, line.port),
  });
  const to = { host: primary.host, port: primary.port };
  const proxy = await startProxy(to);
  const database = databaseBehind(proxy, primary);
  const failOver = async (): Promise<void> => {
    await primary.stop();
    await once(standby.url('postgres'), 'select pg_promote()');
    to.port = standby.port;
  };
  const dispose = async (): Promise<void> => {
    await Promise.all([proxy.close(), line.close()]);
    await Promise.all([standby.stop(), primary.stop()]);
    playground.remove();
  };
  return {
    primary,
    standby,
    database,
    cutOff: () => {
      line.setMode('refuse');
      line.reset();
    },
    failOver,
    [Symbol.asyncDispose]: dispose,
  };
}

/** Runs one statement on a server. */
export async function once<Row extends pg.QueryResultRow>(url: string, sql: string): Promise<readonly Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** As pg_basebackup leaves it: without the slots, and with the file that makes it a standby. */
async function makeStandby(data: string): Promise<void> {
  const slots = join(data, 'pg_replslot');
  for (const name of await readdir(slots)) await rm(join(slots, name), { recursive: true });
  const signal = join(data, 'standby.signal');
  await writeFile(signal, '');
  const { uid, gid } = await stat(data);
  await chown(signal, uid, gid);
}

function standbySettings(primary: PostgresServer, port: number): Readonly<Record<string, string>> {
  const { username, password } = new URL(primary.url('postgres'));
  return {
    primary_conninfo: `host=127.0.0.1 port=${port} user=${username} password=${password} dbname=postgres`,
    primary_slot_name: STANDBY_SLOT,
    hot_standby_feedback: 'on',
    wal_receiver_status_interval: '1s',
    ...(primary.version >= 17 ? { sync_replication_slots: 'on' } : {}),
  };
}

/** Database `postgres` of the server that the proxy leads to at the moment. */
export function databaseBehind(proxy: Proxy, server: PostgresServer): TestDatabase {
  return databaseAt({ ...server, port: proxy.port, url: (name) => proxy.through(server.url(name)) });
}

/** Database `postgres` of a server that may be stopped while the test goes on. */
export function databaseAt({
  host,
  port,
  version,
  url,
}: Pick<PostgresServer, 'host' | 'port' | 'version' | 'url'>): TestDatabase {
  const pool = new pg.Pool({ connectionString: url('postgres'), max: 2, allowExitOnIdle: true });
  pool.on('error', () => undefined); // a restart or a failover ends idle sessions
  return {
    url: url('postgres'),
    name: 'postgres',
    server: { host, port, version, url },
    query: (sql, params = []) => pool.query(sql, [...params]),
    drop: () => pool.end(),
  };
}

/** Waits until the standby has replayed all that the primary has written by now. */
export async function untilReplayed({ primary, standby }: Pair): Promise<void> {
  const [row] = await once<{ lsn: string }>(
    primary.url('postgres'),
    'select pg_current_wal_insert_lsn()::text as lsn',
  );
  await poll('the standby to catch up', async () => {
    const sql = `select pg_last_wal_replay_lsn() >= '${row?.lsn}' as done`;
    return (await once<{ done: boolean }>(standby.url('postgres'), sql))[0]?.done === true;
  });
}
