import { createHash } from 'node:crypto';
import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { EARLY, EARLY_TARGET, streamingEarly } from '../support/early.ts';
import { FeedRig } from '../support/feed.ts';

// Values as large as Postgres lets them be in practice, by the copy and by the stream.

let rig: FeedRig;

afterEach(() => rig?.close());

const MEGABYTES = Number(process.env['NEARJOIN_TEST_LARGE_MB'] ?? 20);

async function digests(name: 'target' | 'source', from: string): Promise<unknown> {
  const { rows } = await rig[name].query(
    `select id, length(t) as chars, md5(t) as text, md5(b) as bytes from ${from} order by id`,
  );
  return rows;
}

test('values of many megabytes are copied, streamed and left alone', async () => {
  const text = `repeat('0123456789abcdeé', ${MEGABYTES} * 1000000 / 17)`;
  rig = await FeedRig.open(
    [
      'create table big (id int primary key, n int, t text, b bytea)',
      `insert into big values (1, 1, ${text}, null)`,
    ],
    { big: [] },
  );
  rig.start();
  await rig.until('the copy', async () => (await rig.tableStatus('big'))?.state.kind === 'ready');
  await rig.target.query(
    `insert into big values (2, 1, ${text} || 'x', decode(repeat('00ff', ${MEGABYTES / 10} * 250000), 'hex'))`,
  );
  await rig.target.query('update big set n = 2');
  await rig.until('the rows', async () => {
    const { rows } = await rig.source.query(
      `select from nearjoin."${(await rig.tableStatus('big'))?.relation}" where n = 2`,
    );
    return rows.length === 2;
  });
  const cached = `nearjoin."${(await rig.tableStatus('big'))?.relation}"`;
  expect(await digests('source', cached)).toEqual(await digests('target', 'big'));
});

test("rows that are written while they come are the target's, whatever was sent of them", async () => {
  const names = ['plain', 'whole'];
  const tables = names.flatMap((name) => [
    `create table ${name} (a text, id int primary key, n int, b bytea, c text)`,
    ...['a', 'b', 'c'].map((column) => `alter table ${name} alter ${column} set storage external`),
    `insert into ${name} select repeat('a', 90000), i, i, null, repeat(E'\\t\\\\é\\n', 20000) from generate_series(1, 12) i`,
  ]);
  const other = 'create table other (id serial primary key, t text)';
  rig = await FeedRig.open([EARLY_TARGET, ...tables, 'alter table whole replica identity full', other], {
    plain: [],
    whole: [],
  });
  const change = async (from: number): Promise<void> => {
    await rig.target.query(`insert into other (t) values (repeat('o', 300000))`);
    for (const sql of names.flatMap((name) => changesOf(name, from))) await rig.target.query(sql);
    const all = names.flatMap((name) => changesOf(name, from + 20));
    const undone = names.flatMap((name) => changesOf(name, from)).join(';');
    await rig.target.query(
      `begin; ${all.join(';')}; savepoint s; ${undone}; rollback to s; ${all[4]}; commit`,
    );
    await rig.ready();
    await rig.caughtUp();
    for (const name of names) {
      const { target, cache } = await rig.contents(name);
      expect(cache.map(digest)).toEqual(target.map(digest));
    }
  };
  // Most are larger than a read of the socket, and so come in pieces that end anywhere.
  rig.start({ largeBytes: 5_000, limits: EARLY });
  await change(20);
  await streamingEarly(rig);
  await change(60);
  expect((await rig.status())?.lastError).toBeNull();
});

test('nothing that comes behind a row that is written while it comes is read before that', async () => {
  rig = await FeedRig.open(
    ['create table doc (id int primary key, body text)', 'create table other (id int primary key)'],
    { doc: [], other: [] },
  );
  rig.start({ largeBytes: 50_000, timings: { tickMs: 100 } });
  await rig.ready();
  const holder = new pg.Client({ connectionString: rig.source.url });
  await holder.connect();
  await holder.query(`begin; lock table nearjoin."${(await rig.tableStatus('other'))?.relation}"`);
  await rig.target.query('insert into other values (1)');
  await rig.until('the feed to wait', async () => {
    const { rows } = await rig.source.query(
      `select from pg_locks l join pg_database d on d.oid = l.database where d.datname = current_database() and not l.granted`,
    );
    return rows.length > 0;
  });
  await rig.target.query(
    `begin; insert into doc values (1, repeat('x', 500000)); delete from doc; insert into other values (2); commit`,
  );
  const { rows } = await rig.target.query<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn');
  const heardOf = (since: string): Promise<void> =>
    rig.until('the feed to have been sent all, and to say something after that', async () => {
      const found = await rig.target.query(
        `select from pg_stat_replication r join pg_stat_activity a using (pid)
         where a.datname = current_database() and r.sent_lsn >= $1::pg_lsn and r.reply_time > $2::timestamptz`,
        [rows[0]?.lsn, since],
      );
      return found.rows.length > 0;
    });
  const now = async (): Promise<string> =>
    (await rig.target.query<{ now: string }>('select clock_timestamp()::text as now')).rows[0]?.now ?? '';
  await heardOf('-infinity');
  await heardOf(await now());
  await holder.end();
  await rig.caughtUp();
  expect((await rig.contents('doc')).cache).toEqual([]);
  expect((await rig.contents('other')).cache).toHaveLength(2);
  expect((await rig.status())?.lastError).toBeNull();
});

