import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { requestPause, requestResume, requestResync } from '../../src/cache/feed/requests.ts';
import { requestVerification } from '../../src/cache/feed/verification.ts';
import { DEFAULT_LIMITS } from '../../src/replicate/feed-options.ts';
import type { Step, StepHook } from '../../src/replicate/steps.ts';
import { FeedRig } from '../support/feed.ts';
import { dropSlots } from '../support/postgres.ts';
import { startProxy } from '../support/proxy.ts';

let rig: FeedRig;
let holder: pg.Client;

beforeEach(async () => {
  rig = await FeedRig.open(
    [
      'create table item (id int primary key, n int)',
      'insert into item select g, g from generate_series(1, 100) g',
    ],
    { item: [] },
  );
  holder = new pg.Client({ connectionString: rig.source.url });
  await holder.connect();
});

afterEach(async () => {
  await holder?.end();
  await rig?.close();
});

/** Somebody on the source has the copy for himself. */
async function lockCopy(name = 'item'): Promise<void> {
  const copy = (await rig.tableStatus(name))?.relation ?? '';
  await holder.query('begin');
  await holder.query(`lock table nearjoin."${copy}" in access exclusive mode`);
}

async function someoneWaits(text: string): Promise<void> {
  await rig.until(`a session to wait: ${text}`, async () => {
    const { rows } = await rig.source.query(
      `select from pg_stat_activity where datname = current_database() and state = 'active' and wait_event_type = 'Lock'
         and query like $1`,
      [text],
    );
    return rows.length > 0;
  });
}

/** A change of table `other` waits for the source until `holder` lets it go. */
async function holdStream(): Promise<void> {
  await lockCopy('other');
  await rig.target.query('insert into other values (1)');
  await someoneWaits('insert into nearjoin%');
}

async function sourceTime(): Promise<number> {
  const now = 'select (extract(epoch from clock_timestamp()) * 1000000)::float8 as us';
  return (await rig.source.query<{ us: number }>(now)).rows[0]?.us ?? 0;
}

/** Counts what a feed does a few times a second, and leaves its batches as they are. */
function ticking(also: (step: Step) => Promise<void> | void = () => undefined): {
  readonly onStep: StepHook;
  readonly some: () => Promise<void>;
} {
  let ticks = 0;
  const onStep = (step: Step): Promise<void> | void => {
    if (step === 'apply:acknowledged') ticks += 1;
    return also(step);
  };
  const some = async (): Promise<void> => {
    const until = ticks + 6;
    await rig.until('some time to pass', () => Promise.resolve(ticks >= until));
  };
  return { onStep: Object.assign(onStep, { inOneTrip: true }), some };
}

async function state(wanted: string): Promise<void> {
  await rig.until(`the feed to be ${wanted}`, async () => (await rig.status())?.state === wanted);
}

/** For the transaction that `holder` has open then. */
async function anIndexWaits(): Promise<void> {
  rig.start();
  await rig.ready();
  await holder.query('begin isolation level repeatable read');
  await holder.query('create temporary table mine (a int)');
  await rig.track({ item: [['n']] });
  await someoneWaits('create index concurrently%');
}

test('an index that waits for a transaction on the source does not keep a broken stream from going on', async () => {
  await anIndexWaits();
  await rig.target.query(
    'select pg_terminate_backend(active_pid) from pg_replication_slots where database = current_database()',
  );
  await rig.target.query('delete from item where id = 1');
  await rig.caughtUp();
  await holder.query('rollback');
  await rig.until('the index', async () => {
    const { rows } = await rig.source.query<{ valid: boolean }>(
      `select i.indisvalid as valid from pg_index i join pg_class c on c.oid = i.indrelid
       where c.relnamespace = 'nearjoin'::regnamespace and c.relname like '%item%'`,
    );
    return rows.length === 2 && rows.every(({ valid }) => valid);
  });
});

