import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { LISTEN_WISHES_SQL, WISH_SQL } from '../../src/cache/feed/probe-wish.ts';
import type { Fallback } from '../../src/core/fallback.ts';
import { type Lsn, parseLsn } from '../../src/core/position/lsn.ts';
import { systemClock } from '../../src/core/waiting/clock.ts';
import { Stop } from '../../src/core/waiting/stop-signal.ts';
import { TestLane } from '../support/lane.ts';
import { toOne } from '../support/leading-to.ts';
import { poll } from '../support/poll.ts';
import { createDatabase, dropInUse, insertPosition, type TestDatabase } from '../support/postgres.ts';
import { startProxy } from '../support/proxy.ts';

let pg1: TestDatabase;
let pg2: TestDatabase;
let lane: TestLane;

const USER = toOne('user', 'user', { user_id: 'id' }, { nearjoin: { on_target_down: 'stale' } });
const TABLES = { pg1: [{ table: 'order', remote_relationships: [USER] }], pg2: [{ table: 'user' }] };
const QUERY = '{ order(order_by: {id: asc}) { id user { name } } }';
/** What is written as of now stays within the bound for as long as a test may take; what is old is far beyond. */
const BOUND_MS = 600_000;
const OLD_MS = 3_600_000;
const ANSWER = '{"order":[{"id":1,"user":{"name":"Ada"}},{"id":2,"user":null},{"id":3,"user":null}]}';

beforeAll(async () => {
  [pg1, pg2] = await Promise.all([
    createDatabase('source', [
      'create table "order" (id int primary key, user_id int)',
      'insert into "order" values (1, 10), (2, null), (3, 99)',
    ]),
    createDatabase('target', [
      'create table "user" (id bigint primary key, name text not null)',
      `insert into "user" values (10, 'Ada')`,
    ]),
  ]);
  lane = await TestLane.open({ pg1, pg2 }, TABLES, { maxStalenessMs: BOUND_MS, waitMs: 60_000, pollMs: 20 });
});

beforeEach(async () => {
  await dropInUse(pg1, 'schema if exists nearjoin');
  await lane.fillCaches();
  await untilSeen('0/1');
});

afterAll(async () => {
  await lane?.close();
  await Promise.all([pg1?.drop(), pg2?.drop()]);
});

/** The lane polls: what a test writes counts when the lane has read it. */
async function untilSeen(position: string): Promise<void> {
  await poll('the lane to read the status', async () => {
    const [report] = (await lane.query(QUERY, { freshness: { fallback: 'stale' } })).targets;
    return report?.route === 'cache' && report.position === BigInt(position.replace('0/', '0x'));
  });
}

async function route(freshness: Parameters<TestLane['query']>[1] = {}): Promise<string> {
  const { text, targets } = await lane.query(QUERY, freshness);
  expect(text).toBe(ANSWER);
  return targets
    .map(({ target, route: way, reason, detail }) => `${target} ${way} ${reason} ${detail}`)
    .join();
}

test('a fresh cache answers, labelled with position and age of its own snapshot', async () => {
  await lane.setWatermark('pg1', 'pg2', '0/ABC', 100);
  const { text, targets } = await lane.query(QUERY);
  expect(text).toBe(ANSWER);
  expect(targets).toEqual([expect.objectContaining({ route: 'cache', reason: 'hit', position: 0xabcn })]);
  expect(targets[0]?.stalenessMs).toBeGreaterThanOrEqual(100);
});

test('a cache older than the bound is passed over, also before the lane has noticed', async () => {
  await lane.setWatermark('pg1', 'pg2', '0/2', OLD_MS);
  expect(await route()).toBe('pg2 live stale lagging');
  expect(await route({ freshness: { maxStalenessMs: 2 * OLD_MS } })).toBe('pg2 cache hit fresh');
  expect(await route({ freshness: { maxStalenessMs: 0 } })).toBe('pg2 live stale lagging');
});

