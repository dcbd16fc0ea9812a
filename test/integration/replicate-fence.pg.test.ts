import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { takeEpoch } from '../../src/cache/feed/lease.ts';
import { ensureFeed, type FeedLease, renewLease } from '../../src/cache/feed/row.ts';
import { FENCED_WATERMARK_SQL } from '../../src/cache/feed/watermark.ts';
import { migrate } from '../../src/cache/schema/migrate.ts';
import { readCacheStatus } from '../../src/cache/status/status.ts';
import { createTableSql } from '../../src/cache/table/ddl.ts';
import type { Lsn } from '../../src/core/position/lsn.ts';
import { systemClock } from '../../src/core/waiting/clock.ts';
import { TableBroken } from '../../src/replicate/interruptions.ts';
import { buildIndex } from '../../src/replicate/lead/index-build.ts';
import { acquireLease } from '../../src/replicate/lead/lease.ts';
import { Patience } from '../../src/replicate/lead/patience.ts';
import { dropCopies, dropOrphans } from '../../src/replicate/table/orphans.ts';
import { Applier, LeaseLost } from '../../src/replicate/write/applier.ts';
import { cacheSink } from '../../src/replicate/write/sink.ts';
import { logInto } from '../support/log-lines.ts';
import { poll } from '../support/poll.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

let source: TestDatabase;
const clients: pg.Client[] = [];

beforeEach(async () => {
  source = await createDatabase('source');
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.end()));
  await source.drop();
});

async function connect(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: source.url, pipeline: true } as pg.ClientConfig);
  clients.push(client);
  await client.connect();
  return client;
}

const candidate = (leader: string) => ({
  target: 'pg2',
  leader,
  patience: new Patience(60_000, systemClock),
});
const never = new AbortController().signal;
/** As every read from the cache finds it. */
const NEWEST = `select position from nearjoin.watermark w where w.target <= $1
  order by w.target desc, w.seq desc limit 1`;

async function position(): Promise<bigint | null | undefined> {
  return (await readCacheStatus(source)).feeds.get('pg2')?.position;
}

/** A leader, and what writes for it over another session. */
async function leading(): Promise<{
  readonly first: pg.Client;
  readonly lease: FeedLease;
  readonly applier: Applier;
}> {
  const [first, writing] = [await connect(), await connect()];
  await migrate(first);
  await ensureFeed(first, 'pg2', 'postgres');
  const lease = await acquireLease(first, candidate('one'), systemClock, never);
  if (lease === null) throw new Error('no lease');
  return { first, lease, applier: new Applier({ stage: null, client: writing, lease, seq: 0n }) };
}

function writeAt(
  applier: Applier,
  position: number,
  text: string,
  gate: Promise<void> | null = null,
): Promise<void> {
  const mark = { position: BigInt(position) as Lsn, freshAsOf: null, lastCommit: null };
  return applier.apply([{ text }], mark, gate);
}

test('an old leader can write nothing once another leads', async () => {
  const [first, second] = [await connect(), await connect()];
  await migrate(first);
  await ensureFeed(first, 'pg2', 'postgres');
  const old = await acquireLease(first, candidate('one'), systemClock, never);
  if (old === null) throw new Error('no lease');
  const applier = new Applier({ stage: null, client: await connect(), lease: old, seq: 0n });
  await applier.mark({ position: 100n as Lsn, freshAsOf: 1, lastCommit: null });
  expect(await position()).toBe(100n);
  await first.query('select pg_advisory_unlock_all()');
  await acquireLease(second, candidate('two'), systemClock, never);
  await expect(
    applier.mark({ position: 200n as Lsn, freshAsOf: 2, lastCommit: null }),
  ).rejects.toBeInstanceOf(LeaseLost);
  expect(await position()).toBe(100n);
});

