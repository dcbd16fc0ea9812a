import { getEventListeners } from 'node:events';
import pg from 'pg';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { requestResync } from '../../src/cache/feed/requests.ts';
import { readCacheStatus } from '../../src/cache/status/status.ts';
import { formatLsn, type Lsn } from '../../src/core/position/lsn.ts';
import { databaseApart } from '../support/apart.ts';
import { FeedRig } from '../support/feed.ts';
import { dropSlots, insertPosition } from '../support/postgres.ts';
import { startProxy } from '../support/proxy.ts';

let rig: FeedRig;

afterEach(() => rig?.close());

const ITEM = 'create table item (id int primary key, n int, name varchar(20))';
/** Takes no other leader for dead while a test goes on. */
const PATIENT = { leaderStaleMs: 600_000 };
const ROWS = `insert into item select g, g, 'name ' || g from generate_series(1, 100) g`;

async function open(
  more: readonly string[] = [],
  tracked: Record<string, string[][]> = { item: [] },
): Promise<FeedRig> {
  rig = await FeedRig.open([ITEM, ROWS, ...more], tracked);
  return rig;
}

async function same(name = 'item'): Promise<number> {
  await rig.ready();
  await rig.caughtUp();
  let rows = 0;
  await rig.until(`${name} to be the same`, async () => {
    // It may be given up meanwhile, and made again.
    const found = await rig.contents(name).catch(() => null);
    rows = found?.cache.length ?? 0;
    return found !== null && JSON.stringify(found.target) === JSON.stringify(found.cache);
  });
  return rows;
}

/** A copy of the source as it is now, which ends every connection to the source; it lasts as long as the test. */
async function copyOfSource(): Promise<{ readonly url: string; readonly client: pg.Client }> {
  const { name, server } = rig.source;
  const admin = new pg.Client({ connectionString: server.url('postgres') });
  await admin.connect();
  await admin.query('select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1', [
    name,
  ]);
  // The way that writes no log, which is the only one before Postgres 15.
  const byFiles = server.version >= 15 ? ' strategy file_copy' : '';
  await admin.query(`create database ${name}_copy template ${name}${byFiles}`);
  const url = server.url(`${name}_copy`);
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  onTestFinished(async () => {
    await client.end();
    await admin.query(`drop database ${name}_copy with (force)`);
    await admin.end();
  });
  return { url, client };
}

async function slots(): Promise<readonly { slot_name: string; active_pid: number | null }[]> {
  const { rows } = await rig.target.query<{ slot_name: string; active_pid: number | null }>(
    `select slot_name, active_pid from pg_replication_slots where database = current_database() and not temporary`,
  );
  return rows;
}

async function relation(name = 'item'): Promise<string> {
  return (await rig.tableStatus(name))?.relation ?? '';
}

async function position(): Promise<bigint> {
  return (await rig.status())?.position ?? 0n;
}

test('changes made while nobody reads are there after a restart, without another copy', async () => {
  await open();
  const first = rig.start();
  await rig.ready();
  await rig.caughtUp();
  const before = await relation();
  await first.stop();
  await rig.target.query('update item set n = -n where id <= 50');
  await rig.target.query('delete from item where id > 90');
  rig.start();
  expect(await same()).toBe(90);
  expect(await relation()).toBe(before);
});

test('one of two supervisors leads; the other takes over', async () => {
  await open();
  const first = rig.start({ limits: PATIENT });
  await rig.ready();
  const leaders = async (): Promise<{ leader: string; epoch: string }> => {
    const { rows } = await rig.source.query<{ leader: string; epoch: string }>(
      'select leader, epoch from nearjoin.feed',
    );
    return rows[0] ?? { leader: '', epoch: '' };
  };
  const before = await leaders();
  rig.start({ limits: PATIENT });
  await rig.target.query('delete from item where id = 1');
  await rig.caughtUp();
  expect(await leaders()).toEqual(before);
  await first.stop();
  await rig.target.query('delete from item where id = 2');
  expect(await same()).toBe(98);
  expect(Number((await leaders()).epoch)).toBe(Number(before.epoch) + 1);
});