test('a probe in memory proves a cache fresh whose row is old', async () => {
  await lane.setWatermark('pg1', 'pg2', '0/20', OLD_MS);
  await untilSeen('0/20');
  const { rows } = await pg1.query<{ now: string }>(
    'select (extract(epoch from clock_timestamp()) * 1000000)::bigint as now',
  );
  const now = Number(rows[0]?.now);
  lane.probes.put('pg1', 'pg2', { freshAsOf: now, position: 0x21n as Lsn });
  expect(await route()).toBe('pg2 live stale lagging');
  lane.probes.put('pg1', 'pg2', { freshAsOf: now, position: 0x20n as Lsn });
  expect(await route()).toBe('pg2 cache hit fresh');
  lane.probes.put('pg1', 'pg2', null);
});

test('fallback stale takes the cache and says its true age, error refuses, live fetches', async () => {
  await lane.setWatermark('pg1', 'pg2', '0/2', OLD_MS);
  expect(await route({ freshness: { fallback: 'stale' } })).toBe('pg2 cache hit stale-allowed');
  await expect(lane.query(QUERY, { freshness: { fallback: 'error' } })).rejects.toMatchObject({
    code: 'not-fresh',
  });
  expect(await route({ freshness: { fallback: 'live' } })).toBe('pg2 live stale lagging');
});

test('fallback wait answers once the cache has caught up with the moment of the request', async () => {
  await lane.setWatermark('pg1', 'pg2', '0/2', OLD_MS);
  const waiting = route({ freshness: { fallback: 'wait', maxStalenessMs: 0 } });
  let isOver = false;
  void waiting.catch(() => null).then(() => void (isOver = true));
  await poll('the answer', async () => {
    await lane.setWatermark('pg1', 'pg2', '0/3');
    return isOver;
  });
  expect(await waiting).toBe('pg2 cache hit fresh');
});

test('fallback wait gives up after its time, however often something else is waited for', async () => {
  await pg1.query(`update nearjoin.cache_table set state = 'copying'`);
  await lane.setWatermark('pg1', 'pg2', '0/2', OLD_MS);
  const waitMs = 600_000;
  let nowMs = systemClock.monotonicMs();
  const clock = vi.spyOn(systemClock, 'monotonicMs').mockImplementation(() => nowMs);
  const waiting = await TestLane.open({ pg1, pg2 }, TABLES, { waitMs, pollMs: 20 });
  const signal = new Stop();
  const looks = vi.spyOn(signal, 'throwIfAborted').mock.calls;
  const told: unknown[] = [];
  const goesOn = (from = looks.length): Promise<void> =>
    poll('it to look on, or to end', () => told.length > 0 || looks.length > from + 20);
  try {
    const asked = waiting.query(QUERY, { freshness: { fallback: 'wait' }, signal });
    void asked.catch((error: unknown) => told.push(error));
    await goesOn();
    nowMs += waitMs - 1;
    await pg1.query(`update nearjoin.cache_table set state = 'ready'`);
    await goesOn();
    nowMs += 1;
    await goesOn();
    const message = expect.stringContaining('older than asked for');
    expect(told).toMatchObject([{ code: 'not-fresh', message }]);
  } finally {
    signal.abort(new Error('the test is over'));
    clock.mockRestore();
    await waiting.close();
  }
});

test('a source that goes while its cache is waited for is told as such', async () => {
  await lane.setWatermark('pg1', 'pg2', '0/2', OLD_MS);
  await using proxy = await startProxy(pg1.server);
  const through = { ...pg1, url: proxy.through(pg1.url) };
  const apart = await TestLane.open({ pg1: through, pg2 }, TABLES, { maxStalenessMs: 0, waitMs: 60_000 });
  try {
    const { rows } = await pg1.query<{ now: string }>('select clock_timestamp()::text as now');
    const waiting = apart.query(QUERY, { freshness: { fallback: 'wait' } });
    const refused = expect(waiting).rejects.toMatchObject({ code: 'source-unavailable' });
    await poll('the watermark to be asked for', async () => {
      const asked = `select from pg_stat_activity where datname = current_database() and query_start > $1
        and query like 'select coalesce(w.position%'`;
      return (await pg1.query(asked, [rows[0]?.now])).rows.length > 0;
    });
    proxy.setMode('refuse');
    proxy.reset();
    await refused;
  } finally {
    await apart.close();
  }
});

