import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type PostgresOptions, type PostgresServer, startPostgres } from '../../src/embedded/server.ts';
import { poll } from '../support/poll.ts';
import { createDatabase, hasTestServer, testServer } from '../support/postgres.ts';
import { makePlayground, type Playground } from '../support/processes.ts';

const BUILT = fileURLToPath(new URL('../../dist/src/embedded/server.js', import.meta.url));

let playground: Playground;
let outerTmp: string | undefined;

beforeEach(() => {
  playground = makePlayground();
  outerTmp = process.env['TMPDIR'];
  process.env['TMPDIR'] = playground.path;
});

afterEach(() => {
  if (outerTmp === undefined) delete process.env['TMPDIR'];
  else process.env['TMPDIR'] = outerTmp;
  playground.remove();
});

async function valueOf(url: string, sql: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query({ text: sql, rowMode: 'array' })).rows[0]?.[0];
  } finally {
    await client.end();
  }
}

/** A process of its own that starts a server and then waits; its end is the test's business. */
async function startOwner(options: PostgresOptions): Promise<{ owner: ChildProcess; pid: number }> {
  if (!existsSync(BUILT)) throw new Error('dist is missing: run npm test, which builds first');
  const program = `
    const { startPostgres } = await import(${JSON.stringify(BUILT)});
    const server = await startPostgres(${JSON.stringify(options)});
    console.log(server.pid);
    setInterval(() => {}, 1000);`;
  const owner = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: process.env,
  });
  const complaints: string[] = [];
  owner.stderr.setEncoding('utf8').on('data', (text: string) => complaints.push(text));
  const pid = await new Promise<number>((resolve, reject) => {
    createInterface({ input: owner.stdout }).once('line', (line) => resolve(Number(line)));
    owner.once('close', (code) => reject(new Error(`the owner ended with ${code}: ${complaints.join('')}`)));
  });
  return { owner, pid };
}

test('servers started at once find ports of their own, offer logical replication and leave neither process nor folder', async () => {
  // Nor do they heed what the shell has for clients of other servers.
  process.env['PGDATABASE'] = 'elsewhere';
  process.env['PGPORT'] = '1';
  const start = (): Promise<PostgresServer> => startPostgres({ fsync: false });
  const [one, two, three] = await Promise.all([start(), start(), start()]);
  delete process.env['PGDATABASE'];
  delete process.env['PGPORT'];
  expect(new Set([one.port, two.port, three.port]).size).toBe(3);
  const level = await valueOf(one.url('postgres'), "select current_setting('wal_level')");
  const slot = await valueOf(
    one.url('postgres'),
    "select slot_name from pg_create_logical_replication_slot('s', 'pgoutput')",
  );
  expect({ level, slot }).toEqual({ level: 'logical', slot: 's' });
  expect(playground.leftovers()).not.toEqual([]);
  process.kill(three.pid, 'SIGKILL');
  await three.ended;
  await Promise.all([one.stop(), one.stop(), two.stop(), three.stop()]);
  expect(playground.leftovers()).toEqual([]);
});

test.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)(
  'an owner ended by %s leaves no process and no folder',
  async (how) => {
    const { owner } = await startOwner({ fsync: false });
    owner.kill(how);
    await once(owner, 'exit');
    await poll('the guard to clean up', () => playground.leftovers().length === 0);
  },
);

test('an owner killed during initdb leaves no process and no folder', async () => {
  const program = `(await import(${JSON.stringify(BUILT)})).startPostgres()`;
  const owner = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: 'ignore',
    env: process.env,
  });
  // Who looks too late finds the server that comes after it.
  await poll('initdb to run', () => playground.leftovers().some((line) => line.includes(' -D ')));
  owner.kill('SIGKILL');
  await once(owner, 'exit');
  await poll('the guard to clean up', () => playground.leftovers().length === 0);
});

test('a fixed port that is taken is said in the error, and nothing stays behind', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const address = holder.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  const start = startPostgres({ port, fsync: false });
  await expect(start).rejects.toThrow(/could not bind IPv4 address "127\.0\.0\.1": Address already in use/);
  holder.close();
  expect(playground.leftovers()).toEqual([]);
});

test('a directory of ours is kept, with data and slots, also after kill -9 of the owner and of the server', async () => {
  const directory = join(playground.path, 'kept');
  const open = (): Promise<PostgresServer> => startPostgres({ directory, fsync: false });
  const first = await open();
  const url = first.url('postgres');
  await valueOf(url, 'create table kept(id int)');
  await valueOf(url, "select pg_create_logical_replication_slot('s', 'pgoutput')");
  await first.stop();
  const { owner, pid } = await startOwner({ directory, fsync: false });
  process.kill(pid, 'SIGKILL');
  owner.kill('SIGKILL');
  await once(owner, 'exit');
  const third = await open();
  const found = await valueOf(
    third.url('postgres'),
    "select to_regclass('kept')::text || ' ' || slot_name from pg_replication_slots",
  );
  await third.stop();
  expect(found).toBe('kept s');
});

test.skipIf(!existsSync('/proc/self'))('a directory that cannot be made is said in the error', async () => {
  const start = startPostgres({ directory: '/proc/nowhere/pg1' });
  await expect(start).rejects.toThrow(/mkdir '\/proc\/nowhere/);
});

test('an aborted start leaves nothing behind', async () => {
  const abort = new AbortController();
  const start = startPostgres({ signal: abort.signal });
  await poll('the folder to appear', () => playground.leftovers().length > 0);
  abort.abort();
  await expect(start).rejects.toThrow();
  expect(playground.leftovers()).toEqual([]);
});

test('the servers of the tests are the packaged ones unless the environment names others', () => {
  const packaged = (['source', 'target'] as const).filter(
    (which) => process.env[`NEARJOIN_TEST_PG_${which.toUpperCase()}_BIN`] === undefined,
  );
  expect(packaged.map((which) => testServer(which).version)).toEqual(packaged.map(() => 18));
});

test('a database of a test is dropped with its slots and sessions', async () => {
  const database = await createDatabase('target', ['create table t(id int primary key)']);
  await database.query("select pg_create_logical_replication_slot($1, 'pgoutput')", [
    `slot_${database.name}`,
  ]);
  await database.drop();
  const left = await valueOf(
    testServer('target').url('postgres'),
    `select count(*)::int from pg_database left join pg_replication_slots on true
      where datname = '${database.name}' or slot_name = 'slot_${database.name}'`,
  );
  expect(left).toBe(0);
});

test.skipIf(!hasTestServer('target15'))(
  'Postgres 15, where installed, is there as a third server',
  async () => {
    const database = await createDatabase('target15');
    const version = await database.query(
      "select current_setting('server_version_num')::int / 10000 as major",
    );
    await database.drop();
    expect(version.rows).toEqual([{ major: 15 }]);
  },
);
