import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { requestPause } from '../../src/cache/feed/requests.ts';
import { FeedRig } from '../support/feed.ts';
import { startProxy } from '../support/proxy.ts';

// The source's clock jumps. A function of the same name stands for Postgres's own, in the test's database alone.

let rig: FeedRig;

afterEach(() => rig?.close());

const ITEM = ['create table item (id int primary key)', 'insert into item select generate_series(1, 10)'];

async function open(): Promise<void> {
  rig = await FeedRig.open(ITEM, { item: [] });
  await rig.source.query(`create schema stage;
    create table stage.shift (ms int not null);
    insert into stage.shift values (0);
    set local allow_system_table_mods = on;
    alter function pg_catalog.clock_timestamp() rename to true_clock_timestamp;
    create function pg_catalog.clock_timestamp() returns timestamptz language sql volatile as
      'select pg_catalog.true_clock_timestamp() + (select ms from stage.shift) * interval ''1 millisecond'''`);
}

async function shiftTo(ms: number): Promise<void> {
  await rig.source.query('update stage.shift set ms = $1', [ms]);
}

async function newest(): Promise<{ position: string; fresh_as_of: string | null }> {
  const { rows } = await rig.source.query<{ position: string; fresh_as_of: string | null }>(
    'select position::text, fresh_as_of::text from nearjoin.watermark order by seq desc limit 1',
  );
  return rows[0] ?? { position: '', fresh_as_of: null };
}

/** Lets others read the table, and nobody write to it. */
async function locking(table: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: rig.source.url });
  await client.connect();
  await client.query(`begin; lock table ${table} in share mode`);
  return client;
}

/** A time that was proved would look new then, and could not be noticed any more. */
function untilOver(proved: string | null): Promise<void> {
  return rig.until('the time that was proved to be over', async () => {
    const { rows } = await rig.source.query(
      'select from nearjoin.feed where extract(epoch from clock_timestamp()) * 1000000 > $1',
      [proved],
    );
    return rows.length > 0;
  });
}

const isLead = (line: string): boolean => line.includes('leading a feed');
const said = (): boolean => rig.log.some((line) => line.includes('clock of the source database'));

test('set back while the target is away: nothing that was proved before counts, and the copy stays', async () => {
  await open();
  await using proxy = await startProxy(rig.target.server);
  const heard: unknown[] = [];
  rig.start({ targetUrl: proxy.through(rig.target.url), onProbe: (probe) => heard.push(probe) });
  await rig.ready();
  await rig.caughtUp();
  const before = (await rig.tableStatus('item'))?.relation;
  proxy.setMode('refuse');
  proxy.reset();
  await rig.until('the target to be missed', async () => (await rig.status())?.state === 'retrying');
  const { position, fresh_as_of: proved } = await newest();
  expect(proved).not.toBeNull();
  // By so little that the time which was proved is over soon: it would look new then. Until that it cannot be noted.
  const holder = await locking('nearjoin.watermark');
  await shiftTo(-3_000);
  await untilOver(proved);
  await holder.end();
  await rig.until('the proof to be forgotten', async () => (await newest()).fresh_as_of === null);
  expect((await newest()).position).toBe(position);
  await rig.until('it to be told', () => Promise.resolve(heard.at(-1) === null));
  proxy.setMode('forward');
  await rig.until('another proof', async () => (await newest()).fresh_as_of !== null);
  expect((await rig.tableStatus('item'))?.relation).toBe(before);
  expect(said()).toBe(true);
});

test('set back, and the leader loses its source before that is noted: the next in its process notes it', async () => {
  await open();
  await using proxy = await startProxy(rig.target.server);
  rig.start({ targetUrl: proxy.through(rig.target.url) });
  await rig.ready();
  await rig.caughtUp();
  proxy.setMode('refuse');
  proxy.reset();
  await rig.until('the target to be missed', async () => (await rig.status())?.state === 'retrying');
  const { fresh_as_of: proved } = await newest();
  const holder = await locking('nearjoin.watermark');
  await shiftTo(-3_000);
  await untilOver(proved);
  await rig.source.query(`select pg_terminate_backend(leader_pid) from nearjoin.feed`);
  await rig.until('another lead', () => Promise.resolve(rig.log.filter(isLead).length > 1));
  await holder.end();
  await rig.until('the proof to be forgotten', async () => (await newest()).fresh_as_of === null);
});

test('set back while nobody leads: a proof from a time to come is forgotten', async () => {
  await open();
  await shiftTo(3_600_000);
  const first = rig.start();
  await rig.ready();
  await rig.until('a proof', async () => (await newest()).fresh_as_of !== null);
  await first.stop();
  await using proxy = await startProxy(rig.target.server);
  proxy.setMode('refuse');
  await shiftTo(0);
  rig.start({ targetUrl: proxy.through(rig.target.url) });
  await rig.until('the proof to be forgotten', async () => (await newest()).fresh_as_of === null);
});

test('set forward: the feed goes on, and what is proved from then on is not called old', async () => {
  await open();
  rig.start();
  await rig.ready();
  await rig.until('a proof', async () => (await newest()).fresh_as_of !== null);
  const since = Number((await newest()).fresh_as_of);
  await shiftTo(3_600_000);
  await rig.until('a proof of the later time', async () => {
    return Number((await newest()).fresh_as_of) - since > 3_000_000_000;
  });
  expect(said()).toBe(false);
});

test('set back while the feed is paused: what was proved counts no more', async () => {
  await open();
  await shiftTo(3_600_000);
  rig.start();
  await rig.ready();
  await rig.until('a proof', async () => (await newest()).fresh_as_of !== null);
  await requestPause(rig.source, 'pg2');
  await rig.until('the pause', async () => (await rig.status())?.state === 'paused');
  await shiftTo(0);
  await rig.until('the proof to be forgotten', async () => (await newest()).fresh_as_of === null);
  await rig.until('the pause again', async () => (await rig.status())?.state === 'paused');
});

test('set back by an hour under a leader that falls silent: another takes its place all the same', async () => {
  await open();
  await using proxy = await startProxy(rig.source.server);
  await shiftTo(3_600_000);
  rig.start({ sourceUrl: proxy.through(rig.source.url) });
  await rig.ready();
  const epoch = async (): Promise<number> =>
    Number((await rig.source.query('select epoch from nearjoin.feed')).rows[0]?.['epoch']);
  const before = await epoch();
  proxy.setMode('black-hole');
  await shiftTo(0);
  rig.start();
  await rig.until('another leader', async () => (await epoch()) > before);
  await rig.target.query('delete from item where id = 1');
  await rig.caughtUp();
  expect((await rig.contents('item')).cache).toHaveLength(9);
  proxy.setMode('forward');
});