test('a token ahead of the cache sends the query to the target; one beyond the target is refused', async () => {
  const now = parseLsn(await insertPosition(pg2));
  const asking = (position: Lsn) => ({ tokens: new Map([['pg2', { position, history: null }]]) });
  expect(await route({ freshness: asking(now) })).toBe('pg2 live stale token-ahead');
  const refused = lane.query(QUERY, { freshness: asking((now + 0x100000000n) as Lsn) });
  await expect(refused).rejects.toMatchObject({ code: 'position-unknown' });
});

test('a token is held against the database of the root fields themselves too', async () => {
  const { rows } = await pg2.query<{ lsn: string; system: string }>(
    'select pg_current_wal_insert_lsn()::text as lsn, system_identifier::text as system from pg_control_system()',
  );
  const now = parseLsn(rows[0]?.lsn ?? '');
  const asked = (position: Lsn, history: string | null = null) =>
    lane.query('{ user { name } }', {
      freshness: { tokens: new Map([['pg2', { position, history }]]) },
    });
  const ownHistory = `${rows[0]?.system}.1`;
  for (const history of [null, ownHistory]) expect((await asked(now, history)).text).toContain('Ada');
  const ahead = parseLsn('ffffffff/0');
  await expect(asked(ahead)).rejects.toMatchObject({ code: 'position-unknown' });
  await expect(asked(now, `${rows[0]?.system}.7`)).rejects.toMatchObject({
    message: `the token's position on "pg2" belongs to another history than it has now`,
  });
});

test('what was first tried by a request that went on live is read from the cache for several at once', async () => {
  const ahead = new Map([['pg2', { position: 2n as Lsn, history: null }]]);
  const one = async (id: number, freshness: object = {}): Promise<readonly string[]> => {
    const asking = { variables: { id }, freshness };
    const { text, targets } = await lane.query(
      'query ($id: Int!) { order_by_pk(id: $id) { user { name } } }',
      asking,
    );
    return [text, ...targets.map((target) => target.route)];
  };
  const ada = '{"order_by_pk":{"user":{"name":"Ada"}}}';
  expect(await one(1, { tokens: ahead })).toEqual([ada, 'live']);
  const together = await Promise.all([one(1), one(2)]);
  expect(together).toEqual([
    [ada, 'cache'],
    ['{"order_by_pk":{"user":null}}', 'cache'],
  ]);
});

test('a token of another history is never taken for a position of this one', async () => {
  const { rows } = await pg2.query<{ system: string }>(
    'select system_identifier::text as system from pg_control_system()',
  );
  const system = rows[0]?.system ?? '';
  const history = (timeline: number): string => `${system}.${timeline}`;
  const asked = (timeline: number, fallback: Fallback = 'live') =>
    lane.query(QUERY, {
      freshness: {
        fallback,
        tokens: new Map([['pg2', { position: 1n as Lsn, history: history(timeline) }]]),
      },
    });
  const lead = async (timeline: number): Promise<void> => {
    await pg1.query('update nearjoin.feed set system_id = $1, timeline = $2', [system, timeline]);
    await poll('the status to be read', async () => {
      const [report] = (await lane.query(QUERY, { freshness: { fallback: 'stale' } })).targets;
      return report?.route === 'cache' && report.history === history(timeline);
    });
  };
  await lane.setWatermark('pg1', 'pg2', '0/abc');
  // Of a cache whose history nobody knows any may be meant.
  expect((await asked(1)).targets).toMatchObject([{ route: 'cache', history: null }]);
  await lead(1);
  expect((await asked(1)).targets).toEqual([
    expect.objectContaining({ route: 'cache', position: 0xabcn, history: history(1) }),
  ]);
  // The cache has not heard of that history, so the target is asked; it has not either.
  await expect(asked(2)).rejects.toMatchObject({ code: 'position-unknown' });
  // The cache knows that the token's history has ended, also before the lane has heard of it: nothing is waited for.
  await pg1.query('update nearjoin.feed set timeline = 2');
  await expect(asked(1)).rejects.toMatchObject({ code: 'position-unknown' });
  await lead(2);
  for (const fallback of ['live', 'wait', 'error'] as const)
    await expect(asked(1, fallback)).rejects.toMatchObject({ code: 'position-unknown' });
  // What the cache has of an ended history is not what a newer token asks for.
  await lead(0);
  expect((await asked(1)).targets).toEqual([
    expect.objectContaining({ route: 'live', detail: 'token-ahead', history: history(1) }),
  ]);
});