test('a leader that hangs is replaced, and can write nothing afterwards', async () => {
  await open();
  let hang: (() => void) | null = null;
  let isHung = false;
  const hung = new Promise<void>((resolve) => {
    hang = resolve;
  });
  let armed = false;
  rig.start({
    onStep: async (step) => {
      if (step !== 'apply:rows-written' || !armed) return;
      isHung = true;
      await hung;
    },
  });
  await rig.ready();
  await rig.caughtUp();
  armed = true;
  await rig.target.query('update item set n = n + 1000 where id = 1');
  await rig.until('the leader to hang in its transaction', () => Promise.resolve(isHung));
  // Its other session still renews the lease, so it is not replaced: silence it as a stopped process would be.
  await rig.source.query(
    `update nearjoin.feed set epoch = epoch + 0, updated_at = clock_timestamp() - interval '1 hour'`,
  );
  const { rows } = await rig.source.query<{ pid: number }>('select leader_pid as pid from nearjoin.feed');
  rig.start();
  await rig.source.query('select pg_terminate_backend($1)', [rows[0]?.pid]);
  await same();
  armed = false;
  (hang as (() => void) | null)?.();
  await rig.target.query('update item set n = n + 1000 where id = 1');
  expect(await same()).toBe(100);
  const { cache } = await rig.contents('item');
  expect(cache.find((row) => row.startsWith('{"id":1,'))).toContain('"n":2001');
});

test('the watermark moves on an idle target, and the slot is told', async () => {
  await open();
  rig.start();
  await rig.ready();
  const fresh = async (): Promise<number> => (await rig.status())?.freshAsOf ?? 0;
  const before = await fresh();
  await rig.until('the watermark to move', async () => (await fresh()) > before);
  await rig.until('it to be fresh', async () => {
    const { now, feeds } = await readCacheStatus({ query: (text) => rig.source.query(text) });
    return now - (feeds.get('pg2')?.freshAsOf ?? 0) < 2_000_000;
  });
  await rig.target.query(`select pg_logical_emit_message(false, 'test', repeat('x', 100000))`);
  const written = await insertPosition(rig.target);
  await rig.until('the slot to move', async () => {
    const moved = await rig.target.query<{ moved: boolean }>(
      'select confirmed_flush_lsn >= $1::pg_lsn as moved from pg_replication_slots where database = current_database()',
      [written],
    );
    return moved.rows[0]?.moved === true;
  });
});

test('probes are told in memory, with positions the cache has', async () => {
  await open();
  rig.start();
  await rig.ready();
  const seen = rig.probes.length;
  await rig.until('probes', () => Promise.resolve(rig.probes.length > seen + 5));
  const stored = await position();
  const early = rig.probes.slice(0, seen + 5);
  expect(early.every((probe) => probe.position <= stored)).toBe(true);
});

test('the watermark moves on writes to other tables and inside a huge open transaction', async () => {
  await open(['create table noise (id int, body text)']);
  rig.start();
  await rig.ready();
  const client = new pg.Client({ connectionString: rig.target.url });
  await client.connect();
  await client.query('begin');
  await client.query(`insert into noise select g, repeat('x', 500) from generate_series(1, 30000) g`);
  const written = await insertPosition(rig.target);
  await rig.until('the watermark to pass the open transaction', async () => {
    const passed = await rig.source.query<{ passed: boolean }>(
      'select position >= $1::pg_lsn as passed from nearjoin.watermark order by seq desc limit 1',
      [written],
    );
    return passed.rows[0]?.passed === true;
  });
  await client.query('rollback');
  await client.end();
});