async function copyAgain(): Promise<void> {
  const before = (await rig.tableStatus('item'))?.relation;
  await requestResync(rig.source, 'pg2', [{ schema: 'public', name: 'item' }]);
  await rig.copiedAgain('item', before);
}

test('an index that waits for a transaction on the source does not keep its table from being copied again', async () => {
  await anIndexWaits();
  await copyAgain();
  await holder.query('rollback');
});

test('what the source is still at for a copy that was stopped does not keep its table from being copied again', async () => {
  await rig.source.query('create table slow (seconds int)');
  await rig.source.query(`create function wait() returns event_trigger language plpgsql as
    $$ begin perform pg_sleep(seconds) from public.slow; end $$`);
  await rig.source.query(`create event trigger slow on ddl_command_end when tag in ('CREATE INDEX')
    execute function wait()`);
  rig.start({ limits: { copy: { ...DEFAULT_LIMITS.copy, apartRows: 0 } } });
  await rig.ready();
  await rig.source.query('insert into slow values (600)');
  await requestResync(rig.source, 'pg2', [{ schema: 'public', name: 'item' }]);
  await rig.until('the index', async () => {
    const { rows } = await rig.source.query(`select from pg_stat_activity
      where datname = current_database() and wait_event = 'PgSleep'`);
    return rows.length > 0;
  });
  await rig.source.query('delete from slow');
  await copyAgain();
});

test('who locks the watermarks is told of a feed that has nothing to write, and of one that begins meanwhile', async () => {
  rig.start();
  await rig.ready();
  await state('streaming');
  await holder.query('begin; lock table nearjoin.watermark in share mode');
  const { rows } = await holder.query('select pg_backend_pid() as pid');
  const said = `waiting for a lock on nearjoin.watermark in the source, which is held by session ${rows[0]?.pid}`;
  const told = async (): Promise<boolean> => (await rig.status())?.reason?.startsWith(said) === true;
  await rig.until('the wait to be told', told);
  const streams = (): number => rig.log.filter((line) => line.startsWith('info streaming')).length;
  const before = streams();
  await rig.source.query('select pg_terminate_backend(leader_pid) from nearjoin.feed');
  await rig.until('another stream', () => Promise.resolve(streams() > before));
  await rig.until('the wait to be told again', told);
  await holder.query('rollback');
  await state('streaming');
});

test('a feed whose copy is locked by hand is paused and ended all the same, and goes on with what it left', async () => {
  const supervisor = rig.start();
  await rig.ready();
  await lockCopy();
  await rig.target.query('delete from item where id = 1');
  const { rows } = await holder.query('select pg_backend_pid() as pid');
  const said = new RegExp(
    `^waiting for a lock on nearjoin\\..*item.* in the source, which is held by session ${rows[0]?.pid}`,
  );
  await rig.until('the wait to be told', async () => {
    const status = await rig.status();
    return status?.state === 'retrying' && said.test(status.reason ?? '');
  });
  await requestPause(rig.source, 'pg2');
  await state('paused');
  await holder.query('rollback');
  await requestResume(rig.source, 'pg2');
  await state('streaming');
  await rig.caughtUp();
  await lockCopy();
  await requestVerification(rig.source, 'pg2', { tables: null, repair: false, rowsPerSecond: null });
  await someoneWaits('%sha256%');
  await supervisor.stop();
  await holder.query('rollback');
  expect((await rig.contents('item')).cache).toHaveLength(99);
});