test('nor can it with a batch of one round trip, nor with one sent behind a batch that was in time', async () => {
  const { first, applier } = await leading();
  await first.query('create table written (n int)');
  const write = (n: number): Promise<void> => writeAt(applier, n, `insert into written values (${n})`);
  await write(1);
  const holder = await connect();
  await holder.query('begin; lock table written');
  const [inTime, behind] = [writeAt(applier, 2, 'select 1'), write(3)];
  behind.catch(() => undefined);
  await inTime;
  await first.query('select pg_advisory_unlock_all()');
  await acquireLease(await connect(), candidate('two'), systemClock, never);
  await holder.query('rollback');
  await expect(behind).rejects.toBeInstanceOf(LeaseLost);
  await expect(write(4)).rejects.toBeInstanceOf(LeaseLost);
  expect((await first.query('select n from written')).rows).toEqual([{ n: 1 }]);
  expect(await position()).toBe(2n);
});

test('a transaction begun under the old lease commits before another leads, or not at all', async () => {
  const [first, second, writing] = [await connect(), await connect(), await connect()];
  await migrate(first);
  await ensureFeed(first, 'pg2', 'postgres');
  const old = await acquireLease(first, candidate('one'), systemClock, never);
  if (old === null) throw new Error('no lease');
  const applier = new Applier({ stage: null, client: writing, lease: old, seq: 0n });
  await applier.apply([], null);
  await first.query('select pg_advisory_unlock_all()');
  let isTaken = false;
  const taking = acquireLease(second, candidate('two'), systemClock, never).then(() => {
    isTaken = true;
  });
  await second.query('select 1').catch(() => undefined);
  await applier.apply([], { position: 300n as Lsn, freshAsOf: 3, lastCommit: null });
  await taking;
  expect(isTaken).toBe(true);
  expect(await position()).toBe(300n);
});

test.each([0, 1])(
  'nor does another lead before a batch of one round trip that was in time, %i ahead of it',
  async (ahead) => {
    const { first, applier } = await leading();
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const all = Array.from({ length: ahead }, (_, n) => writeAt(applier, n + 1, 'select 1'));
    all.push(writeAt(applier, ahead + 1, 'select 1', gate));
    const isSo = async (state: string): Promise<boolean> => {
      const found = await source.query(
        `select from pg_stat_activity where datname = current_database() and ${state}`,
      );
      return found.rows.length > 0;
    };
    await Promise.all(all.slice(0, ahead));
    await poll('it to want its commit', () => isSo(`wait_event = 'ClientRead' and backend_xid is not null`));
    await first.query('select pg_advisory_unlock_all()');
    let isTaken = false;
    const taking = acquireLease(await connect(), candidate('two'), systemClock, never).then(() => {
      isTaken = true;
    });
    try {
      await poll('the other to wait', async () => isTaken || (await isSo(`wait_event_type = 'Lock'`)));
      expect(isTaken).toBe(false);
    } finally {
      open();
    }
    await Promise.all([...all, taking]);
    expect(await position()).toBe(BigInt(ahead + 1));
  },
);

test('a batch sent behind one that fails is not written', async () => {
  const { first, applier } = await leading();
  await first.query('create table written (n int)');
  const apply = (n: number, text: string): Promise<void> => writeAt(applier, n, text);
  const answers = await Promise.allSettled([
    apply(1, 'insert into written values (1)'),
    apply(2, 'insert into written values (2)'),
    apply(3, 'insert into written select 1 / 0'),
    apply(4, 'insert into written values (4)'),
    apply(5, 'insert into written values (5)'),
  ]);
  expect(answers.map(({ status }) => status)).toEqual([
    'fulfilled',
    'fulfilled',
    'rejected',
    'rejected',
    'rejected',
  ]);
  expect((await first.query('select n from written')).rows).toEqual([{ n: 1 }, { n: 2 }]);
  expect(await position()).toBe(2n);
});

test('nor is one behind a batch whose watermark is that by which the cache was given up meanwhile', async () => {
  const { first, applier } = await leading();
  await first.query('create table written (n int)');
  await first.query(`insert into nearjoin.watermark (target, seq) values ('pg2', 2)`);
  const answers = [1, 2, 3].map((n) => writeAt(applier, n, `insert into written values (${n})`));
  const settled = await Promise.allSettled(answers);
  expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
  expect(await position()).toBeNull();
  expect((await first.query('select n from written')).rows).toEqual([{ n: 1 }]);
});