test('a black-holed connection lets the cache grow old; it recovers', async () => {
  await open();
  await using proxy = await startProxy(rig.target.server);
  rig.start({
    targetUrl: proxy.through(rig.target.url),
    timings: {
      connectMs: 1_000,
      statementMs: 1_500,
      tickMs: 200,
      silenceMs: 1_500,
      walSenderTimeoutMs: 2_000,
    },
  });
  await rig.ready();
  proxy.setMode('black-hole');
  await rig.target.query('delete from item where id = 1');
  await rig.until('the failure to be told', async () => (await rig.status())?.state === 'retrying');
  const before = (await rig.status())?.freshAsOf;
  const again = (await rig.status())?.freshAsOf;
  expect(again).toBe(before);
  expect((await rig.contents('item')).cache).toHaveLength(100);
  proxy.setMode('forward');
  expect(await same()).toBe(99);
});

test('a walsender that is ended is followed by another, and nothing waits for its end any more', async () => {
  // Node 20 never lets go of a signal made of others while it has a listener, nor of what that holds.
  const combine = vi.spyOn(AbortSignal, 'any');
  await open();
  const supervisor = rig.start();
  await rig.ready();
  const [slot] = await slots();
  await rig.target.query('select pg_terminate_backend($1)', [slot?.active_pid]);
  await rig.target.query('delete from item where id = 1');
  expect(await same()).toBe(99);
  await supervisor.stop();
  const combined = combine.mock.results.map(({ value }) => value as AbortSignal);
  combine.mockRestore();
  expect(combined.length).toBeGreaterThan(0);
  expect(combined.flatMap((signal) => getEventListeners(signal, 'abort'))).toEqual([]);
});

test('a dropped slot makes the cache unusable at once, then it is built anew', async () => {
  await open();
  const first = rig.start();
  await rig.ready();
  await first.stop();
  const before = await relation();
  await dropSlots(rig.target);
  await rig.target.query('delete from item where id = 1');
  const seen: unknown[] = [];
  rig.start({
    onStep: async (step) => {
      if (step === 'rebuild:invalidated') seen.push((await rig.status())?.position);
      if (step === 'rebuild:dropped') seen.push((await rig.status())?.tables.map((each) => each.state.kind));
    },
  });
  await rig.until('another copy', async () => (await relation()) !== before);
  expect(await same()).toBe(99);
  // A slot that takes too long to make is begun anew.
  expect(seen.slice(0, 2)).toEqual([null, ['pending']]);
});

test('a cache of another history is built anew', async () => {
  await open();
  const first = rig.start();
  await rig.ready();
  await first.stop();
  const before = await relation();
  await rig.source.query('update nearjoin.feed set timeline = timeline + 1');
  rig.start();
  await rig.until('another copy', async () => (await relation()) !== before);
  expect(await same()).toBe(100);
});

test('copies of many tables are given up some at a time, as a server has so many locks only', async () => {
  const names = Array.from({ length: 102 }, (_, at) => `t${at}`);
  const made = names.map((name) => `create table ${name} (id int primary key)`).join('; ');
  await open([made], Object.fromEntries(names.map((name) => [name, []])));
  const writers = async (): Promise<unknown> => {
    const counted = 'count(*)::int as tables, count(distinct xmin::text)::int as transactions';
    return (await rig.source.query(`select ${counted} from nearjoin.cache_table`)).rows[0];
  };
  const first = rig.start();
  await rig.until('the tables to be noted', async () => (await rig.status())?.tables.length === 102);
  await first.stop();
  await dropSlots(rig.target);
  let found: unknown;
  rig.start({
    onStep: async (step) => {
      if (step === 'rebuild:dropped') found = await writers();
    },
  });
  await rig.until('all copies to be dropped', () => Promise.resolve(found !== undefined));
  expect(found).toEqual({ tables: 102, transactions: 2 });
  await rig.until('the stream', async () => (await rig.status())?.state === 'streaming');
  await rig.source.query(`create table gone (xid xid8)`);
  await rig.source.query(`create function note() returns trigger language plpgsql as
    $$ begin insert into gone values (pg_current_xact_id()); return null; end $$`);
  await rig.source.query(
    'create trigger note after delete on nearjoin.cache_table for each row execute function note()',
  );
  await rig.track({ t0: [] });
  await rig.until('the others to go', async () => (await rig.status())?.tables.length === 1);
  const { rows } = await rig.source.query('select count(*)::int as tables from gone group by xid order by 1');
  expect(rows).toEqual([{ tables: 1 }, { tables: 100 }]);
});