test('no-cache is answered live, with the position of the snapshot', async () => {
  const { targets } = await lane.query(QUERY, { freshness: { noCache: true } });
  expect(targets).toEqual([expect.objectContaining({ route: 'live', reason: 'request', stalenessMs: 0 })]);
  expect(targets[0]?.position).toBeGreaterThan(0n);
});

test('a watermark without position stops cache answers at once, also stale ones', async () => {
  await lane.setWatermark('pg1', 'pg2', null);
  expect(await route({ freshness: { fallback: 'stale' } })).toBe('pg2 live miss slot-lost');
});

test('the watermark of another target says nothing of a cache', async () => {
  await lane.setWatermark('pg1', 'pg1', '0/FFF');
  await pg1.query(`delete from nearjoin.watermark where target = 'pg2'`);
  expect(await route()).toBe('pg2 live miss slot-lost');
});

test('the newest watermark is found by its index, however many dead ones wait to be vacuumed', async () => {
  await pg1.query(
    `insert into nearjoin.watermark select 'pg2', 1 + n, '0/1', extract(epoch from clock_timestamp()) * 1000000
     from generate_series(1, 600) n`,
  );
  await pg1.query('delete from nearjoin.watermark where seq < 540');
  await pg1.query('vacuum nearjoin.watermark');
  const [root] = await lane.explain(QUERY);
  const nodes = root?.plan?.filter((line) => line.includes(' on watermark'));
  expect(nodes).toEqual([expect.stringMatching(/Index Scan Backward using watermark_pkey/)]);
});

test('a cache table that is replaced between two readings of the status costs one live answer, no error', async () => {
  await pg1.query('alter table nearjoin.pg2__0__user rename to pg2__0__user_g2');
  expect(await route()).toContain('pg2 live');
});

test('one that is another table by then is read from that', async () => {
  const slow = await TestLane.open({ pg1, pg2 }, TABLES, { maxStalenessMs: BOUND_MS, pollMs: 600_000 });
  try {
    await slow.query(QUERY);
    await pg1.query(`begin; alter table nearjoin.pg2__0__user rename to pg2__0__user_g2;
      update nearjoin.cache_table set relation = 'pg2__0__user_g2'; commit`);
    expect((await slow.query(QUERY)).targets).toMatchObject([{ route: 'cache', detail: 'fresh' }]);
  } finally {
    await slow.close();
  }
});

test('a cache table whose files cannot be read is passed over', async () => {
  await pg1.query(`alter table nearjoin.pg2__0__user rename to on_that_disk;
    create function nearjoin.unreadable() returns boolean language plpgsql as
      $$ begin raise exception 'could not open file "pg_tblspc/1/2"' using errcode = 'undefined_file'; end $$;
    create view nearjoin.pg2__0__user as select * from nearjoin.on_that_disk where nearjoin.unreadable()`);
  for (const fallback of ['live', 'error', 'wait'] as const)
    expect(await route({ freshness: { fallback } })).toBe('pg2 live stale failed');
});

