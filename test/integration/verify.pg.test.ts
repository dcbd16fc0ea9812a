import { afterEach, expect, test } from 'vitest';
import {
  findVerification,
  requestVerification,
  type Verification,
} from '../../src/cache/feed/verification.ts';
import type { TableRef } from '../../src/core/names.ts';
import { FeedRig } from '../support/feed.ts';
import { testServer } from '../support/postgres.ts';

// A cache is compared with its target while both change; the tests change the cache behind the replicator's back.

const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function rigOf(statements: readonly string[], tables: readonly string[]): Promise<FeedRig> {
  const rig = await FeedRig.open(statements, Object.fromEntries(tables.map((name) => [name, []])));
  undo.push(() => rig.close());
  rig.start();
  await rig.ready();
  return rig;
}

async function verify(
  rig: FeedRig,
  { repair = false, tables = null }: { repair?: boolean; tables?: readonly TableRef[] | null } = {},
): Promise<Verification> {
  const asked = await requestVerification(rig.source, 'pg2', { tables, repair, rowsPerSecond: null });
  let done: Verification | null = null;
  await rig.until('the comparison to end', async () => {
    done = await findVerification(rig.source, 'pg2', asked?.id ?? null);
    return done?.finishedAt !== null;
  });
  if (done === null) throw new Error('no comparison');
  return done;
}

async function cacheOf(rig: FeedRig, table: string): Promise<string> {
  const found = await rig.tableStatus(table);
  return `nearjoin."${found?.relation}"`;
}

const CLEAN = { insert: 0, update: 0, delete: 0, repaired: 0, unsettled: 0, reason: null, state: 'compared' };

test('a cache that equals its target is found so, whatever the types of its columns and key', async () => {
  const rig = await rigOf(
    [
      `create type mood as enum ('sad', 'glad')`,
      'create domain positive as int check (value > 0)',
      'create type pair as (a int, b text)',
      `create table thing (
        id uuid primary key, f4 real, f8 double precision, n numeric, j jsonb, js json, a text[], b bytea, m mood, p positive,
        c pair, ch char(5), t timestamptz, d date, i interval, r int4range, e text, h bit(3), o boolean, x inet, ms mood[],
        g int generated always as (1 + 1) stored)`,
      `insert into thing select gen_random_uuid(), v.f, v.f, v.n, '{"b": 1.50, "a": [null, "ü"]}', '{"b":  1}', array['a,"b', null, ''],
         '\\x00ff5c', 'glad', 7, row(1, 'a "b"')::pair, 'ab', v.t, '0044-03-15 BC', '1 year -2 days', '[1,5)', '', b'101', true, '10.0.0.1/8',
         '{glad,sad}'
       from (values ('NaN'::float4, 'NaN'::numeric, 'infinity'::timestamptz), ('-0', 1.10, '2024-02-29 12:34:56.789012+02'),
         ('Infinity', 1e40, '-infinity'), (0.1, -0.000, null)) v (f, n, t)`,
      'create table pairs (b text, a mood, n int, primary key (b, a))',
      `insert into pairs select 'k' || g, (enum_range(null::mood))[1 + g % 2], g from generate_series(1, 300) g`,
      'create table fixed (k char(8), at timestamptz(3), v text, primary key (at, k))',
      `insert into fixed select 'x' || g, now() + g * interval '1 ms', repeat('y', g) from generate_series(1, 300) g`,
      'create table part (id int primary key, v text) partition by range (id)',
      'create table part1 partition of part for values from (0) to (100)',
      'create table part2 (v text, id int primary key)',
      'alter table part attach partition part2 for values from (100) to (200)',
      `insert into part select g, 'v' || g from generate_series(0, 199) g`,
      'create table empty (id int primary key)',
    ],
    ['thing', 'pairs', 'fixed', 'part', 'empty'],
  );
  const { report, state } = await verify(rig);
  expect(state).toBe('done');
  expect(report.map(({ name, rows_compared }) => [name, rows_compared])).toEqual([
    ['empty', 0],
    ['fixed', 300],
    ['pairs', 300],
    ['part', 200],
    ['thing', 4],
  ]);
  for (const table of report) expect(table).toMatchObject(CLEAN);
});

/** Writes to the target until stopped, as fast as the cache follows. */
function writers(rig: FeedRig, statements: (() => string)[]): () => Promise<number> {
  let isOver = false;
  let count = 0;
  const running = statements.map(async (next) => {
    for (let round = 1; !isOver; round += 1) {
      await rig.target.query(next());
      count += 1;
      if (round % 50 === 0 && !isOver) await rig.caughtUp();
    }
  });
  const stop = async (): Promise<number> => {
    isOver = true;
    await Promise.all(running);
    return count;
  };
  undo.push(stop);
  return stop;
}