test('too much retained log while the source is away: the slot goes, and the cache is built anew afterwards', async () => {
  rig = await FeedRig.open([ITEM, ROWS], { item: [] }, await databaseApart());
  await using proxy = await startProxy(rig.source.server);
  rig.start({
    limits: { maxRetainedWalBytes: 4 * 1024 * 1024 },
    sourceUrl: proxy.through(rig.source.url),
  });
  await rig.ready();
  const before = await relation();
  proxy.setMode('refuse');
  proxy.reset();
  for (let n = 0; n < 8; n += 1) {
    await rig.target.query(`select pg_logical_emit_message(false, 'test', repeat('x', 1000000))`);
  }
  await rig.until('the slot to be dropped', async () => (await slots()).length === 0);
  await rig.target.query('delete from item where id = 1');
  proxy.setMode('forward');
  await rig.until('another copy', async () => (await relation()) !== before);
  expect(await same()).toBe(99);
});

test('a source restored from a backup is behind its slot: its cache is built anew', async () => {
  await open();
  const first = rig.start();
  await rig.ready();
  await rig.caughtUp();
  const before = await relation();
  await first.stop();
  const backup = await copyOfSource();
  const second = rig.start();
  await rig.target.query('delete from item where id <= 50');
  expect(await same()).toBe(50);
  const acknowledged = await position();
  await rig.until('the slot to be told', async () => {
    const { rows } = await rig.target.query<{ told: boolean }>(
      `select confirmed_flush_lsn >= $1::pg_lsn as told from pg_replication_slots where database = current_database()`,
      [formatLsn(acknowledged as Lsn)],
    );
    return rows[0]?.told === true;
  });
  await second.stop();
  const third = rig.start({ sourceUrl: backup.url });
  await rig.until('the gap to be found', () =>
    Promise.resolve(rig.log.some((line) => line.includes("past the cache's position"))),
  );
  await rig.until('the copy', async () => {
    const { rows } = await backup.client.query<{ relation: string }>(
      `select relation from nearjoin.cache_table where state = 'ready' and relation <> $1`,
      [before],
    );
    const [made] = rows;
    return (
      made !== undefined &&
      (await backup.client.query(`select from nearjoin."${made.relation}"`)).rowCount === 50
    );
  });
  await third.stop();
});

test('a leader whose connection went dead without a word is replaced, and writes nothing when it wakes', async () => {
  await open();
  await using proxy = await startProxy(rig.source.server);
  rig.start({ sourceUrl: proxy.through(rig.source.url), limits: PATIENT });
  await rig.ready();
  const epoch = async (): Promise<number> =>
    Number((await rig.source.query('select epoch from nearjoin.feed')).rows[0]?.['epoch']);
  const before = await epoch();
  rig.start();
  proxy.setMode('black-hole');
  await rig.until('another leader', async () => (await epoch()) > before);
  await rig.target.query('delete from item where id = 1');
  expect(await same()).toBe(99);
  const after = await epoch();
  proxy.setMode('forward');
  await rig.target.query('delete from item where id = 2');
  expect(await same()).toBe(98);
  expect(await epoch()).toBe(after);
});

test('resync of one table copies that one; resync of all builds everything anew', async () => {
  await open(['create table other (id int primary key)'], { item: [], other: [] });
  rig.start();
  await rig.ready();
  const [item, other] = [await relation(), await relation('other')];
  expect(await requestResync(rig.source, 'pg2', [{ schema: 'public', name: 'item' }])).toBe(true);
  await rig.until('another copy', async () => (await relation()) !== item);
  await rig.ready();
  expect(await relation('other')).toBe(other);
  expect(await requestResync(rig.source, 'pg2')).toBe(true);
  await rig.until('other copies', async () => (await relation('other')) !== other);
  await rig.ready();
  expect(await same()).toBe(100);
  expect(await requestResync(rig.source, 'nobody')).toBe(false);
});