test('a change that must meet a row and meets none is found out before its batch is committed', async () => {
  const { first, applier } = await leading();
  await first.query('create table written (n int)');
  await writeAt(applier, 1, 'insert into written values (1)');
  const sink = cacheSink({
    target: 'pg2',
    table: { schema: 'public', name: 'written' },
    relation: 'written',
    columns: [{ name: 'n', type: 'integer', oid: 23 }],
    key: ['n'],
    shape: null,
    parts: null,
    exists: true,
    modifiers: [-1],
  });
  const missed = { text: 'update written set n = 2 where n = 9', expected: 1, sink };
  const mark = { position: 2n as Lsn, freshAsOf: null, lastCommit: null };
  await expect(applier.apply([missed], mark)).rejects.toBeInstanceOf(TableBroken);
  expect(await position()).toBe(1n);
});

test('status and wishes may be written while a batch is', async () => {
  const { applier } = await leading();
  await applier.apply([], null);
  await source.query(
    `set local lock_timeout = '1s'; update nearjoin.feed set paused = true, updated_at = clock_timestamp()`,
  );
  await applier.apply([], { position: 1n as Lsn, freshAsOf: null, lastCommit: null });
});

test('a fence touches no more pages for the heartbeats of an hour, nor a read for its watermarks, while an old snapshot is open', async () => {
  const { first, lease, applier } = await leading();
  const old = await connect();
  const mark = (position: number) =>
    applier.mark({ position: BigInt(position) as Lsn, freshAsOf: position, lastCommit: null });
  const pages = async (text: string, values: unknown[]): Promise<number> => {
    const { rows } = await first.query(`explain (analyze, buffers, format json) ${text}`, values);
    const [{ Plan: plan }] = rows[0]['QUERY PLAN'];
    return plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
  };
  const fence = (seq: number) =>
    pages(FENCED_WATERMARK_SQL, ['pg2', 1_000_000 + seq, null, null, null, null, lease.epoch]);
  const newest = () => pages(NEWEST, ['pg2']);
  await mark(1);
  await old.query('begin isolation level repeatable read');
  await old.query('select from nearjoin.feed');
  await fence(0);
  const before = { fence: await fence(1), newest: await newest() };
  const sample = { targetPosition: 1n as Lsn, retainedWalBytes: 1, changesApplied: 1, early: null };
  for (let n = 0; n < 1_500; n += 1) {
    expect(await renewLease(first, lease, { ...sample, transactionsApplied: n })).toBe(true);
    await mark(n);
  }
  // Where the tables were analyzed meanwhile the first has to be planned again.
  await fence(2);
  // The index of the watermarks has grown a level by then.
  expect(await fence(3)).toBeLessThanOrEqual(before.fence + 6);
  expect(await newest()).toBeLessThanOrEqual(before.newest + 2);
});

test('two nodes may set up the schema at once', async () => {
  const all = await Promise.all(Array.from({ length: 6 }, () => connect()));
  const ids = await Promise.all(all.map((client) => migrate(client)));
  expect(new Set(ids.map(({ id }) => id)).size).toBe(1);
});

test('who sets up the schema behind others waits for its turn, and finds it done', async () => {
  const [busy, next, last] = [await connect(), await connect(), await connect()];
  await busy.query('begin');
  await busy.query('select pg_advisory_xact_lock(7046029254)');
  const turns = [next, last].map(async (client) => {
    await client.query("set lock_timeout = '20ms'");
    return migrate(client);
  });
  for (const turn of turns) turn.catch(() => undefined); // told below
  await poll('both to wait for longer than that', async () => {
    const { rows } = await source.query(`select from pg_locks where locktype = 'advisory' and not granted
      and database = (select oid from pg_database where datname = current_database())
      and waitstart < clock_timestamp() - interval '50 ms'`);
    return rows.length === 2;
  });
  await busy.query('rollback');
  const [first, second] = await Promise.all(turns);
  expect(second).toEqual(first);
});