test('a table still being copied is answered live, or waited for', async () => {
  await pg1.query(`update nearjoin.cache_table set state = 'copying'`);
  await poll('the lane to notice', async () => (await route()) === 'pg2 live miss copying');
  await expect(lane.query(QUERY, { freshness: { fallback: 'error' } })).rejects.toMatchObject({
    code: 'not-fresh',
  });
  const waiting = route({ freshness: { fallback: 'wait' } });
  await pg1.query(`update nearjoin.cache_table set state = 'ready'`);
  expect(await waiting).toBe('pg2 cache hit fresh');
});

test('a copy that fails while it is waited for is waited for no longer', async () => {
  await pg1.query(`update nearjoin.cache_table set state = 'copying'`);
  await poll('the lane to notice', async () => (await route()) === 'pg2 live miss copying');
  const waiting = route({ freshness: { fallback: 'wait' } });
  await pg1.query(`update nearjoin.cache_table set state = 'failed'`);
  expect(await waiting).toBe('pg2 live miss failed');
});

test('the state of a database that nobody reads from is not followed for being asked after', async () => {
  const sessions = async (database: TestDatabase): Promise<number> => {
    const asked = `select from pg_stat_activity where datname = $1 and application_name = 'nearjoin status'`;
    return (await database.query(asked, [database.name])).rows.length;
  };
  await Promise.all(['pg1', 'pg2'].map((source) => lane.lane.refresh(source)));
  expect([await sessions(pg1), await sessions(pg2)]).toEqual([1, 0]);
});

test('a source without any cache is answered live', async () => {
  await dropInUse(pg1, 'schema nearjoin');
  await poll('the lane to notice', async () => (await route()) === 'pg2 live miss not-cached');
  for (const fallback of ['error', 'wait'] as const)
    expect(await route({ freshness: { fallback } })).toBe('pg2 live miss not-cached');
});

test('many keys go to temporary tables that serve again and again', async () => {
  const small = await TestLane.open({ pg1, pg2 }, TABLES, { liveInlineRows: 0, livePoolSize: 1 });
  try {
    for (let i = 0; i < 5; i += 1) {
      const { text } = await small.query(QUERY, { freshness: { noCache: true } });
      expect(text).toBe(ANSWER);
    }
  } finally {
    await small.close();
  }
});

test('where no temporary table can be made, as on a standby, many keys are an answer all the same', async () => {
  const readOnly = { ...pg1, url: `${pg1.url}?options=-c%20default_transaction_read_only%3Don` };
  const small = await TestLane.open({ pg1: readOnly, pg2 }, TABLES, { liveInlineRows: 0 });
  try {
    const filtered = '{ order(where: {user: {name: {_like: "A%"}}}) { id user { name } } }';
    const { text } = await small.query(filtered, { freshness: { noCache: true } });
    expect(text).toBe('{"order":[{"id":1,"user":{"name":"Ada"}}]}');
  } finally {
    await small.close();
  }
});

test('what is wrong with a value of a temporary table is told, not that it kept others from running', async () => {
  await pg1.query(`create function no_room() returns event_trigger language plpgsql as
    $$ begin raise exception 'no room' using errcode = 'data_exception'; end $$`);
  await pg1.query(`create event trigger no_room on ddl_command_start when tag in ('CREATE TABLE')
    execute function no_room()`);
  const small = await TestLane.open({ pg1, pg2 }, TABLES, { liveInlineRows: 0 });
  try {
    const counting = '{ order_aggregate(where: {user: {name: {_like: "A%"}}}) { aggregate { count } } }';
    for (const text of [counting, counting])
      await expect(small.query(text, { freshness: { noCache: true } })).rejects.toMatchObject({
        internal: { error: { message: 'no room' } },
      });
  } finally {
    await small.close();
    await pg1.query('drop event trigger no_room');
  }
});

test('more keys than the limit is an error that names the table', async () => {
  const small = await TestLane.open({ pg1, pg2 }, TABLES, { liveKeyLimit: 1 });
  try {
    const refused = small.query(QUERY, { freshness: { noCache: true } });
    await expect(refused).rejects.toMatchObject({
      code: 'live-limit-exceeded',
      message: expect.stringContaining('"user" of "pg2"'),
    });
  } finally {
    await small.close();
  }
});

