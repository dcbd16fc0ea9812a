import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../src/embedded/port.ts';
import { GraphqlSocket } from '../support/graphql-socket.ts';
import { leadingTo } from '../support/leading-to.ts';
import { eventually, type Nearjoin, startNearjoin } from '../support/nearjoin.ts';
import { poll } from '../support/poll.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

const MAIN = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url));
const SECRET = 'hunter2-admin';

let pg1: TestDatabase;
let pg2: TestDatabase;
let meta: TestDatabase;

beforeAll(async () => {
  [pg1, pg2, meta] = await Promise.all([
    createDatabase('source', [
      'create table orders (id int primary key, user_id int)',
      'insert into orders values (1, 10)',
      'create view slow as select id, pg_sleep(1)::text as slept from orders',
    ]),
    createDatabase('target', ['create table users (id int primary key)', 'insert into users values (10)']),
    createDatabase('source', []),
  ]);
});

afterAll(async () => {
  await Promise.all([pg1?.drop(), pg2?.drop(), meta?.drop()]);
});

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
  });
  const text = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (text.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (text.stderr += chunk.toString()));
  const [code] = await once(child, 'close');
  return { code, ...text };
}

async function serving(over: Record<string, string> = {}): Promise<Nearjoin> {
  return startNearjoin({ NEARJOIN_METADATA_DATABASE_URL: meta.url, NEARJOIN_ADMIN_SECRET: SECRET, ...over });
}

const admin = { 'x-hasura-admin-secret': SECRET };

async function register(nearjoin: Nearjoin): Promise<void> {
  const commands = [
    ...Object.entries({ pg1, pg2 }).map(([name, { url }]) => ({
      type: 'pg_add_source',
      args: { name, configuration: { connection_info: { database_url: url } } },
    })),
    ...['orders', 'slow'].map((table) => ({ type: 'pg_track_table', args: { source: 'pg1', table } })),
    { type: 'pg_track_table', args: { source: 'pg2', table: 'users' } },
    {
      type: 'pg_create_remote_relationship',
      args: {
        source: 'pg1',
        table: 'orders',
        name: 'user',
        definition: leadingTo('pg2', 'users', { user_id: 'id' }),
      },
    },
  ];
  const answer = await nearjoin.post('/v1/metadata', { type: 'bulk', args: commands }, admin);
  expect(answer.status).toBe(200);
}

describe('a configuration that cannot work ends the start with one readable line and code 1', () => {
  test.each([
    [{}, 'nearjoin serve: NEARJOIN_METADATA_DATABASE_URL must be set\n'],
    [
      { NEARJOIN_PORT: 'x' },
      'nearjoin serve: bad configuration: NEARJOIN_PORT: expected a whole number from 0 to 65535\n',
    ],
    [
      { NEARJOIN_METADATA_DATABASE_URL: 'postgres://me:hunter2@127.0.0.1:1/x' },
      /^nearjoin serve: the metadata database \(NEARJOIN_METADATA_DATABASE_URL\) cannot be used: .*ECONNREFUSED 127\.0\.0\.1:1\n$/,
    ],
  ])('%j', async (env, message) => {
    const ended = await run(['serve'], env);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toMatch(message);
    expect(ended.stderr + ended.stdout).not.toContain('hunter2');
  });

  test('a metadata directory that is not there', async () => {
    const env = {
      NEARJOIN_METADATA_DATABASE_URL: meta.url,
      NEARJOIN_METADATA_DIR: '/nowhere',
      NEARJOIN_PORT: '0',
    };
    const ended = await run(['serve'], env);
    expect(ended).toMatchObject({ code: 1, stderr: expect.stringContaining('NEARJOIN_METADATA_DIR') });
  });

  test.each([
    [[]],
    [['nope']],
    [['serve', '--bogus']],
    [['verify', 'a', 'b']],
    [['status', '--endpoint', 'nowhere']],
  ])('the arguments %j end with code 1 and a hint', async (args) => {
    const ended = await run(args);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toMatch(/^nearjoin /);
  });
});

test('neither Kafka’s client nor YAML is loaded before it is used', async () => {
  const script = `import { createRequire } from 'node:module';
    await import(${JSON.stringify(new URL('../../dist/src/serve.js', import.meta.url).href)});
    process.stdout.write(Object.keys(createRequire('/').cache).join('\\n'));`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script]);
  let loaded = '';
  child.stdout.on('data', (chunk: Buffer) => (loaded += chunk.toString()));
  expect(await once(child, 'close')).toEqual([0, null]);
  expect(loaded).toMatch(/node_modules.pg.lib/);
  expect(loaded).not.toMatch(/node_modules.(kafkajs|yaml)/);
});