const NO_ROOM = `language plpgsql as $$ begin
  raise exception 'could not extend file "base/1/2": No space left on device' using errcode = 'disk_full'; end $$`;

test('a source without room is left alone for a while, says why, and goes on where it was', async () => {
  await open();
  rig.start({ limits: { unfitRetryMs: 700 } });
  await rig.ready();
  const before = await relation();
  await rig.source.query(`create function no_room() returns trigger ${NO_ROOM};
    create trigger no_room before insert or update on nearjoin."${before}" execute function no_room()`);
  await rig.target.query('update item set n = 0 where id = 1');
  const reason = 'the disk of the source database is full: could not extend file';
  await rig.until('the reason', async () => {
    const status = await rig.status();
    return status?.state === 'retrying' && status.reason?.startsWith(reason) === true;
  });
  expect(rig.log.filter((line) => line.includes(reason)).join()).toContain('"pauseMs":700');
  await rig.source.query('drop function no_room cascade');
  expect(await same()).toBe(100);
  expect(await relation()).toBe(before);
});

test('a copy that finds no room is not tried again at once', async () => {
  await open();
  await rig.source.query(`create function no_room() returns event_trigger ${NO_ROOM}`);
  // Longer than any other failure rests for the first time.
  const unfitRetryMs = 3_000;
  const first = rig.start({ limits: { unfitRetryMs } });
  await rig.ready();
  await rig.source.query(`create event trigger no_room on ddl_command_start when tag in ('CREATE TABLE')
    execute function no_room()`);
  const asked = performance.now();
  await requestResync(rig.source, 'pg2', [{ schema: 'public', name: 'item' }]);
  await rig.until('the copy to fail', async () => {
    const state = (await rig.tableStatus('item'))?.state;
    return state?.kind === 'failed' && state.reason.includes('the disk of the source database');
  });
  await rig.source.query('drop event trigger no_room');
  expect(await same()).toBe(100);
  expect(performance.now() - asked).toBeGreaterThan(unfitRetryMs);
  await first.stop();
});

test('a table that somebody has locked is looked at without waiting: freshness is proved meanwhile', async () => {
  await open();
  // Whoever waited for the lock would wait for longer than this test.
  const timings = { lockMs: 600_000, statementMs: 600_000 };
  rig.start({ limits: { schemaPollMs: 100 }, timings });
  await rig.ready();
  const locking = new pg.Client({ connectionString: rig.target.url });
  await locking.connect();
  await locking.query('begin');
  await locking.query('lock table item in access exclusive mode');
  const before = rig.probes.length;
  await rig.until('proofs', () => Promise.resolve(rig.probes.length >= before + 12));
  await locking.query('rollback');
  await locking.end();
});

test('a clone of the source leaves the slot to who reads from it, says so, and takes it when that one has ended', async () => {
  await open();
  const first = rig.start();
  await rig.ready();
  await first.stop();
  const clone = await copyOfSource();
  const original = rig.start();
  // Only who reads from the slot has this.
  await rig.target.query('update item set n = n + 1 where id = 1');
  await rig.caughtUp();
  const before = await relation();
  const timings = { walSenderTimeoutMs: 1_000, tickMs: 200 };
  const other = rig.start({ sourceUrl: clone.url, timings });
  const told = async (): Promise<string> => {
    const { rows } = await clone.client.query('select state, reason from nearjoin.feed');
    return `${rows[0]?.state}: ${rows[0]?.reason}`;
  };
  const said =
    /^failed: slot nearjoin_.*stop the replicators .*update nearjoin\.installation set id = gen_random_uuid\(\), owner = null, and start them again/s;
  await rig.until('the clone to say so', async () => said.test(await told()));
  await rig.target.query('delete from item where id = 1');
  expect(await same()).toBe(99);
  expect(await relation()).toBe(before);
  await original.stop();
  await rig.until('the clone to stream', async () => (await told()).startsWith('streaming'));
  await other.stop();
});