test('a role that may not create the schema is told what to run', async () => {
  const role = `${source.name}_role`;
  await source.query(`create role ${role} login`);
  const client = await connect();
  await client.query(`set role ${role}`);
  await expect(migrate(client)).rejects.toThrow(
    `role ${role} may not create schema "nearjoin" in database ${source.name}; run: grant create on database ${source.name} to ${role}`,
  );
  await client.query('reset role');
  await client.query(`drop role ${role}`);
});

test('copies are nobody else’s to read where everybody may read what is made', async () => {
  await source.query(`alter default privileges grant usage on schemas to public;
    alter default privileges grant select on tables to public`);
  await migrate(await connect());
  const role = `${source.name}_reader`;
  await source.query(`create role ${role}`);
  const may = `select has_schema_privilege('${role}', 'nearjoin', 'usage') as may`;
  expect((await source.query(may)).rows).toEqual([{ may: false }]);
  await source.query(`drop role ${role}`);
});

test('a schema that an administrator made beforehand is enough', async () => {
  const role = `${source.name}_role`;
  await source.query(`create role ${role} login`);
  await source.query(`create schema nearjoin`);
  await source.query(`grant usage on schema nearjoin to ${role}`);
  const client = await connect();
  await client.query(`set role ${role}`);
  const fix = `grant usage, create on schema nearjoin to ${role}`;
  await expect(migrate(client)).rejects.toThrow(`run: ${fix}`);
  await source.query(fix);
  expect((await migrate(client)).id).not.toBe('');
  await client.query('reset role');
  await client.query(`drop owned by ${role}`);
  await client.query(`drop role ${role}`);
});

test('a database without the schema has no feeds', async () => {
  const { feeds, now } = await readCacheStatus(source);
  expect(feeds.size).toBe(0);
  expect(now).toBeGreaterThan(1_600_000_000_000_000);
});

const oldCopyOf = (target: string, relation: string): string =>
  createTableSql({ target, relation, columns: [], key: [] });

async function oldCopies(): Promise<readonly unknown[]> {
  const { rows } = await source.query(`select relname as name from pg_class
    where relnamespace = 'nearjoin'::regnamespace and relname ~ '__[go][0-9]+$' order by 1`);
  return rows.map(({ name }) => name);
}

test('an old copy that somebody reads has the stream wait for nothing, and goes after the reader', async () => {
  const { first, applier } = await leading();
  await first.query(oldCopyOf('pg2', 'pg2__public__item__g1'));
  const reader = await connect();
  await reader.query('begin; select from nearjoin.pg2__public__item__g1');
  let turns = 0;
  const exclusively: Applier['exclusively'] = (work) => {
    turns += 1;
    return applier.exclusively(work);
  };
  const dropping = { client: first, exclusively };
  const { rows } = await reader.query('select pg_backend_pid() as pid');
  const who = new RegExp(
    `^it is read by session ${rows[0]?.pid} \\(role \\w+, in a transaction since [-\\dT:]+Z\\)$`,
  );
  const kept = { relation: 'pg2__public__item__g1', reason: expect.stringMatching(who), isPassing: true };
  expect(await dropOrphans(dropping, 'pg2')).toEqual([kept]);
  expect(turns).toBe(0);
  await reader.query('rollback');
  expect(await dropOrphans(dropping, 'pg2')).toEqual([]);
  expect(await oldCopies()).toEqual([]);
});