test('what is read behind a batch that waits for the source is not applied before it', async () => {
  await rig.target.query('create table other (id int primary key)');
  const first = rig.start();
  await rig.ready();
  await first.stop();
  const before = (await rig.tableStatus('item'))?.relation;
  const { rows: slots } = await rig.target.query<{ name: string }>(
    'select pubname as name from pg_publication',
  );
  // Such a publication tells of tables that nothing is kept of.
  await rig.target.query(
    `drop publication ${slots[0]?.name}; create publication ${slots[0]?.name} for all tables`,
  );
  const { onStep, some } = ticking();
  rig.start({ limits: { batch: { rows: 10, bytes: 1 << 20 } }, onStep });
  await rig.copiedAgain('item', before);
  await rig.ready();
  await rig.caughtUp();
  await lockCopy();
  await rig.target.query('insert into item values (200, 1)');
  await someoneWaits('insert into nearjoin%');
  const written = await sourceTime();
  await rig.target.query('insert into other select generate_series(1, 20)');
  await some();
  expect(rig.probes.filter(({ freshAsOf }) => freshAsOf > written)).toEqual([]);
  await holder.query('rollback');
  await rig.until('a proof', () => Promise.resolve(rig.probes.some(({ freshAsOf }) => freshAsOf > written)));
  expect((await rig.contents('item')).cache).toHaveLength(101);
});

test('while somebody reads a copy that is not right any more, nothing is proved', async () => {
  const { onStep, some } = ticking();
  rig.start({ onStep });
  await rig.ready();
  await rig.caughtUp();
  const copy = (await rig.tableStatus('item'))?.relation;
  await holder.query('begin');
  await holder.query(`select from nearjoin."${copy}"`);
  await rig.target.query('alter table item alter column n type bigint using n * 2');
  const altered = await sourceTime();
  await someoneWaits('%drop table if exists nearjoin%');
  await some();
  expect(rig.probes.filter(({ freshAsOf }) => freshAsOf > altered)).toEqual([]);
  await holder.query('rollback');
  await rig.copiedAgain('item', copy);
});

test('a feed that begins anew, and cannot before a reader of an old copy has ended, says who that is', async () => {
  const first = rig.start();
  await rig.ready();
  await first.stop();
  const copy = (await rig.tableStatus('item'))?.relation;
  await holder.query(`begin; select from nearjoin."${copy}"`);
  const { rows } = await holder.query('select pg_backend_pid() as pid');
  const pid = rows[0]?.pid;
  await dropSlots(rig.target);
  rig.start();
  let told = '';
  await rig.until('the wait to be told', async () => {
    const status = await rig.status();
    told = status?.reason ?? '';
    return status?.state === 'retrying' && told.startsWith('waiting for a lock');
  });
  const since = / \(role \w+, in a transaction since [-\dT:]+Z\)/.exec(told)?.[0];
  expect(told).toBe(
    `waiting for a lock on nearjoin.${copy} in the source, which is held by session ${pid}${since}; ` +
      `end what it is at there, or run: select pg_terminate_backend(${pid});`,
  );
  await holder.query('rollback');
  await rig.copiedAgain('item', copy);
  expect((await rig.status())?.lastError).toContain(told);
  await state('streaming');
});

test('a feed whose lease is locked by hand is not led, and ended all the same', async () => {
  const supervisor = rig.start();
  await rig.ready();
  await supervisor.stop();
  await holder.query('begin; select from nearjoin.lease for key share');
  const next = rig.start();
  await someoneWaits('update nearjoin.feed set epoch%');
  await next.stop();
  await holder.query('rollback');
});

test('a leader that has not reached its target yet does not repeat what was said before it', async () => {
  const first = rig.start();
  await rig.ready();
  await state('streaming');
  await first.stop();
  const { hostname, port } = new URL(rig.target.url);
  await using proxy = await startProxy({ host: hostname, port: Number(port) });
  proxy.setMode('black-hole');
  rig.start({ targetUrl: proxy.through(rig.target.url), timings: { connectMs: 600_000 } });
  await state('starting');
  expect((await rig.status())?.reason).toBe('connecting to the target');
  proxy.setMode('forward');
  await state('streaming');
  await rig.stop();
});