test('an aborted request fails with its reason', async () => {
  const abort = new AbortController();
  abort.abort(new Error('client gone'));
  await expect(lane.query(QUERY, { signal: abort.signal })).rejects.toMatchObject({ message: 'client gone' });
});

test.each([
  ['knows', 20],
  ['finds out', 600_000],
])(
  'a target that is down is served from a cache that the lane %s to be old, where the relationship allows it',
  async (_, pollMs) => {
    const away = await createDatabase('target', [
      'create table "user" (id bigint primary key, name text not null)',
    ]);
    const other = await TestLane.open({ pg1, pg2: away }, TABLES, { maxStalenessMs: BOUND_MS, pollMs });
    try {
      expect((await other.query(QUERY)).targets).toMatchObject([{ route: 'cache', detail: 'fresh' }]);
      await away.drop();
      await lane.setWatermark('pg1', 'pg2', '0/2', OLD_MS);
      const { text, targets } = await other.query(QUERY);
      expect(text).toBe(ANSWER);
      expect(targets).toEqual([expect.objectContaining({ route: 'cache', detail: 'stale-allowed' })]);
      // Neither a position asked for nor live rows asked for are what an old cache can give.
      const ahead = { tokens: new Map([['pg2', { position: 3n as Lsn, history: null }]]) };
      for (const freshness of [ahead, { noCache: true }]) {
        await expect(other.query(QUERY, { freshness })).rejects.toMatchObject({ code: 'target-unavailable' });
      }
      await lane.setWatermark('pg1', 'pg2', null);
      await expect(other.query(QUERY)).rejects.toMatchObject({ code: 'target-unavailable' });
    } finally {
      await other.close();
    }
  },
);

test('explain shows statement, plan and route without running the query, whatever was asked before', async () => {
  const other = await TestLane.open({ pg1, pg2 }, TABLES, { maxStalenessMs: BOUND_MS });
  try {
    const [root] = await other.explain(QUERY);
    expect(root).toMatchObject({ field: 'order', sql: expect.stringContaining('nearjoin."pg2__0__user"') });
    expect(root?.plan?.join('\n')).toContain('Scan');
    expect(root?.targets).toEqual([
      { target: 'pg2', route: 'cache', reason: 'cached', sql: null, plan: null },
    ]);
  } finally {
    await other.close();
  }
});

test('explain asks for no proofs of freshness', async () => {
  const client = new pg.Client({ connectionString: pg1.url });
  await client.connect();
  try {
    const heard: (string | undefined)[] = [];
    client.on('notification', ({ payload }) => heard.push(payload));
    await client.query(LISTEN_WISHES_SQL);
    await lane.explain(QUERY, { freshness: { maxStalenessMs: 50 } });
    await pg1.query(WISH_SQL, ['the end']);
    await poll('the last notification', () => heard.includes('the end'));
    expect(heard).toEqual(['the end']);
  } finally {
    await client.end();
  }
});

test('explain of a live answer shows what the source writes and what it leaves to the target', async () => {
  const [root] = await lane.explain(QUERY, { freshness: { noCache: true } });
  expect(root?.sql).toContain(`\u00011,' || t2.c1::text`);
  expect(root?.sql).not.toContain('nearjoin.');
  expect(root?.targets).toEqual([
    {
      target: 'pg2',
      route: 'live',
      reason: 'asked-for',
      sql: expect.stringMatching(/^select .*pg_current_wal.* from "public"\."user"/),
      plan: expect.arrayContaining([expect.stringMatching(/Function Scan on unnest/)]),
    },
  ]);
});

test('errors of the database keep their message only where it is about the request', async () => {
  const bad = (text: string): Promise<unknown> => lane.query(text);
  await expect(bad('{ order(offset: -1) { id } }')).rejects.toMatchObject({
    code: 'data-exception',
    message: 'OFFSET must not be negative',
  });
});
