import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { requestResync } from '../../src/cache/feed/requests.ts';
import { type Row, rowOf } from '../../src/core/rows/row.ts';
import { Statements } from '../../src/replicate/write/statements.ts';
import { FeedRig } from '../support/feed.ts';
import { poll } from '../support/poll.ts';

// Batches of every size and kind: one row goes as parameters, some as arrays, many and large ones through a stage.

let rig: FeedRig | null = null;

afterEach(async () => {
  await rig?.close();
  rig = null;
});

async function open(statements: readonly string[], tables: readonly string[]): Promise<FeedRig> {
  rig = await FeedRig.open(statements, Object.fromEntries(tables.map((name) => [name, []])));
  rig.start();
  await rig.ready();
  return rig;
}

async function same(made: FeedRig, name: string): Promise<number> {
  await made.caughtUp();
  const { target, cache } = await made.contents(name);
  expect(cache).toEqual(target);
  return cache.length;
}

const ITEM =
  'create table item (id int primary key, name text, tags text[], amount numeric(12,3), doc jsonb, raw bytea)';
const NASTY = String.raw`(array[E'\\N', E'a\tb', E'line\nline\r', E'back\\slash\\', E'\\.', '', null, 'ü 😀 \x01', E'"{,}"', E'\\t\\n'])`;

test.each([1, 2, 399, 400, 401, 12_001])(
  '%i rows at once arrive as they are, whatever is in them',
  async (count) => {
    const made = await open([ITEM], ['item']);
    const pick = `${NASTY}[1 + g % 10]`;
    await made.target.query(
      `insert into item select g, ${pick}, array[${pick}, 'x', null], g / 7.0, jsonb_build_object('k', ${pick}),
       convert_to(coalesce(${pick}, ''), 'UTF8') from generate_series(1, ${count}) g`,
    );
    expect(await same(made, 'item')).toBe(count);
    await made.target.query(`update item set name = ${NASTY}[1 + (id + 3) % 10], amount = amount + 1`);
    expect(await same(made, 'item')).toBe(count);
    await made.target.query('delete from item where id % 3 = 0');
    const left = count - Math.floor(count / 3);
    expect(await same(made, 'item')).toBe(left);
    // Keys that were there come again, among others that are new.
    await made.target.query(
      `with gone as (delete from item where id % 3 = 1 returning *)
         insert into item select id + 100000, 'moved', tags, amount, doc, raw from gone;
       insert into item (id, name) select g, ${pick} from generate_series(1, ${count}) g where g % 3 < 2`,
    );
    expect(await same(made, 'item')).toBe(count + Math.ceil(count / 3));
  },
);

test('one transaction that changes several tables, keys and large values in many chunks', async () => {
  const made = await open(
    [
      ITEM,
      'create table pair (a text, b int, note text, primary key (b, a))',
      'create table big (id int primary key, n int not null, body text)',
      'alter table big alter column body set storage external',
      `insert into big select g, 0, repeat('x', 2500) || g from generate_series(1, 3000) g`,
    ],
    ['item', 'pair', 'big'],
  );
  await made.target.query(
    `do $$ begin
       insert into item (id, name) select g, 'first ' || g from generate_series(1, 7000) g;
       insert into pair select 'k' || g % 7, g, E'\\N' from generate_series(1, 6000) g;
       update big set n = n + 1;
       update item set name = E'second\\t' || id where id % 2 = 0;
       update big set body = repeat('y', 2600) || id, n = 7 where id % 5 = 0;
       update big set n = n + 1;
       update pair set b = b + 100000 where b % 3 = 0;
       update big set id = id + 10000 where id between 1 and 700;
       delete from item where id % 11 = 0;
       update item set id = -id where id % 13 = 0;
     end $$`,
  );
  for (const name of ['item', 'pair', 'big']) await same(made, name);
});

test('a truncate between two large halves of a transaction takes the first half with it', async () => {
  const made = await open([ITEM], ['item']);
  await made.target.query(
    `do $$ begin
       insert into item (id, name) select g, 'gone' from generate_series(1, 6000) g;
       truncate item;
       insert into item (id, name) select g, 'kept' from generate_series(1, 5500) g;
     end $$`,
  );
  expect(await same(made, 'item')).toBe(5500);
});

test('a table that can no longer be written breaks alone, in the middle of a staged batch, and is copied again', async () => {
  const made = await open([ITEM, 'create table other (id int primary key, note text)'], ['item', 'other']);
  await same(made, 'item');
  const relation = async (): Promise<string | undefined> => (await made.tableStatus('item'))?.relation;
  const first = await relation();
  await made.source.query(`alter table nearjoin."${first}" add constraint never check (id < 5000)`);
  await made.target.query(
    `do $$ begin
       insert into other select g, 'n' from generate_series(1, 1000) g;
       insert into item (id, name) select g, 'x' from generate_series(1, 6000) g;
       insert into other select g, 'n' from generate_series(1001, 2000) g;
     end $$`,
  );
  await made.copiedAgain('item', first);
  expect(await same(made, 'item')).toBe(6000);
  expect(await same(made, 'other')).toBe(2000);
});

