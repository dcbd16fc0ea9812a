import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, type Nearjoin, startNearjoin } from '../support/nearjoin.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

// Comparing and repairing over HTTP and the command line, with the replicator in a process of its own.

const MAIN = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url));
const SECRET = 'verify-secret';
const admin = { 'x-hasura-admin-secret': SECRET };

let pg1: TestDatabase;
let pg2: TestDatabase;
let meta: TestDatabase;
let api: Nearjoin;
let replicator: Nearjoin;
let relation: string;

beforeAll(async () => {
  [pg1, pg2, meta] = await Promise.all([
    createDatabase('source', ['create table orders (id int primary key, user_id int)']),
    createDatabase('target', [
      'create table users (id int primary key, name text)',
      `insert into users select g, 'user ' || g from generate_series(1, 50) g`,
    ]),
    createDatabase('source', []),
  ]);
  const env = {
    NEARJOIN_METADATA_DATABASE_URL: meta.url,
    NEARJOIN_ADMIN_SECRET: SECRET,
    NEARJOIN_UNAUTHORIZED_ROLE: 'nobody',
  };
  api = await startNearjoin({ ...env, NEARJOIN_ROLES: 'api' });
  const source = (name: string, { url }: TestDatabase): object => ({
    type: 'pg_add_source',
    args: { name, configuration: { connection_info: { database_url: url } } },
  });
  const to_source = {
    relationship_type: 'object',
    source: 'pg2',
    table: 'users',
    field_mapping: { user_id: 'id' },
  };
  const commands = [
    source('pg1', pg1),
    source('pg2', pg2),
    { type: 'pg_track_table', args: { source: 'pg1', table: 'orders' } },
    { type: 'pg_track_table', args: { source: 'pg2', table: 'users' } },
    {
      type: 'pg_create_remote_relationship',
      args: { source: 'pg1', table: 'orders', name: 'user', definition: { to_source } },
    },
  ];
  expect((await api.post('/v1/metadata', { type: 'bulk', args: commands }, admin)).status).toBe(200);
  replicator = await startNearjoin({
    ...env,
    NEARJOIN_ROLES: 'replicator',
    NEARJOIN_VERIFY_INTERVAL_MS: '3600000',
  });
  relation = await eventually(async () => {
    const { rows } = await pg1.query<{ relation: string }>(
      `select relation from nearjoin.cache_table where state = 'ready'`,
    );
    return rows[0]?.relation;
  });
});

afterAll(async () => {
  await Promise.all([api?.stop(), replicator?.stop()]);
  await Promise.all([pg1?.drop(), pg2?.drop(), meta?.drop()]);
});

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function cli(...args: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, [MAIN, 'verify', ...args], {
    env: { PATH: process.env['PATH'] ?? '', NEARJOIN_ENDPOINT: api.url, NEARJOIN_ADMIN_SECRET: SECRET },
  });
  const text = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (text.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (text.stderr += chunk.toString()));
  const [code] = await once(child, 'close');
  return { code, ...text };
}

async function tamper(): Promise<void> {
  await pg1.query(`delete from nearjoin."${relation}" where id = 7`);
  await pg1.query(`update nearjoin."${relation}" set name = 'hunter2' where id = 8`);
  await pg1.query(`insert into nearjoin."${relation}" values (99, 'hunter2')`);
}

test('a comparison that nobody asked for is made when it is switched on, and told by status and metrics', async () => {
  const feed = await eventually(async () => {
    const response = await fetch(`${api.url}/v1/replication`, { headers: admin });
    const { feeds } = (await response.json()) as {
      feeds: { verified_at: number | null; rows_differing: number }[];
    };
    return feeds[0]?.verified_at === null ? undefined : feeds[0];
  });
  expect(feed).toMatchObject({ rows_differing: 0, verified_at: expect.any(Number) });
  const metrics = await (await fetch(`${api.url}/metrics`, { headers: admin })).text();
  expect(metrics).toMatch(/nearjoin_feed_verified_timestamp_seconds\{source="pg1",target="pg2"\} \d+/);
  expect(metrics).toContain('nearjoin_feed_rows_differing{source="pg1",target="pg2"} 0');
});

test('the command line finds rows that differ, repairs them, and says by its exit code what is left', async () => {
  expect(await cli()).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/pg2\.public\.users -> pg1 +equal +50 /),
  });
  await tamper();
  const found = await cli('pg2.public.users');
  expect(found).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/-> pg1 +differs +50 +1 +1 +1 +0 +0/),
  });
  for (const line of ['missing: ["7"]', 'changed: ["8"]', 'extra: ["99"]'])
    expect(found.stdout).toContain(line);
  expect(await cli('pg2', '--repair')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/-> pg1 +repaired +50 +1 +1 +1 +3 +0/),
  });
  expect(await cli('pg2')).toMatchObject({ code: 0, stdout: expect.stringContaining('equal') });
  expect(await cli('pg2.public.nothing')).toMatchObject({
    code: 1,
    stderr: 'nearjoin verify: there is no target and no cached table "pg2.public.nothing"\n',
  });
});

test('the command line says why it cannot compare a paused feed, and waits for nothing', async () => {
  const state = async (): Promise<string | undefined> => {
    const response = await fetch(`${api.url}/v1/replication`, { headers: admin });
    return ((await response.json()) as { feeds: { state: string }[] }).feeds[0]?.state;
  };
  await api.post('/v1/replication/pg2/pause', {}, admin);
  await eventually(async () => ((await state()) === 'paused' ? true : undefined));
  expect(await cli('pg2')).toMatchObject({
    code: 1,
    stdout: expect.stringContaining(
      'pg2 -> pg1 could not be compared: the feed is paused; resume it: POST /v1/replication/pg2/resume',
    ),
  });
  await api.post('/v1/replication/pg2/resume', {}, admin);
  await eventually(async () => ((await state()) === 'streaming' ? true : undefined));
  expect(await cli('pg2')).toMatchObject({ code: 0, stdout: expect.stringContaining('equal') });
});

test('the endpoint is for administrators, answers at once, and tells keys but no values', async () => {
  await tamper();
  const path = '/v1/replication/pg2/verify';
  const refused = await api.post(path, {});
  expect({ status: refused.status, code: refused.body.code }).toEqual({ status: 400, code: 'access-denied' });
  expect((await api.get(path)).body.code).toBe('access-denied');
  const unknown = await api.post(path, { tables: ['nothing'] }, admin);
  expect({ status: unknown.status, code: unknown.body.code }).toEqual({ status: 404, code: 'not-found' });
  expect((await api.post(path, { repair: 'yes' }, admin)).body.code).toBe('parse-failed');
  const asked = await api.post(path, { tables: ['users'], repair: true }, admin);
  expect(asked.body.verifications).toMatchObject([
    { source: 'pg1', target: 'pg2', repair: true, tables: [] },
  ]);
  const done = await eventually(async () => {
    const url = `${api.url}${path}?id=${asked.body.verifications[0].id}&source=pg1`;
    const text = await (await fetch(url, { headers: admin })).text();
    return text.includes('"state":"done"') ? text : undefined;
  });
  expect(JSON.parse(done).verifications[0].tables).toMatchObject([
    { name: 'users', insert: 1, update: 1, delete: 1, repaired: 3, keys: { update: [['8']] } },
  ]);
  expect(done + replicator.log.join() + api.log.join()).not.toContain('hunter2');
});