function digest(row: string): string {
  return `${row.length} ${createHash('md5').update(row).digest('hex')}`;
}

/** Changes that send all of a row, only what is before or behind its large values, an old row, a moved key, or two large values. */
function changesOf(name: string, from: number): readonly string[] {
  const large = (letter: string, count: number): string => `repeat('${letter}', ${count})`;
  return [
    `delete from ${name} where id >= ${from}`,
    `insert into ${name} values (${large('q', 200_000)}, ${from}, 1, decode(${large('0a5c', 50_000)}, 'hex'), null)`,
    `insert into ${name} select ${large('r', 70_000)}, ${from} + i, i, null, ${large('w', 90_000)} from generate_series(1, 9) i`,
    `update ${name} set a = ${large('b', 150_000)} where id = ${from}`,
    `update ${name} set c = ${large('c', 150_000)}, n = n + 1 where id = ${from} + 1`,
    `update ${name} set b = convert_to(${large('d', 80_000)}, 'UTF8') where id in (2, ${from} + 2)`,
    `update ${name} set n = n + 1 where id in (3, ${from} + 3)`,
    `update ${name} set id = id + 1000, a = ${large('e', 120_000)} where id = ${from} + 4`,
    `update ${name} set id = id + 1000, a = ${large('f', 120_000)}, b = 'x', c = ${large('g', 120_000)} where id = ${from} + 5`,
    `update ${name} set id = id + 1000 where id = ${from} + 6`,
    `update ${name} set a = null, c = ${large('h', 120_000)} where id = ${from} + 7`,
    `update ${name} set a = '', c = null where id = ${from} + 8`,
    `delete from ${name} where id = ${from} + 9`,
  ];
}

// Needs two gigabytes for a moment, and a minute on a busy machine.
test.runIf(MEGABYTES >= 500)(
  'a row that Postgres cannot send costs its own table the cache, and stops no other',
  async () => {
    rig = await FeedRig.open(
      [
        `create type mood as enum ('sad')`,
        // Copied as text because of its enum: in binary it could be.
        'create table big (id int primary key, b bytea, m mood)',
        'create table small (id int primary key)',
      ],
      { big: [], small: [] },
    );
    await rig.target.query(`alter table big alter b set compression ${await fastestCompression()}`);
    rig.start();
    await rig.ready();
    const before = (await rig.tableStatus('small'))?.relation;
    // A byte of bytea is two of text, and none may be longer than 1 GB.
    await rig.target.query(`insert into big values (1, convert_to(repeat('x', 540000000), 'UTF8'))`);
    await rig.target.query('insert into small values (1)');
    await rig.copiedAgain('small', before);
    const said = /a row is larger than Postgres can send.* leave its table out of the cache/;
    await rig.until('the large one to be left out', async () => {
      const state = (await rig.tableStatus('big'))?.state;
      return state?.kind === 'failed' && said.test(state.reason);
    });
    expect((await rig.status())?.lastError).toMatch(said);
    // Nor does another change of it.
    await rig.target.query(`update big set b = b || '\\x00'`);
    await rig.target.query('insert into small values (2)');
    await rig.caughtUp();
    const now = await rig.contents('small');
    expect(now.cache).toEqual(now.target);
  },
);

async function fastestCompression(): Promise<string> {
  const { rows } = await rig.target.query<{ has: boolean }>(
    `select 'lz4' = any(enumvals) as has from pg_settings where name = 'default_toast_compression'`,
  );
  return rows[0]?.has === true ? 'lz4' : 'pglz';
}
