import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { ConnectorError } from '../../connectors/connector.ts';
import { postgresConnector } from '../../connectors/postgres/connector.ts';
import { must } from '../../src/core/assert.ts';
import { type Lsn, parseLsn, ZERO_LSN } from '../../src/core/position/lsn.ts';
import type { FeedItem } from '../../src/core/rows/change.ts';
import {
  changesUntilNow,
  freshName,
  itemsUntilNow,
  printChanges,
  silentLog,
  startFeed,
  type TestFeed,
  table,
} from '../support/connector.ts';
import { poll } from '../support/poll.ts';
import {
  createDatabase,
  dropSlots,
  hasTestServer,
  insertPosition,
  testServer,
  type Which,
} from '../support/postgres.ts';
import { startProxy } from '../support/proxy.ts';

const ONE_TABLE = ['create table t (id int primary key, v text)'];
const SERVERS: readonly Which[] = ['target', 'target15'];

/** Reads until the test says stop; rejects as the stream does. */
async function readAll(items: AsyncIterable<readonly FeedItem[]>, seen: FeedItem[] = []): Promise<void> {
  for await (const list of items) seen.push(...list);
}

async function confirmed(feed: TestFeed): Promise<Lsn> {
  const health = await feed.connector.slotHealth();
  return health.kind === 'usable' ? health.confirmed : (0n as Lsn);
}

async function failureOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'no failure';
  } catch (error) {
    return error instanceof ConnectorError ? error.failure : `not classed: ${String(error)}`;
  }
}

