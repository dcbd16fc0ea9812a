import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type DatabaseBook, Databases } from '../../src/read/databases.ts';
import { DEFAULT_READ_SETTINGS } from '../../src/read/settings.ts';
import { StatusBoard } from '../../src/read/status-board.ts';
import { SpareBuffers } from '../../src/read/wire/spare-buffers.ts';
import { TestLane } from '../support/lane.ts';
import { toOne } from '../support/leading-to.ts';
import { poll } from '../support/poll.ts';
import { createDatabase, dropInUse, type TestDatabase } from '../support/postgres.ts';
import { startProxy } from '../support/proxy.ts';
import { ask } from '../support/wire-rig.ts';

// What reads do where little is known of caches, and where what was known of databases is no longer so.

const USER = toOne('user', 'user', { user_id: 'id' });
const TABLES = { pg1: [{ table: 'order', remote_relationships: [USER] }], pg2: [{ table: 'user' }] };
const QUERY = '{ order { id user { name } } }';
const SETTINGS = { maxStalenessMs: 600_000, waitMs: 100, pollMs: 600_000 };

let pg1: TestDatabase;
let pg2: TestDatabase;
let lane: TestLane;

beforeAll(async () => {
  [pg1, pg2] = await Promise.all([
    createDatabase('source', [
      'create table "order" (id int primary key, user_id int)',
      'insert into "order" values (1, 10)',
    ]),
    createDatabase('target', [
      'create table "user" (id int primary key, name text not null)',
      `insert into "user" values (10, 'Ada')`,
    ]),
  ]);
  lane = await TestLane.open({ pg1, pg2 }, TABLES, SETTINGS);
});

beforeEach(async () => {
  await dropInUse(pg1, 'schema if exists nearjoin');
  await lane.fillCaches();
  await lane.lane.refresh('pg1');
});

afterAll(async () => {
  await lane?.close();
  await Promise.all([pg1?.drop(), pg2?.drop()]);
});

async function route(fallback: 'live' | 'stale' | 'wait' | 'error' = 'live'): Promise<string> {
  const { text, targets } = await lane.query(QUERY, { freshness: { fallback } });
  expect(text).toBe('{"order":[{"id":1,"user":{"name":"Ada"}}]}');
  return targets.map(({ route: way, detail, stalenessMs }) => `${way} ${detail} ${stalenessMs}`).join();
}

test('while the state of the caches cannot be read, none is an answer', async () => {
  expect(await route()).toMatch(/^cache fresh/);
  await pg1.query('alter table nearjoin.cache_table rename column relation to renamed');
  await lane.lane.refresh('pg1');
  expect([await route('live'), await route('stale')]).toEqual([
    'live status-unknown 0',
    'live status-unknown 0',
  ]);
  await expect(route('error')).rejects.toMatchObject({ message: expect.stringContaining('is not known') });
});

test('a cache of which nobody knows the age is of no age', async () => {
  await pg1.query('update nearjoin.watermark set fresh_as_of = null');
  expect(await route('stale')).toBe('cache stale-allowed null');
  expect(await route('live')).toBe('live lagging 0');
});

test('a cache that is still being copied when the time is up is waited for no longer', async () => {
  await pg1.query(`update nearjoin.cache_table set state = 'copying'`);
  await lane.lane.refresh('pg1');
  await expect(route('wait')).rejects.toMatchObject({
    code: 'not-fresh',
    message: expect.stringContaining('still being copied'),
  });
});

test('a database that moves is read where it is now, and followed no more once it has gone', async () => {
  const moved = await createDatabase('source', ['create table nearby (id int)']);
  let urls = new Map([['pg1', pg1.url]]);
  const book: DatabaseBook = { current: () => ({ urls, catalog: { sources: new Map() } }) };
  const databases = new Databases(book, DEFAULT_READ_SETTINGS, new SpareBuffers());
  const board = new StatusBoard(
    databases,
    { ...DEFAULT_READ_SETTINGS, pollMs: 20 },
    { warn: () => undefined },
  );
  const where = (): Promise<unknown> => ask(databases.source('pg1'), 'select current_database()');
  try {
    expect(await where()).toBe(pg1.name);
    expect((await board.known('pg1'))?.status.feeds.size).toBe(1);
    urls = new Map([['pg1', moved.url]]);
    expect(await where()).toBe(moved.name);
    await poll('the state to be of the other database', () => board.peek('pg1')?.status.feeds.size === 0);
    urls = new Map();
    await poll('the source to be forgotten', () => board.peek('pg1') === null);
  } finally {
    await board.close();
    await databases.close();
    await moved.drop();
  }
});

test('a source that has fallen silent keeps nobody from ending', async () => {
  const proxy = await startProxy(pg1.server);
  const book: DatabaseBook = {
    current: () => ({ urls: new Map([['pg1', proxy.through(pg1.url)]]), catalog: { sources: new Map() } }),
  };
  const databases = new Databases(book, DEFAULT_READ_SETTINGS, new SpareBuffers());
  const board = new StatusBoard(
    databases,
    { ...DEFAULT_READ_SETTINGS, pollMs: 600_000 },
    { warn: () => undefined },
  );
  try {
    expect((await board.known('pg1'))?.status.feeds.size).toBe(1);
    proxy.setMode('black-hole');
    await board.close();
  } finally {
    await databases.close();
    await proxy.close();
  }
});