test('a copy that waits for a transaction of the target says so, and goes on when that has ended', async () => {
  rig.start();
  await rig.ready();
  const before = (await rig.tableStatus('item'))?.relation;
  const writer = new pg.Client({ connectionString: rig.target.url });
  await writer.connect();
  await writer.query('begin; select pg_current_xact_id()');
  await requestResync(rig.source, 'pg2', [{ schema: 'public', name: 'item' }]);
  await rig.until('the wait to be told', async () => {
    const { doing } = (await rig.tableStatus('item')) ?? {};
    return doing?.startsWith('waiting for transactions that run on the target') === true;
  });
  await rig.target.query('delete from item where id = 1');
  await rig.caughtUp();
  await writer.query('rollback');
  await writer.end();
  await rig.copiedAgain('item', before);
  expect(await rig.tableStatus('item')).toMatchObject({ doing: null });
  expect((await rig.contents('item')).cache).toHaveLength(99);
});

test('what a transaction did to a table before and while it was not published is not taken for its last word', async () => {
  await rig.target.query('create table other (id int primary key)');
  await rig.track({ item: [], other: [] });
  const { onStep, some } = ticking();
  rig.start({ onStep });
  await rig.ready();
  const published = (tables: number): Promise<void> =>
    rig.until(`${tables} tables to be published`, async () => {
      const { rowCount } = await rig.target.query('select from pg_publication_rel');
      return rowCount === tables;
    });
  const writer = new pg.Client({ connectionString: rig.target.url });
  await writer.connect();
  await writer.query('begin; update item set n = -1 where id < 3; insert into item values (200, 1)');
  await rig.track({ other: [] });
  await published(1);
  await writer.query('update item set n = -2 where id in (1, 200); delete from item where id = 2');
  await rig.track({ item: [], other: [] });
  await published(2);
  await rig.until(
    'the copy to wait',
    async () => (await rig.tableStatus('item'))?.doing?.startsWith('waiting') === true,
  );
  // It ends on the target before the stream has come to it.
  await holdStream();
  await writer.query('commit');
  await writer.end();
  await some();
  await holder.query('rollback');
  await rig.ready();
  await rig.caughtUp();
  const { target, cache } = await rig.contents('item');
  expect(cache).toEqual(target);
});

test.each([
  // Too little to be made ready for the source, of before the copy's snapshot; and as much as is made ready behind what was sent.
  ['copy:begun', ['insert into other values (2)'], 2],
  [
    'copy:caught-up',
    ['insert into other select generate_series(2, 21)', 'insert into item select generate_series(201, 220)'],
    1,
  ],
] as const)(
  'what was read before a copy is finished is written before that: at %s, %j',
  async (at, statements, least) => {
    await rig.target.query('create table other (id int primary key)');
    await rig.track({ other: [] });
    let [isNext, isHeld] = [false, false];
    let seen = 0;
    const { onStep, some } = ticking(async (step) => {
      if (isNext && step === at) {
        isNext = false;
        await holdStream();
        for (const statement of statements) await rig.target.query(statement);
        await some();
        isHeld = true;
      }
      if (step !== 'copy:merged-uncommitted' || !isHeld) return;
      const copy = (await rig.tableStatus('other'))?.relation;
      seen = (await rig.source.query(`select from nearjoin."${copy}"`)).rowCount ?? 0;
    });
    rig.start({ limits: { batch: { rows: 10, bytes: 1 << 20 }, schemaPollMs: 600_000 }, onStep });
    await rig.ready();
    isNext = true;
    await rig.track({ other: [], item: [] });
    await rig.until('the stream to wait', () => Promise.resolve(isHeld));
    await some();
    await holder.query('rollback');
    await rig.ready();
    await rig.caughtUp();
    expect(seen).toBeGreaterThanOrEqual(least);
    const { target, cache } = await rig.contents('item');
    expect(cache).toEqual(target);
  },
);