describe.each(SERVERS)('the stream of %s', (which) => {
  const on = test.skipIf(!hasTestServer(which));

  on('who reads the slot for another database is seen and left alone by another role too', async () => {
    const role = `role_${randomBytes(4).toString('hex')}`;
    const make = `create role ${role} login replication password 'secret-word'`;
    await using feed = await startFeed(which, [...ONE_TABLE, make], [table('t')]);
    const url = new URL(feed.database.url);
    [url.username, url.password] = [role, 'secret-word'];
    const same = { name: feed.connector.slot, log: silentLog };
    const one = postgresConnector({ ...same, url: feed.database.url, reader: 'one' });
    const two = postgresConnector({
      ...same,
      url: url.href,
      reader: 'two',
      timings: { walSenderTimeoutMs: 100 },
    });
    const stream = await one.open(feed.start, null, new AbortController().signal);
    await expect(two.identify()).rejects.toThrow('is being read for another database');
    // Nor by one that may end it.
    const may = { ...same, url: feed.database.url, reader: 'three', timings: { walSenderTimeoutMs: 100 } };
    const three = postgresConnector(may);
    await expect(three.drop()).rejects.toThrow('is being read for another database');
    const guard = feed.again({}); // reads nothing itself
    await expect(guard.drop()).rejects.toMatchObject({ failure: 'retry' });
    expect(await itemsUntilNow(feed, stream)).toBeDefined();
    stream.close();
    await Promise.all([one, two, three].map((each) => each.close()));
    await feed.database.query(`drop role ${role}`);
  });

  on('a slot of our name in another database of the server is not taken for ours, nor dropped', async () => {
    await using feed = await startFeed(which, ONE_TABLE, [table('t')]);
    const url = new URL(feed.database.url);
    url.pathname = '/postgres';
    const elsewhere = postgresConnector({ name: feed.connector.slot, log: silentLog, url: url.href });
    expect(await elsewhere.slotHealth()).toMatchObject({ kind: 'lost' });
    await elsewhere.drop();
    await elsewhere.close();
    expect(await feed.connector.slotHealth()).toMatchObject({ kind: 'usable' });
  });

  on('acknowledging the first of two adjacent commits keeps the second', async () => {
    await using feed = await startFeed(which, ONE_TABLE, [table('t')]);
    const ends = await adjacentCommits(feed);
    const stop = new AbortController();
    const stream = await feed.connector.open(feed.start, null, stop.signal);
    await itemsUntilNow(feed, stream);
    stream.acknowledge(ends.first);
    stop.abort();
    await poll('the slot to stand at the first commit', async () => (await confirmed(feed)) === ends.first);
    // From the slot's own memory alone, as after losing ours.
    const again = new AbortController();
    const left = await itemsUntilNow(feed, await feed.connector.open(ZERO_LSN, null, again.signal));
    again.abort();
    expect(left.find((item) => item.kind === 'commit')).toMatchObject({ end: ends.second });
  });

  on(
    'a slot that is megabytes behind repeats nothing, and goes on only with the history that was read',
    async () => {
      await using feed = await startFeed(which, ONE_TABLE, [table('t')]);
      await feed.database.query(`insert into t select n, repeat('x', 1000) from generate_series(1, 4000) n`);
      const stop = new AbortController();
      const read = await itemsUntilNow(feed, await feed.connector.open(feed.start, null, stop.signal));
      stop.abort();
      const last = must(
        read.findLast((item) => item.kind === 'commit'),
        'the commit',
      );
      const reached = read.at(-1);
      const after = reached?.kind === 'progress' ? reached.position : last.end;
      expect(after).toBeGreaterThanOrEqual(last.end);
      await feed.database.query(`insert into t values (0, 'new')`);
      const { signal } = new AbortController();
      for (const other of [null, { ...last, time: last.time + 1 }, { ...last, end: (last.end - 8n) as Lsn }])
        expect(await failureOf(feed.connector.open(after, other, signal))).toBe('slot-lost');
      expect(await changesUntilNow(feed, after, last)).toEqual(['begin', "insert t ('0', 'new')", 'commit']);
    },
  );

  on('a restart goes on after the acknowledged commit and repeats what was not acknowledged', async () => {
    await using feed = await startFeed(which, ONE_TABLE, [table('t')]);
    await feed.database.query(`insert into t values (1, 'a')`);
    await feed.database.query(`insert into t values (2, 'b')`);
    const stop = new AbortController();
    const stream = await feed.connector.open(feed.start, null, stop.signal);
    const items = await itemsUntilNow(feed, stream);
    const [first] = items.filter((item) => item.kind === 'commit');
    if (first?.kind !== 'commit') throw new Error('no commit');
    stream.acknowledge(first.end);
    stop.abort();
    await poll('the slot to stand at the first commit', async () => (await confirmed(feed)) === first.end);
    await feed.database.query(`insert into t values (3, 'c')`);
    expect(await changesUntilNow(feed, first.end)).toEqual([
      'begin',
      `insert t ('2', 'b')`,
      'commit',
      'begin',
      `insert t ('3', 'c')`,
      'commit',
    ]);
  });

  on('progress passes writes that concern nobody, and an idle slot can be moved on', async () => {
    await using feed = await startFeed(which, [...ONE_TABLE, 'create table o (id int)'], [table('t')]);
    const stop = new AbortController();
    const stream = await feed.connector.open(feed.start, null, stop.signal);
    await feed.database.query('insert into o select generate_series(1, 1000)');
    const until = parseLsn(await insertPosition(feed.database));
    const items = await itemsUntilNow(feed, stream);
    const last = items.at(-1);
    if (last?.kind !== 'progress') throw new Error('no progress');
    expect(last.position >= until).toBe(true);
    stream.acknowledge(last.position);
    await poll('the slot to have moved', async () => (await confirmed(feed)) >= until);
    stop.abort();
  });

  on('progress does not pass a transaction that is half delivered', async () => {
    await using feed = await startFeed(which, ONE_TABLE, [table('t')]);
    await feed.database.query(`insert into t values (0, 'first')`);
    await feed.database.query(`insert into t select n, repeat('x', 200) from generate_series(1, 30000) n`);
    const stop = new AbortController();
    const stream = await feed.connector.open(feed.start, null, stop.signal);
    const reader = stream.items[Symbol.asyncIterator]();
    let open = false;
    let last = feed.start;
    let commits = 0;
    while (commits < 2) {
      stream.requestProgress();
      const next = await reader.next();
      if (next.done === true) break;
      for (const item of next.value) {
        if (item.kind === 'begin') open = true;
        if (item.kind === 'commit') [open, last, commits] = [false, item.end, commits + 1];
        if (item.kind === 'progress' && open) expect(item.position).toBe(last);
        if (item.kind === 'progress') last = item.position;
      }
    }
    expect(commits).toBe(2);
    stop.abort();
  });

  on('a killed walsender is a passing failure, and the next stream goes on', async () => {
    await using feed = await startFeed(which, ONE_TABLE, [table('t')]);
    const stream = await feed.connector.open(feed.start, null, new AbortController().signal);
    const reading = failureOf(readAll(stream.items));
    await feed.database.query(
      'select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1',
      [feed.connector.slot],
    );
    expect(await reading).toBe('retry');
    await feed.database.query(`insert into t values (1, 'a')`);
    expect(await changesUntilNow(feed)).toEqual(['begin', `insert t ('1', 'a')`, 'commit']);
  });

  on('a second stream ends the walsender that holds the slot', async () => {
    await using feed = await startFeed(which, ONE_TABLE, [table('t')]);
    const first = await feed.connector.open(feed.start, null, new AbortController().signal);
    const reading = failureOf(readAll(first.items));
    await feed.database.query(`insert into t values (1, 'a')`);
    expect(await changesUntilNow(feed)).toEqual(['begin', `insert t ('1', 'a')`, 'commit']);
    expect(await reading).toBe('retry');
  });

  on('a dropped slot, a dropped publication and a slot moved past us are all lost history', async () => {
    await using feed = await startFeed(which, ONE_TABLE, [table('t')]);
    const signal = new AbortController().signal;
    await feed.database.query(`insert into t values (1, 'a')`);
    await feed.database.query('select pg_replication_slot_advance($1, pg_current_wal_lsn())', [
      feed.connector.slot,
    ]);
    expect(await failureOf(feed.connector.open(feed.start, null, signal))).toBe('slot-lost');
    await feed.database.query(`drop publication ${feed.connector.slot}`);
    expect(await failureOf(feed.connector.open(await confirmed(feed), null, signal))).toBe('slot-lost');
    expect(await failureOf(feed.connector.publish([table('t')]))).toBe('slot-lost');
    await dropSlots(feed.database);
    expect(await failureOf(feed.connector.open(feed.start, null, signal))).toBe('slot-lost');
    expect(await feed.connector.slotHealth()).toEqual({ kind: 'missing' });
    const start = await feed.connector.createSlot(signal);
    await feed.connector.publish([table('t')]);
    await feed.database.query(`insert into t values (2, 'b')`);
    expect(await changesUntilNow(feed, start)).toEqual(['begin', `insert t ('2', 'b')`, 'commit']);
  });

  on(
    'a type whose library cannot be loaded is no lost history, though its code is that of removed WAL',
    async () => {
      const statements = [
        'create type shelved',
        `create function shelved_in(cstring) returns shelved language internal strict immutable as 'textin'`,
        `create function shelved_out(shelved) returns cstring language internal strict immutable as 'textout'`,
        'create type shelved (input = shelved_in, output = shelved_out, like = text)',
        'create table t (id int primary key, v shelved)',
      ];
      await using feed = await startFeed(which, statements, [table('t')]);
      await feed.database.query(
        `update pg_proc set prolang = (select oid from pg_language where lanname = 'c'), probin = '$libdir/gone'
       where proname = 'shelved_out'`,
      );
      await feed.database.query(`insert into t values (1, 'a')`);
      expect(await failureOf(changesUntilNow(feed))).toBe('unsendable');
      expect(await feed.connector.slotHealth()).toMatchObject({ kind: 'usable' });
    },
  );

  on('an abort ends the loop without an error and frees the slot', async () => {
    await using feed = await startFeed(which, ONE_TABLE, [table('t')]);
    const stop = new AbortController();
    const stream = await feed.connector.open(feed.start, null, stop.signal);
    const reading = readAll(stream.items);
    stop.abort();
    await reading;
    await poll('the slot to be free', async () => {
      const health = await feed.connector.slotHealth();
      return health.kind === 'usable' && health.activePid === null;
    });
  });
});