test('a feed drops old copies of its own, and of targets that are no more, by their comments or else their names', async () => {
  const { first, applier } = await leading();
  const exclusively: Applier['exclusively'] = (work) => applier.exclusively(work);
  await ensureFeed(first, 'pg2__b', 'postgres');
  const longName = 'pg3'.repeat(20);
  await ensureFeed(first, longName, 'postgres');
  const others = [`${longName.slice(0, 50)}_01234567__g1`, 'pg2__b__t__g2', 'pg2__b__public__t__g3'];
  await first.query(`${oldCopyOf(longName, others[0] ?? '')}; ${oldCopyOf('pg2__b', others[1] ?? '')};
    create table nearjoin.${others[2]} ()`);
  await first.query(`${oldCopyOf('pg2', 'pg2__b__t__g4')}; ${oldCopyOf('gone', 'gone__public__t__g5')};
    create table nearjoin.pg2__public__t__o6 (); create table nearjoin.gone__public__t__g7 ()`);
  const reader = await connect();
  await reader.query('begin; select from nearjoin.gone__public__t__g5');
  expect(await dropOrphans({ client: first, exclusively }, 'pg2')).toEqual([]);
  await reader.query('rollback');
  expect(await oldCopies()).toEqual(['gone__public__t__g5', ...others.slice(1).toReversed(), others[0]]);
  expect(await dropOrphans({ client: first, exclusively }, 'pg2')).toEqual([]);
  expect(await oldCopies()).toHaveLength(3);
});

test('no copy is dropped, nor forgotten, by who does not lead any more', async () => {
  const { first, lease, applier } = await leading();
  await first.query(oldCopyOf('pg2', 'pg2__public__item__g1'));
  await first.query(`insert into nearjoin.cache_table (target, schema_name, table_name, relation, columns, key_columns, state, generation)
    values ('pg2', 'public', 'other', 'pg2__public__other__g2', '[]', '[]', 'ready', 2)`);
  await first.query('select pg_advisory_unlock_all()');
  await acquireLease(await connect(), candidate('two'), systemClock, never);
  const exclusively: Applier['exclusively'] = (work) => applier.exclusively(work);
  await expect(dropOrphans({ client: first, exclusively }, 'pg2')).rejects.toBeInstanceOf(LeaseLost);
  await expect(dropCopies(first, lease)).rejects.toBeInstanceOf(LeaseLost);
  expect(await oldCopies()).toEqual(['pg2__public__item__g1']);
  expect((await first.query('select target from nearjoin.cache_table')).rows).toEqual([{ target: 'pg2' }]);
});

test('a schema that lacks a part is made anew beside somebody who is reading its status', async () => {
  const mending = await connect();
  const { id } = await migrate(mending);
  await source.query('drop table nearjoin.verification');
  // As a status is read, but for the wait between its first table and the next.
  const reading = source.query(`do $$ begin
    perform from nearjoin.installation;
    for i in 1 .. 2000 loop
      exit when exists (select from pg_locks where not granted and database = (select oid from pg_database where datname = current_database()));
      perform pg_sleep(0.005);
    end loop;
    perform from nearjoin.feed;
  end $$`);
  await poll('the reader', async () => {
    const { rows } = await source.query(
      `select from pg_locks where relation = 'nearjoin.installation'::regclass and mode = 'AccessShareLock'`,
    );
    return rows.length > 0;
  });
  expect(await migrate(mending)).toEqual({ id, restored: ['verification'] });
  await reading;
});

test('work of its own for which the lease is lost leaves no transaction begun', async () => {
  const { first, lease, applier } = await leading();
  await takeEpoch(first, 'pg2', 'two');
  await expect(applier.exclusively(() => Promise.resolve())).rejects.toThrow(LeaseLost);
  expect(applier.isOpen).toBe(false);
  expect((await first.query('select epoch from nearjoin.feed')).rows).toEqual([
    { epoch: `${lease.epoch + 1n}` },
  ]);
});

test('an index for which no session is to be had is told, and tried another time', async () => {
  const { first, lease } = await leading();
  const log: string[] = [];
  const wanted = { table: { schema: 'public', name: 'user' }, relation: 'user_copy', columns: [] };
  const options = { sourceUrl: 'postgres://127.0.0.1:1/nobody', log: logInto(log) };
  expect(await buildIndex({ options, leader: 'one', lease, control: first }, wanted, never)).toBe(false);
  expect(log).toEqual([expect.stringContaining('warn an index could not be built')]);
  const { rows } = await first.query('select last_error from nearjoin.feed');
  expect(rows).toEqual([{ last_error: expect.stringContaining('user: an index could not be built: ') }]);
});