test('tables that somebody has locked before they are published hold up no proof of another', async () => {
  await rig.target.query('create table other (id int primary key)');
  rig.start({ timings: { lockMs: 120_000, statementMs: 120_000 } });
  await rig.ready();
  const locking = new pg.Client({ connectionString: rig.target.url });
  await locking.connect();
  const look = async (): Promise<{ readonly waits: boolean; readonly grants: string }> => {
    const { rows } = await rig.target.query(
      `select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
           and query like 'alter publication%') as waits,
         (select concat(count(*), ':', sum(xmin::text::bigint)) from pg_auth_members) as grants`,
    );
    return { waits: rows[0]?.['waits'] === true, grants: String(rows[0]?.['grants']) };
  };
  // A role granted to another, on all of the server, has the tables looked at again, and only then anything proved: other tests do that.
  for (let isProved = false; !isProved; ) {
    const { grants } = await look();
    await locking.query('begin; lock table other in share mode');
    await rig.track({ item: [], other: [] });
    await rig.until('somebody to wait for a lock', async () => (await look()).waits);
    const enough = rig.probes.length + 12;
    const seen = async (): Promise<boolean> =>
      rig.probes.length >= enough || (await look()).grants !== grants;
    await rig.until('proofs', seen);
    isProved = rig.probes.length >= enough;
    await locking.query('rollback');
    await rig.ready();
    await rig.track({ item: [] });
    await rig.until('it to be published no more', async () => {
      const { rows } = await rig.target.query('select from pg_publication_tables');
      return rows.length === 1;
    });
  }
  await locking.end();
});

test('nor do they when it is tried again', async () => {
  await rig.target.query('create table other (id int primary key)');
  rig.start({ timings: { lockMs: 2_000 } });
  await rig.ready();
  const locking = new pg.Client({ connectionString: rig.target.url });
  await locking.connect();
  await locking.query('begin; lock table other in share mode');
  await rig.track({ item: [], other: [] });
  await rig.until(
    'the first try to fail',
    async () => (await rig.tableStatus('other'))?.state.kind === 'failed',
  );
  let [wait, enough] = ['', 0];
  await rig.until('proofs while one wait goes on', async () => {
    const before = rig.probes.length;
    const { rows } = await rig.target.query<{ wait: string }>(
      `select concat(pid, ' ', xact_start) as wait from pg_stat_activity
       where datname = current_database() and wait_event_type = 'Lock' and query like 'alter publication%'`,
    );
    const now = rows[0]?.wait ?? '';
    if (now !== wait) [wait, enough] = [now, rig.probes.length + 6];
    return wait !== '' && before >= enough;
  });
  await locking.end();
  await rig.ready();
});

test('a table that is wanted no more, and that somebody has locked, stays published and says who has it', async () => {
  await rig.target.query('create table other (id int primary key)');
  await rig.track({ item: [], other: [] });
  rig.start({ timings: { lockMs: 100 } });
  await rig.ready();
  const locking = new pg.Client({ connectionString: rig.target.url, application_name: 'psql' });
  await locking.connect();
  await locking.query('begin; lock table other in share mode');
  await rig.track({ item: [] });
  const said =
    /other stays published: waiting for a lock on the target, which is held by session \d+ \(psql, role /;
  await rig.until('that to be said', async () => said.test((await rig.status())?.lastError ?? ''));
  await locking.end();
  await rig.until('it to be published no more', async () => {
    const { rows } = await rig.target.query('select from pg_publication_tables');
    return rows.length === 1;
  });
});

test('a source that has gone silent does not keep a feed from ending', async () => {
  const { hostname, port } = new URL(rig.source.url);
  await using proxy = await startProxy({ host: hostname, port: Number(port) });
  const supervisor = rig.start({ sourceUrl: proxy.through(rig.source.url) });
  await rig.ready();
  proxy.setMode('black-hole');
  await rig.target.query('delete from item where id = 1');
  await supervisor.stop();
});