describe('the stream when the network fails', () => {
  /** Short, and yet longer than a busy machine keeps a process waiting. */
  const timings = { tickMs: 100, silenceMs: 4_000, walSenderTimeoutMs: 10_000 };
  const PATIENCE_IS_OVER_MS = 12_000;
  /** Nothing ends by itself while a test goes on. */
  const ENDLESS = {
    connectMs: 600_000,
    statementMs: 600_000,
    silenceMs: 600_000,
    walSenderTimeoutMs: 600_000,
  };

  test('a silent connection can be aborted at once', async () => {
    await using feed = await startFeed('target', ONE_TABLE, [table('t')]);
    await using proxy = await startProxy(testServer('target'));
    const connector = feed.again({ url: proxy.through(feed.database.url), timings: ENDLESS });
    const stop = new AbortController();
    const stream = await connector.open(feed.start, null, stop.signal);
    proxy.setMode('black-hole');
    const reading = readAll(stream.items);
    stop.abort();
    await reading;
    await connector.close();
  });

  test('a reset and a refused connection are passing failures', async () => {
    await using feed = await startFeed('target', ONE_TABLE, [table('t')]);
    await using proxy = await startProxy(testServer('target'));
    const connector = feed.again({ url: proxy.through(feed.database.url) });
    const stream = await connector.open(feed.start, null, new AbortController().signal);
    const reading = failureOf(readAll(stream.items));
    proxy.reset();
    expect(await reading).toBe('retry');
    proxy.setMode('refuse');
    expect(await failureOf(connector.open(feed.start, null, new AbortController().signal))).toBe('retry');
    expect(await failureOf(connector.position())).toBe('retry');
  });

  test('an open that hangs ends with the abort', async () => {
    await using feed = await startFeed('target', ONE_TABLE, [table('t')]);
    await using proxy = await startProxy(testServer('target'));
    const connector = feed.again({ url: proxy.through(feed.database.url), timings: ENDLESS });
    await connector.position();
    const stop = new AbortController();
    proxy.setMode('black-hole');
    const opening = failureOf(connector.snapshot(stop.signal));
    stop.abort();
    expect(await opening).toBe('retry');
    const later = new AbortController();
    const openingStream = failureOf(connector.open(feed.start, null, later.signal));
    later.abort();
    expect(await openingStream).toBe('retry');
    await connector.close();
  });

  // These wait for times to be over, side by side.
  test.concurrent('a connection that went silent fails by itself, and the next takes the slot over', async () => {
    await using feed = await startFeed('target', ONE_TABLE, [table('t')]);
    await using proxy = await startProxy(testServer('target'));
    const connector = feed.again({
      url: proxy.through(feed.database.url),
      timings: { ...timings, walSenderTimeoutMs: 60_000 },
    });
    const stream = await connector.open(feed.start, null, new AbortController().signal);
    const seen: FeedItem[] = [];
    const reading = failureOf(readAll(stream.items, seen));
    await poll('signs of life', () => seen.length > 0);
    proxy.setMode('black-hole');
    expect(await reading).toBe('retry');
    expect(await failureOf(connector.open(feed.start, null, new AbortController().signal))).toBe('retry');
    await feed.database.query(`insert into t values (1, 'a')`);
    expect(await changesUntilNow(feed)).toEqual(['begin', `insert t ('1', 'a')`, 'commit']);
  });

  test.concurrent('a target that has much to do before it can say anything is waited for', async () => {
    await using feed = await startFeed('target', ONE_TABLE, [table('t')]);
    const told: string[] = [];
    const log = { info: (_: object, what: string) => void told.push(what), warn: () => undefined };
    const connector = feed.again({
      log,
      timings: { ...timings, silenceMs: 6_000, walSenderTimeoutMs: 60_000 },
    });
    const stop = new AbortController();
    const stream = await connector.open(feed.start, null, stop.signal);
    const seen: FeedItem[] = [];
    const reading = failureOf(readAll(stream.items, seen));
    const holder = new Client({ connectionString: feed.database.url });
    await holder.connect();
    // What the walsender must know of the first change of a table it cannot look up for as long as this goes on.
    await holder.query('begin; lock table pg_publication in access exclusive mode');
    await feed.database.query(`insert into t values (1, 'a')`);
    const says = 'the target is at work and sends nothing yet';
    await poll('it to be waited for', () => told.includes(says));
    await holder.query('commit');
    await holder.end();
    await poll('the row', () => seen.some(({ kind }) => kind === 'insert'));
    stop.abort();
    expect(await reading).toBe('no failure');
    await connector.close();
  });

  test.concurrent('a target is not kept waiting by a slow reader: memory stays bounded and the walsender is not cut off', async () => {
    await using feed = await startFeed('target', ONE_TABLE, [table('t')]);
    await using proxy = await startProxy(testServer('target'));
    const rows = 200_000;
    await feed.database.query(`insert into t select n, repeat('x', 300) from generate_series(1, ${rows}) n`);
    // How long the target takes to decode all this is not our matter here.
    const patient = { ...timings, silenceMs: 30_000 };
    const connector = feed.again({ url: proxy.through(feed.database.url), timings: patient });
    const stop = new AbortController();
    const stream = await connector.open(feed.start, null, stop.signal);
    const reader = stream.items[Symbol.asyncIterator]();
    for (let first = await reader.next(); !first.done; first = await reader.next()) {
      if (first.value.some((item) => item.kind === 'insert')) break;
    }
    await poll('the stream to be full', () => proxy.bytesFromServer > 1 << 20);
    const pid = await activePid(feed);
    // Longer than the walsender's patience, so only status messages sent while paused keep it alive.
    const until = performance.now() + PATIENCE_IS_OVER_MS;
    await poll('the walsender to lose patience, in vain', () => performance.now() > until);
    // Less than half of it all: how much lies on the way depends on the system's sockets.
    expect(proxy.bytesFromServer).toBeLessThan((rows * 300) / 2);
    expect(await activePid(feed)).toBe(pid);
    let inserts = 0;
    let peak = 0;
    const before = process.memoryUsage.rss();
    for (;;) {
      const next = await reader.next();
      if (next.done === true) throw new Error('the stream ended');
      inserts += next.value.filter((item) => item.kind === 'insert').length;
      peak = Math.max(peak, process.memoryUsage.rss());
      if (next.value.some((item) => item.kind === 'commit')) break;
    }
    expect(inserts).toBeGreaterThan(rows - 1_000);
    expect(peak - before).toBeLessThan(150 << 20);
    stop.abort();
  });

  test.concurrent('a keepalive that wants an answer gets one while the reader is busy, and acknowledges nothing', async () => {
    await using feed = await startFeed('target', ONE_TABLE, [table('t')]);
    await feed.database.query(`insert into t values (1, 'a')`);
    const connector = feed.again({ timings: { ...timings, tickMs: 60_000, silenceMs: 600_000 } });
    const stop = new AbortController();
    const stream = await connector.open(feed.start, null, stop.signal);
    // Nobody reads. The walsender asks for an answer at half its timeout and cuts us off at the whole.
    const pid = await activePid(feed);
    const until = performance.now() + PATIENCE_IS_OVER_MS;
    await poll('the walsender to lose patience, in vain', () => performance.now() > until);
    expect(await activePid(feed)).toBe(pid);
    expect(await confirmed(feed)).toBe(feed.start);
    const items = await itemsUntilNow(feed, stream);
    expect(printChanges(items)).toEqual(['begin', `insert t ('1', 'a')`, 'commit']);
    stop.abort();
  });
});

