import { afterEach, expect, test } from 'vitest';
import { postgresConnector } from '../../connectors/postgres/connector.ts';
import { WirePool } from '../../src/read/wire/pool.ts';
import { SpareBuffers } from '../../src/read/wire/spare-buffers.ts';
import { silentLog } from '../support/connector.ts';
import { FeedRig } from '../support/feed.ts';
import { poll } from '../support/poll.ts';
import { hasTestServer, testServer } from '../support/postgres.ts';
import { POSTGRES_15 } from '../support/servers.ts';
import { once, type Pair, type PairOptions, startPair, untilReplayed } from '../support/standby.ts';

// A target whose primary dies and whose standby is promoted: another timeline of the same history, or a fork of it.

let rig: FeedRig | undefined;
let pair: Pair | undefined;

afterEach(async () => {
  await rig?.close();
  await pair?.[Symbol.asyncDispose]();
});

const SET_UP = ['create table item (id int primary key)', 'insert into item select generate_series(1, 100)'];

async function open(options: PairOptions = {}): Promise<{ rig: FeedRig; pair: Pair }> {
  pair = await startPair(options);
  rig = await FeedRig.open(SET_UP, { item: [] }, pair.database);
  rig.start();
  await rig.ready();
  await rig.caughtUp();
  return { rig, pair };
}

/** A session that rows of a target are read over. */
function readers(url: string): WirePool {
  return new WirePool({
    url,
    size: 1,
    loans: () => 1,
    loanTimeoutMs: 5000,
    connectTimeoutMs: 5000,
    silenceMs: 5000,
    statementTimeoutMs: 20_000,
    rowLimit: 1_000_000,
    statementLimit: 10,
    asksHistory: true,
    buffers: new SpareBuffers(),
  });
}

async function timeline(feed: FeedRig): Promise<unknown> {
  return (await feed.source.query('select timeline from nearjoin.feed')).rows[0]?.['timeline'];
}

/** Standbys do from Postgres 17 on. */
const KEEPS_SLOTS = testServer('target').version >= 17;

test.skipIf(!KEEPS_SLOTS)(
  'a standby that kept the slot and all the cache has: the cache goes on',
  async () => {
    const { rig: feed, pair: servers } = await open();
    await awaited(servers, 'standby');
    const before = (await feed.tableStatus('item'))?.relation;
    await feed.until('the standby to keep the slot', async () => {
      const kept = `select from pg_replication_slots where slot_type = 'logical' and synced and not temporary`;
      return (await once(servers.standby.url('postgres'), kept)).length === 1;
    });
    await away(feed, servers);
    await feed.target.query('delete from item where id <= 10');
    await feed.caughtUp();
    await untilReplayed(servers);
    // Until it is promoted it cannot be followed, and says so.
    const early = postgresConnector({
      url: servers.standby.url('postgres'),
      name: 'early',
      log: { ...silentLog },
    });
    await expect(early.identify()).rejects.toMatchObject({
      failure: 'unfit',
      message: 'the target is a standby: connect to its primary',
    });
    await early.close();
    const pool = readers(servers.standby.url('postgres'));
    const history = async () =>
      (await pool.answers([{ text: 'select 1', values: [] }], { signal: null, prepared: true })).history;
    expect(await history()).toBeNull();
    await servers.failOver();
    // Which history is written is not asked for each answer; the session of before must not go on without.
    expect(await history()).toMatch(/\.2$/);
    await pool.close();
    await once(servers.standby.url('postgres'), 'insert into item values (1000)');
    await feed.until('streaming', async () => (await timeline(feed)) === 2);
    await feed.caughtUp();
    const { target, cache } = await feed.contents('item');
    expect(cache).toEqual(target);
    expect(cache).toHaveLength(91);
    expect((await feed.tableStatus('item'))?.relation).toBe(before);
  },
);

/** The primary keeps back what the standbys of these slots lack. */
async function awaited({ primary }: Pair, slots: string): Promise<void> {
  await once(primary.url('postgres'), `alter system set synchronized_standby_slots = ${slots}`);
  await once(primary.url('postgres'), 'select pg_reload_conf()');
  // A new session has it once all others were told.
  await poll('the setting', async () => {
    const ask = `select current_setting('synchronized_standby_slots') as slots`;
    const [set] = await once<{ slots: string }>(primary.url('postgres'), ask);
    return set?.slots === slots;
  });
}

/** Another standby is away for a while: nothing that it lacks is sent, which the status says. */
async function away(feed: FeedRig, servers: Pair): Promise<void> {
  await once(servers.primary.url('postgres'), `select pg_create_physical_replication_slot('other')`);
  await awaited(servers, 'standby, other');
  await feed.target.query('insert into item values (0)');
  const told = async (): Promise<string> => (await feed.status())?.reason ?? '';
  await feed.until('the reason', async () => (await told()).includes('is "standby, other" there'));
  expect((await feed.status())?.state).toBe('retrying');
  expect((await feed.contents('item')).cache).toHaveLength(100);
  await awaited(servers, 'standby');
  await feed.caughtUp();
  await feed.until('streaming', async () => (await feed.status())?.state === 'streaming');
  expect((await feed.status())?.reason).toBeNull();
  await feed.target.query('delete from item where id = 0');
}

test.skipIf(!KEEPS_SLOTS)('a standby that was behind the cache: what it lost is served no more', async () => {
  const { rig: feed, pair: servers } = await open();
  const before = (await feed.tableStatus('item'))?.relation;
  await untilReplayed(servers);
  servers.cutOff();
  await feed.target.query('insert into item values (500)');
  await feed.caughtUp();
  expect((await feed.contents('item')).cache).toHaveLength(101);
  await servers.failOver();
  // As much as was lost, and more: the new history goes past the cache's position before anybody looks.
  await once(servers.standby.url('postgres'), 'insert into item select generate_series(2001, 3000)');
  await feed.copiedAgain('item', before);
  await feed.caughtUp();
  const { target, cache } = await feed.contents('item');
  expect(cache).toEqual(target);
  expect(cache).toHaveLength(1100);
  expect(feed.log.join()).toContain('failed over, from timeline 1 to 2, which began at');
});

test.skipIf(KEEPS_SLOTS && !hasTestServer('target15'))(
  'a standby of an older Postgres, which keeps no slots: the cache is no longer used, and copied again over a new slot',
  async () => {
    const { rig: feed, pair: servers } = await open(KEEPS_SLOTS ? { binDirectory: POSTGRES_15 } : {});
    const before = (await feed.tableStatus('item'))?.relation;
    await feed.target.query('delete from item where id <= 10');
    await feed.caughtUp();
    await untilReplayed(servers);
    await servers.failOver();
    await once(servers.standby.url('postgres'), 'insert into item values (1000)');
    await feed.copiedAgain('item', before);
    await feed.caughtUp();
    const { target, cache } = await feed.contents('item');
    expect(cache).toEqual(target);
    expect(cache).toHaveLength(91);
    expect(await timeline(feed)).toBe(2);
    expect(feed.log.join()).toContain('failed over, from timeline 1 to 2, without the replication slot');
    const slots = await once<{ name: string }>(
      servers.standby.url('postgres'),
      `select slot_name as name from pg_replication_slots where slot_type = 'logical' and not temporary`,
    );
    expect(slots).toHaveLength(1);
  },
);
