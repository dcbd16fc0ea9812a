import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { readCacheStatus } from '../../src/cache/status/status.ts';
import { FeedRig } from '../support/feed.ts';
import { poll } from '../support/poll.ts';
import { insertPosition, type TestDatabase } from '../support/postgres.ts';
import { once, type Pair, startPair, untilReplayed } from '../support/standby.ts';

// The source's primary dies, and its standby, which replays asynchronously, takes its place with the copies in it.

let rig: FeedRig | undefined;
let pair: Pair | undefined;

afterEach(async () => {
  await rig?.close();
  await pair?.[Symbol.asyncDispose]();
});

async function open(): Promise<{ rig: FeedRig; pair: Pair }> {
  pair = await startPair();
  rig = await FeedRig.open(
    ['create table item (id int primary key, n int)', 'insert into item select generate_series(1, 100), 0'],
    { item: [] },
  );
  rig.start({ sourceUrl: pair.database.url });
  await until('the copy', async () => (await copy())?.state === 'ready');
  return { rig, pair };
}

function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  return poll(what, isSo).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${rig?.log.slice(-20).join('\n')}`);
  });
}

async function copy(): Promise<{ relation: string; state: string; position: bigint | null } | null> {
  const feeds = await readCacheStatus({ query: (text) => (pair as Pair).database.query(text) }).then(
    (status) => status.feeds,
    () => null, // the address leads nowhere for a moment, or the schema is not there yet
  );
  const feed = feeds?.get('pg2');
  const [table] = feed?.tables ?? [];
  if (feed === undefined || table === undefined) return null;
  return { relation: table.relation ?? '', state: table.state.kind, position: feed.position };
}

/** Waits until the slot was told of everything that the target has written by now. */
async function told(feed: FeedRig): Promise<void> {
  const written = await insertPosition(feed.target);
  await until('the slot to be told', async () => {
    const slot = await feed.target.query<{ told: boolean }>(
      'select confirmed_flush_lsn >= $1::pg_lsn as told from pg_replication_slots where database = current_database()',
      [written],
    );
    return slot.rows[0]?.told === true;
  });
}

async function sameAsTarget(feed: FeedRig): Promise<void> {
  await until('the copy to be the same', async () => {
    const now = await copy();
    if (now?.state !== 'ready' || now.position === null) return false;
    const sql = (from: string): string =>
      `select md5(string_agg(id || ':' || n, ',' order by id)) as sum from ${from}`;
    const [there, here] = await Promise.all([
      feed.target.query(sql('item')),
      (pair as Pair).database.query(sql(`nearjoin."${now.relation}"`)),
    ]);
    return there.rows[0]?.['sum'] === here.rows[0]?.['sum'];
  });
}

/** Has somebody commit who waits for the standby. */
async function commitOthers({ database, primary }: Pair): Promise<void> {
  const client = new pg.Client({ connectionString: primary.url('postgres') });
  client.on('error', () => undefined); // the server is stopped meanwhile
  await client.connect();
  // Commits go by what the checkpointer has noted, which it does between two checkpoints.
  await database.query('checkpoint');
  client.query('create table mine (a int)').catch(() => undefined);
  await until('a commit to wait', async () => (await waiting(database)).length > 0);
}

/** Waits until the leader has renewed its lease, for all to see. */
async function renewed({ database }: Pair): Promise<void> {
  const { rows } = await database.query('select clock_timestamp()::text as now');
  await until('the lease to be renewed', async () => {
    const sql = 'select updated_at > $1 as renewed from nearjoin.feed';
    return (await database.query(sql, [rows[0]?.['now']])).rows[0]?.['renewed'] === true;
  });
}

/** The names of sessions that wait for the standby. */
async function waiting(database: TestDatabase): Promise<readonly string[]> {
  const { rows } = await database.query<{ name: string }>(
    `select application_name as name from pg_stat_activity where wait_event = 'SyncRep'`,
  );
  return rows.map(({ name }) => name);
}

test('a standby that commits are to wait for is not waited for; what it lacks of what the slot was told is made anew', async () => {
  const { rig: feed, pair: servers } = await open();
  const before = await copy();
  await untilReplayed(servers);
  await servers.database.query(`alter system set synchronous_standby_names = '*'`);
  await servers.database.query('select pg_reload_conf()');
  servers.cutOff();
  await commitOthers(servers);
  await feed.target.query('update item set n = 1 where id <= 50');
  await told(feed);
  await renewed(servers);
  expect(await waiting(servers.database)).toEqual(['']);
  await servers.failOver();
  const sql = 'select position::text from nearjoin.watermark order by seq desc limit 1';
  const [stored] = await once<{ position: string }>(servers.standby.url('postgres'), sql);
  expect(stored?.position).toBeDefined();
  await until('another copy', async () => {
    const now = await copy();
    return now?.state === 'ready' && now.relation !== before?.relation;
  });
  await sameAsTarget(feed);
  expect(feed.log.join()).toMatch(/the replication slot is at [0-9A-F/]+, past the cache's position/);
});

test('a standby that has all of it: the feed goes on there, without another copy', async () => {
  const { rig: feed, pair: servers } = await open();
  const before = await copy();
  await feed.target.query('update item set n = 1 where id <= 50');
  await told(feed);
  await untilReplayed(servers);
  await servers.failOver();
  await feed.target.query('update item set n = 2 where id <= 20');
  await sameAsTarget(feed);
  expect((await copy())?.relation).toBe(before?.relation);
});