/** Ends of two commits with nothing between their records, so that the second begins where the first ends. */
async function adjacentCommits(feed: TestFeed): Promise<{ first: Lsn; second: Lsn }> {
  const clients = [0, 1].map(() => new Client({ connectionString: feed.database.url }));
  const both = (sql: (index: number) => string): Promise<unknown> =>
    Promise.all(clients.map((client, index) => client.query(sql(index))));
  await Promise.all(clients.map((client) => client.connect()));
  const found: { first: Lsn; second: Lsn }[] = [];
  let id = 0;
  // Others write to the same log, and come between for as long as they have much to write.
  await poll('two adjacent commits', async () => {
    for (const until = id + 100; id < until; id += 2) {
      await both((index) => `begin; insert into t values (${id + index}, 'x')`);
      await both(() => 'commit');
    }
    found.push(...(await adjacentIn(feed)));
    return found.length > 0;
  });
  await Promise.all(clients.map((client) => client.end()));
  return must(found[0], 'two adjacent commits');
}

async function adjacentIn(feed: TestFeed): Promise<readonly { first: Lsn; second: Lsn }[]> {
  const stop = new AbortController();
  const items = await itemsUntilNow(feed, await feed.connector.open(feed.start, null, stop.signal));
  stop.abort();
  const ends = items.filter((item) => item.kind === 'commit').map((item) => item.end);
  // A commit record alone takes less than this; with the insert before it, it takes more.
  const at = ends.findIndex((end, index) => index > 0 && end - (ends[index - 1] ?? end) <= 64n);
  const [first, second] = [ends[at - 1], ends[at]];
  return first === undefined || second === undefined ? [] : [{ first, second }];
}