test('where it serves is said whatever the level of the log; a port that is taken is said', async () => {
  const first = await serving({ NEARJOIN_LOG_LEVEL: 'error' });
  expect(first.log.map((line) => JSON.parse(line))).toMatchObject([{ msg: 'ready', url: first.url }]);
  const ended = await run(['serve'], {
    NEARJOIN_METADATA_DATABASE_URL: meta.url,
    NEARJOIN_PORT: new URL(first.url).port,
  });
  expect(ended).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/cannot listen on 127\.0\.0\.1:\d+ .*EADDRINUSE/),
  });
  await first.stop();
});

test('SIGTERM lets the request under way end, refuses new ones, and exits 0 without a secret in the log', async () => {
  const nearjoin = await serving({ NEARJOIN_SHUTDOWN_DELAY_MS: '100' });
  await register(nearjoin);
  const answer = nearjoin.graphql('{ slow { id } }', { headers: admin });
  const under = nearjoin.graphql('{ slow { slept } }', { headers: admin });
  let isOver = false;
  const over = (): void => {
    isOver = true;
  };
  under.then(over, over);
  await answer;
  await poll('the request to be under way', async () => {
    const { rows } = await pg1.query(
      `select from pg_stat_activity where datname = current_database() and state = 'active' and query like '%slept%'
         and pid <> pg_backend_pid()`,
    );
    return rows.length > 0 || isOver;
  });
  // The log is whole only then.
  const ended = once(nearjoin.child, 'close');
  nearjoin.child.kill('SIGTERM');
  expect((await under).text).toBe('{"data":{"slow":[{"slept":""}]}}');
  expect(await ended).toEqual([0, null]);
  expect(nearjoin.log.at(-1)).toContain('"msg":"stopped"');
  await expect(fetch(`${nearjoin.url}/v1/version`)).rejects.toThrow();
  expect(nearjoin.log.join('\n')).not.toContain(SECRET);
});

test('requests and sockets that do not end in the time for it are cut off and counted', async () => {
  const nearjoin = await serving({ NEARJOIN_ROLES: 'api', NEARJOIN_SHUTDOWN_TIMEOUT_MS: '1500' });
  const { socket } = await GraphqlSocket.connect(nearjoin.url, admin);
  const holder = new pg.Client(pg1.url);
  await holder.connect();
  try {
    await holder.query('begin; lock table orders');
    const answer = nearjoin.graphql('{ orders { id } }', { headers: admin }).catch(() => 'cut off');
    await poll('the request to be under way', async () => {
      const { rows } = await pg1.query(`select from pg_stat_activity
        where datname = current_database() and application_name = 'nearjoin' and wait_event_type = 'Lock'`);
      return rows.length > 0;
    });
    const ended = once(nearjoin.child, 'close');
    socket.pause();
    nearjoin.child.kill('SIGTERM');
    expect(await answer).toBe('cut off');
    expect(await ended).toEqual([0, null]);
  } finally {
    await holder.end();
    socket.terminate();
  }
  const warned = nearjoin.log.map((line) => JSON.parse(line)).filter(({ level }) => level === 'warn');
  expect(warned).toMatchObject([
    { sockets: 1, msg: 'sockets that did not close in time were cut off' },
    { connections: 1, msg: 'requests that took longer than NEARJOIN_SHUTDOWN_TIMEOUT_MS were cut off' },
  ]);
});

test('a process that leaves says so to load balancers and clients, and answers still; a second signal ends it at once', async () => {
  const nearjoin = await serving({ NEARJOIN_SHUTDOWN_DELAY_MS: '600000' });
  const ended = once(nearjoin.child, 'exit');
  expect((await nearjoin.get('/healthz')).status).toBe(200);
  nearjoin.child.kill('SIGHUP'); // its terminal is closed
  const health = await eventually(async () => {
    const answer = await nearjoin.get('/healthz');
    return answer.status === 200 ? undefined : answer;
  });
  expect(health).toMatchObject({ status: 503, text: 'ERROR: the process is stopping' });
  nearjoin.child.kill('SIGHUP'); // a shell and the system may both tell of that
  const answer = await nearjoin.graphql('{ __typename }', { headers: admin });
  expect(answer.text).toBe('{"data":{"__typename":"query_root"}}');
  expect(answer.headers.get('connection')).toBe('close');
  nearjoin.child.kill('SIGTERM');
  expect(await ended).toEqual([1, null]);
});

test('API and replicator may be two processes, and both answer for the feeds', async () => {
  const replicator = await serving({ NEARJOIN_ROLES: 'replicator' });
  const api = await serving({ NEARJOIN_ROLES: 'api' });
  try {
    await register(api).catch(() => undefined); // an earlier test may have done it
    const hit = await eventually(async () => {
      const answer = await api.graphql('{ orders { user { id } } }', { headers: admin });
      return answer.headers.get('cache-status')?.includes(';hit') === true ? answer : undefined;
    });
    expect(hit.text).toBe('{"data":{"orders":[{"user":{"id":10}}]}}');
    const shown =
      /^FEED +STATE +STALENESS.*\npg2 -> pg1 +streaming +\d+ m?s.*\n {2}public\.users {2}ready\n$/;
    await poll('the status to show it', async () => {
      const { code, stdout } = await run(['status', '--endpoint', replicator.url, '--admin-secret', SECRET]);
      expect(code).toBe(0);
      return shown.test(stdout);
    });
    expect((await replicator.post('/v1/graphql', { query: '{ orders { id } }' }, admin)).status).toBe(404);
    const refused = await run(['status', '--endpoint', replicator.url]);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('access-denied') });
  } finally {
    await Promise.all([api.stop(), replicator.stop()]);
  }
});