test('what a session has staged and prepared for a copy goes with it', async () => {
  const made = await open([ITEM], ['item']);
  await made.target.query(`insert into item (id, name) select g, 'x' from generate_series(1, 1000) g`);
  await same(made, 'item');
  await made.target.query(`update item set name = 'y'`);
  await same(made, 'item');
  const staged = async (): Promise<readonly unknown[]> => {
    const sql = `select relname from pg_class where relpersistence = 't' and relkind = 'r'`;
    return (await made.source.query(sql)).rows.map(({ relname }) => relname);
  };
  const before = (await made.tableStatus('item'))?.relation;
  // Postgres 14 cannot merge what is staged.
  expect(await staged()).toEqual(made.source.server.version < 15 ? [] : [before]);
  await requestResync(made.source, 'pg2', [{ schema: 'public', name: 'item' }]);
  await made.copiedAgain('item', before);
  expect(await staged()).toEqual([]);

  const client = new pg.Client({ connectionString: made.source.url, pipeline: true });
  await client.connect();
  const statements = new Statements(client);
  const run = async (numbers: readonly number[]): Promise<void> => {
    for (const at of numbers) statements.add({ text: `select ${at}` });
    await statements.settle();
  };
  await run(Array.from({ length: 390 }, (_, at) => at));
  await run([0, ...Array.from({ length: 20 }, (_, at) => 390 + at), 409]);
  const { rows } = await client.query<{ at: number }>(
    `select substring(statement, 'select (.*)')::int as at from pg_prepared_statements where name like 'nj%' order by 1`,
  );
  expect(rows.map(({ at }) => at)).toEqual([0, ...Array.from({ length: 399 }, (_, at) => 11 + at)]);
  await client.end();
});

test('rows that a session has written are let go of before it writes again', async () => {
  const made = await open([ITEM], ['item']);
  const client = new pg.Client({ connectionString: made.source.url });
  await client.connect();
  await client.query('create temporary table copied (id int)');
  const statements = new Statements(client);
  const add = (): readonly WeakRef<Row>[] => {
    const rows = Array.from({ length: 500 }, (_, at) => rowOf([String(at)]));
    statements.add({ text: 'copy copied (id) from stdin', copy: { rows, positions: [0], stage: null } });
    return rows.map((row) => new WeakRef(row));
  };
  const rows = add();
  await statements.settle();
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  await poll('the rows to be collected', () => {
    collect();
    return Promise.resolve(rows.every((row) => row.deref() === undefined));
  });
  await client.end();
});

test('a role that may make no temporary tables any more, by its rights or by an event trigger, follows too, and copies nothing again', async () => {
  rig = await FeedRig.open([ITEM], { item: [] });
  const { rows } = await rig.source.query<{ name: string }>('select current_database() as name');
  const role = `r_${rows[0]?.name}`;
  const database = `"${rows[0]?.name}"`;
  await rig.source.query(`create role "${role}" login password 'x'`);
  await rig.source.query(`grant create on database ${database} to "${role}"`);
  const url = new URL(rig.source.url);
  url.username = role;
  url.password = 'x';
  const first = rig.start({ sourceUrl: String(url) });
  await rig.ready();
  const relation = (await rig.tableStatus('item'))?.relation;
  const fill = (from: number): string =>
    `insert into item (id, name) select g, E'\\t' || g from generate_series(${from}, ${from + 5_999}) g`;
  await rig.source.query(`revoke temporary on database ${database} from public`);
  await rig.target.query(fill(1));
  expect(await same(rig, 'item')).toBe(6_000);
  await first.stop();
  await rig.source.query(`grant temporary on database ${database} to public`);
  await rig.source.query(`create function nothing() returns event_trigger language plpgsql as
    $$ begin raise exception 'no table is made here'; end $$`);
  await rig.source.query(`create event trigger nothing on ddl_command_start when tag in ('CREATE TABLE')
    execute function nothing()`);
  rig.start({ sourceUrl: String(url) });
  await rig.target.query(fill(6_001));
  expect(await same(rig, 'item')).toBe(12_000);
  expect((await rig.tableStatus('item'))?.relation).toBe(relation);
});

test('values of 100 MB, several in one transaction, go through in pieces', async () => {
  const made = await open(
    [
      'create table huge (id int primary key, n int, body text)',
      'alter table huge alter column body set storage external',
    ],
    ['huge'],
  );
  const size = Number(process.env['NEARJOIN_TEST_HUGE_MB'] ?? 100) * 1_000_000;
  await made.target.query(
    `insert into huge select g, 0, repeat(E'\\\\ü\\t', ${Math.floor(size / 4)}) from generate_series(1, 2) g`,
  );
  await made.target.query('update huge set n = 1');
  const digest = 'select id, n, md5(body) as digest, octet_length(body) as bytes from';
  const relation = (await made.tableStatus('huge'))?.relation;
  const expected = await made.target.query(`${digest} huge order by id`);
  await made.until(
    'the rows to arrive',
    async () => (await made.source.query(`select from nearjoin."${relation}" where n = 1`)).rows.length === 2,
  );
  expect((await made.source.query(`${digest} nearjoin."${relation}" order by id`)).rows).toEqual(
    expected.rows,
  );
});