async function activePid(feed: TestFeed): Promise<number | null> {
  const health = await feed.connector.slotHealth();
  return health.kind === 'usable' ? health.activePid : null;
}

test('positions are those of the server', async () => {
  await using feed = await startFeed('target', ONE_TABLE, [table('t')]);
  const before = parseLsn(await insertPosition(feed.database));
  await feed.connector.forceFlush();
  const after = await feed.connector.position();
  expect(after > before).toBe(true);
  const flushed = await feed.database.query<{ lsn: string }>(
    'select pg_current_wal_flush_lsn()::text as lsn',
  );
  expect(parseLsn(flushed.rows[0]?.lsn ?? '') > before).toBe(true);
});

test('a connection that breaks while a slot is about to be made fails that and nothing else', async () => {
  const unheard: unknown[] = [];
  const hear = (reason: unknown): void => void unheard.push(reason);
  process.on('unhandledRejection', hear);
  const there = await createDatabase('target');
  const connector = postgresConnector({ url: there.url, name: freshName(), log: silentLog });
  const stop = new AbortController();
  const making = connector.createSlot(stop.signal);
  stop.abort();
  expect(await failureOf(making)).toBe('retry');
  await connector.position();
  await connector.close();
  await there.drop();
  process.off('unhandledRejection', hear);
  expect(unheard).toEqual([]);
});