const SET_UP = [
  'create table item (id int primary key, n int not null, body text)',
  'alter table item alter column body set storage external',
  `insert into item select g, 0, repeat('x', case when g % 100 = 0 then 3000 else 10 end) from generate_series(1, 24000) g`,
  'create table word (w text primary key, n int not null)',
  `insert into word select md5(g::text), 0 from generate_series(1, 12000) g`,
];

/** None of the rows that the tests tamper with: those are below 1000. */
function busy(rig: FeedRig): () => Promise<number> {
  const any = (): number => 1001 + Math.floor(Math.random() * 23_000);
  let next = 100_000;
  return writers(rig, [
    () => `update item set n = n + 1 where id = ${any()}`,
    () => `update item set n = n + 1 where id between 5000 and 5003`,
    () =>
      `with gone as (delete from item where id = ${any()} returning *) insert into item select id + 1000000, n, body from gone`,
    () => `insert into item values (${(next += 1)}, 0, 'new'); delete from item where id = ${next}`,
    () => `update word set n = n + 1 where w in (select w from word where w like 'a${any() % 10}%' limit 3)`,
  ]);
}

test('heavy writes are never taken for differences', async () => {
  const rig = await rigOf(SET_UP, ['item', 'word']);
  const stop = busy(rig);
  for (let round = 0; round < 2; round += 1) {
    const { report, state, reason } = await verify(rig);
    expect({ state, reason }).toEqual({ state: 'done', reason: null });
    for (const table of report)
      expect(table).toMatchObject({ insert: 0, update: 0, delete: 0, state: 'compared' });
  }
  expect(await stop()).toBeGreaterThan(100);
});

test('rows that are wrong are found exactly while others change, and repaired when asked to', async () => {
  const rig = await rigOf(SET_UP, ['item', 'word']);
  const stop = busy(rig);
  const [item, word] = [await cacheOf(rig, 'item'), await cacheOf(rig, 'word')];
  await rig.source.query(`delete from ${item} where id in (3, 4, 500)`);
  await rig.source.query(`update ${item} set n = -1 where id in (7, 100)`);
  await rig.source.query(`update ${item} set body = null where id = 200`);
  await rig.source.query(
    `insert into ${item} values (-5, 0, 'nobody'), (50000, 0, 'nobody'), (2000000000, 0, 'nobody')`,
  );
  await rig.source.query(`delete from ${word} where w = md5('1')`);
  await rig.source.query(`update ${word} set n = 9 where w = md5('2')`);
  await rig.source.query(`insert into ${word} values ('~ last', 0), ('', 0)`);
  const found = await verify(rig);
  const keys = (table: 'item' | 'word', kind: 'insert' | 'update' | 'delete'): readonly string[] =>
    (found.report.find(({ name }) => name === table)?.keys[kind] ?? []).map((key) => key.join()).sort();
  expect(found.report).toMatchObject([
    { name: 'item', insert: 3, update: 3, delete: 3, repaired: 0 },
    { name: 'word', insert: 1, update: 1, delete: 2, repaired: 0 },
  ]);
  expect(keys('item', 'insert')).toEqual(['3', '4', '500']);
  expect(keys('item', 'update')).toEqual(['100', '200', '7']);
  expect(keys('item', 'delete')).toEqual(['-5', '2000000000', '50000']);
  expect(keys('word', 'delete')).toEqual(['', '~ last']);
  const repaired = await verify(rig, { repair: true });
  expect(repaired.report).toMatchObject([
    { name: 'item', insert: 3, update: 3, delete: 3, repaired: 9 },
    { name: 'word', insert: 1, update: 1, delete: 2, repaired: 4 },
  ]);
  await stop();
  await rig.caughtUp();
  for (const name of ['item', 'word']) {
    const { target, cache } = await rig.contents(name);
    expect(cache).toEqual(target);
  }
});