async function answers(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/v1/version`).then(
    ({ ok }) => ok,
    () => false,
  );
}

/** A server whose log goes nowhere cannot say where it serves: until it has the port another may have taken it. */
async function servingUnseen(log: number): Promise<{ readonly child: ChildProcess; readonly port: number }> {
  for (let tried = 1; ; tried += 1) {
    const port = await freePort();
    const child = spawn(process.execPath, [MAIN, 'serve'], {
      env: {
        PATH: process.env['PATH'] ?? '',
        NEARJOIN_METADATA_DATABASE_URL: meta.url,
        NEARJOIN_PORT: String(port),
      },
      stdio: ['ignore', log, 'inherit'],
    });
    await poll('an answer', async () => child.exitCode !== null || answers(port));
    if (child.exitCode === null || tried === 3) return { child, port };
  }
}

test.skipIf(!existsSync('/dev/full'))(
  'a log that finds no room on its disk stops neither answers nor the end',
  async () => {
    const full = openSync('/dev/full', 'w');
    const { child, port } = await servingUnseen(full);
    closeSync(full);
    const ended = once(child, 'exit');
    // The line about the first is refused by now.
    expect(await answers(port)).toBe(true);
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  },
);

test('no directory is none, not the working directory', async () => {
  expect(await run(['metadata', 'export', '--dir', ''])).toMatchObject({
    code: 1,
    stderr: 'nearjoin metadata: --dir: expected a directory\n',
  });
});

test('a command whose output nobody reads any more ends without a word', async () => {
  const child = spawn(process.execPath, [MAIN, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  expect(await once(child, 'close')).toEqual([141, null]);
  expect(stderr).toBe('');
});

test.skipIf(!existsSync('/dev/full'))('a command that cannot print says why', async () => {
  const full = openSync('/dev/full', 'w');
  const child = spawn(process.execPath, [MAIN, '--help'], { stdio: ['ignore', full, 'pipe'] });
  closeSync(full);
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  expect(await once(child, 'close')).toEqual([1, null]);
  expect(stderr).toMatch(/^nearjoin cannot print: ENOSPC.*\n$/);
});

test('any number of sources are read and followed without a word', async () => {
  const nearjoin = await serving();
  const args = Array.from({ length: 12 }, (_, at) => ({
    type: 'pg_add_source',
    args: { name: `many_${at}`, configuration: { connection_info: { database_url: pg1.url } } },
  }));
  expect((await nearjoin.post('/v1/metadata', { type: 'bulk', args }, admin)).status).toBe(200);
  const started = await serving(); // reads all of them before anything else
  for (const { url } of [nearjoin, started])
    expect((await fetch(`${url}/v1/replication`, { headers: admin })).status).toBe(200);
  const drops = args.map(({ args: { name } }) => ({ type: 'pg_drop_source', args: { name } }));
  expect((await nearjoin.post('/v1/metadata', { type: 'bulk', args: drops }, admin)).status).toBe(200);
  await Promise.all([nearjoin.stop(), started.stop()]);
  expect([...nearjoin.log, ...started.log].filter((line) => !line.startsWith('{'))).toEqual([]);
});

test('a feed is paused and goes on when asked', async () => {
  const nearjoin = await serving();
  try {
    const stateIs = async (state: string): Promise<true | undefined> => {
      const response = await fetch(`${nearjoin.url}/v1/replication`, { headers: admin });
      const { feeds } = JSON.parse(await response.text());
      return feeds[0].state === state ? true : undefined;
    };
    await eventually(() => stateIs('streaming'));
    expect((await nearjoin.post('/v1/replication/pg2/pause', {}, admin)).text).toBe('{"message":"success"}');
    await eventually(() => stateIs('paused'));
    expect((await nearjoin.post('/v1/replication/pg2/resume?source=pg1', {}, admin)).text).toBe(
      '{"message":"success"}',
    );
    await eventually(() => stateIs('streaming'));
    expect((await nearjoin.post('/v1/replication/pg2/resync', { tables: ['users'] }, admin)).text).toBe(
      '{"message":"success"}',
    );
    expect((await nearjoin.post('/v1/replication/pg2/resync', { tables: ['nope'] }, admin)).status).toBe(404);
  } finally {
    await nearjoin.stop();
  }
});