test('a table that is being copied or cannot be cached is said so, and the others are compared', async () => {
  const rig = await FeedRig.open(
    [
      'create table good (id int primary key)',
      'create table bad (id int)',
      'create table young (id int primary key)',
    ],
    { good: [] },
  );
  undo.push(() => rig.close());
  let isHeld = false;
  let release: () => void = () => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  undo.push(() => Promise.resolve(release()));
  rig.start({ onStep: async (step) => (isHeld && step === 'copy:rows-copied' ? released : undefined) });
  await rig.ready();
  isHeld = true;
  await rig.track({ good: [], bad: [], young: [] });
  const states = { bad: 'failed', young: 'copying' };
  for (const [name, state] of Object.entries(states))
    await rig.until(
      `${name} to be ${state}`,
      async () => (await rig.tableStatus(name))?.state.kind === state,
    );
  expect((await verify(rig)).report).toMatchObject([
    {
      name: 'bad',
      state: 'skipped',
      reason: expect.stringContaining('it is not cached: it has no primary key'),
    },
    { name: 'good', state: 'compared' },
    { name: 'young', state: 'skipped', reason: 'it is being copied (copying)' },
  ]);
  release();
  await rig.until('young to be ready', async () => (await rig.tableStatus('young'))?.state.kind === 'ready');
  const wanted = { tables: [{ schema: 'public', name: 'young' }] };
  expect((await verify(rig, wanted)).report).toMatchObject([{ name: 'young', ...CLEAN }]);
});

test('a table that may not be read fails by itself, with the reason', async () => {
  const rig = await FeedRig.open(
    [
      'create table good (id int primary key)',
      'create table secret (id int primary key, v text)',
      `insert into secret values (1, 'x')`,
    ],
    { good: [], secret: [] },
  );
  undo.push(() => rig.close());
  const role = `${rig.target.name}_role`;
  await rig.target.query(`create role ${role} login replication password 'pw'`);
  await rig.target.query(`grant create on database ${rig.target.name} to ${role}`);
  await rig.target.query(`alter table good owner to ${role}`);
  await rig.target.query(`alter table secret owner to ${role}`);
  undo.push(() =>
    rig.target.query(`reassign owned by ${role} to current_user; drop owned by ${role}; drop role ${role}`),
  );
  const url = new URL(rig.target.url);
  url.username = role;
  url.password = 'pw';
  const supervisor = rig.start({ targetUrl: url.href, limits: { schemaPollMs: 600_000 } });
  undo.push(() => supervisor.stop());
  await rig.ready();
  await rig.target.query(`alter table secret owner to current_user; revoke all on secret from ${role}`);
  const { report } = await verify(rig);
  const [good, secret] = report;
  expect(good).toMatchObject({ name: 'good', state: 'compared' });
  expect(secret?.reason).toMatch(/may not read it|permission denied for table secret/);
});

test('servers that sort texts differently agree about the rows', async () => {
  const target = testServer('target');
  const rig = await rigOf(
    [
      `create table word (w text collate "und-x-icu" primary key, n int)`,
      `insert into word select w, row_number() over () from unnest(array['a', 'B', 'A', 'b', 'ä', 'Z', 'z', '-', '_a', 'é', 'e', 'É', '']) w`,
      `insert into word select chr(97 + g % 26) || g, g from generate_series(1, 500) g`,
    ],
    ['word'],
  );
  expect(target.version).toBeGreaterThanOrEqual(14);
  const relation = await cacheOf(rig, 'word');
  const { rows } = await rig.source.query<{ first: string }>(
    `select w as first from ${relation} where w > '' order by w limit 1`,
  );
  const there = await rig.target.query<{ first: string }>(
    `select w as first from word where w > '' order by w limit 1`,
  );
  expect(rows[0]?.first).not.toBe(there.rows[0]?.first);
  expect((await verify(rig)).report).toMatchObject([{ ...CLEAN, rows_compared: 513 }]);
  await rig.source.query(`delete from ${relation} where w = 'ä'`);
  await rig.source.query(`insert into ${relation} values ('Å', 1)`);
  const { report } = await verify(rig);
  expect(report).toMatchObject([{ insert: 1, delete: 1, keys: { insert: [['ä']], delete: [['Å']] } }]);
});

test('a feed interrupted in the middle of a comparison makes it again', async () => {
  const rig = await rigOf(SET_UP, ['item', 'word']);
  const asked = await requestVerification(rig.source, 'pg2', {
    tables: null,
    repair: false,
    rowsPerSecond: 25_000,
  });
  const state = async (): Promise<string | undefined> =>
    (await findVerification(rig.source, 'pg2', asked?.id ?? null))?.state;
  // Where nobody looked for seconds it may have ended.
  await rig.until('it to run', async () => ['running', 'done'].includes((await state()) ?? ''));
  await rig.target.query(
    'select pg_terminate_backend(active_pid) from pg_replication_slots where database = current_database() and active',
  );
  await rig.until('it to end', async () => (await state()) === 'done');
  const done = await findVerification(rig.source, 'pg2', asked?.id ?? null);
  for (const table of done?.report ?? []) expect(table).toMatchObject(CLEAN);
});
