import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FeedRig } from '../support/feed.ts';
import type { TestDatabase } from '../support/postgres.ts';

// Changes of the target's tables that no event of the stream tells of. The copy must not be called fresh past them.

let rig: FeedRig;

const plain = (name: string): readonly string[] => [
  `create table ${name} (id int primary key, n int, m int)`,
  `insert into ${name} select g, g, -g from generate_series(1, 20) g`,
];
const parted = (name: string): readonly string[] => [
  `create table ${name} (id int primary key, n int) partition by range (id)`,
  `create table ${name}_a partition of ${name} for values from (0) to (100)`,
  `create table ${name}_b partition of ${name} for values from (100) to (200)`,
  `insert into ${name} select g, g from generate_series(1, 199) g`,
];

type Case = readonly [what: string, table: string, setUp: readonly string[], change: readonly string[]];

const CASES: readonly Case[] = [
  [
    'a partition attached with rows',
    'attached',
    [
      ...parted('attached'),
      'create table late (id int primary key, n int)',
      'insert into late values (250, 1)',
    ],
    ['alter table attached attach partition late for values from (200) to (300)'],
  ],
  [
    'a table made, filled and attached in one transaction',
    'grown',
    parted('grown'),
    [
      `begin; create table sprout (like grown including all); insert into sprout values (201, 1);
       alter table grown attach partition sprout for values from (200) to (300); commit`,
    ],
  ],
  [
    'a partition with parts of its own, which had rows, attached',
    'branched',
    [
      ...parted('branched'),
      'create table branch (like branched including all) partition by range (id)',
      'create table twig partition of branch for values from (200) to (250)',
      'insert into branch values (201, 1)',
    ],
    ['alter table branched attach partition branch for values from (200) to (300)'],
  ],
  [
    'a partition made, filled and emptied by itself',
    'tried',
    parted('tried'),
    [
      `create table trial partition of tried for values from (200) to (300)`,
      `begin; insert into tried values (201, 1); truncate trial; commit`,
    ],
  ],
  [
    'a partition detached',
    'detached',
    parted('detached'),
    ['alter table detached detach partition detached_b'],
  ],
  [
    'a partition detached concurrently',
    'slowly',
    parted('slowly'),
    ['alter table slowly detach partition slowly_b concurrently'],
  ],
  [
    'a partition detached, changed and attached again at once',
    'back',
    parted('back'),
    [
      `begin; alter table back detach partition back_b; update back_b set n = -n;
       alter table back attach partition back_b for values from (100) to (200); commit`,
    ],
  ],
  [
    'a table that was called otherwise for a moment',
    'renamed',
    plain('renamed'),
    ['begin; alter table renamed rename to x; update x set n = -n; alter table x rename to renamed; commit'],
  ],
  [
    'a table that was elsewhere for a moment',
    'moved',
    ['create schema elsewhere', ...plain('moved')],
    [
      `begin; alter table moved set schema elsewhere; update elsewhere.moved set n = -n;
       alter table elsewhere.moved set schema public; commit`,
    ],
  ],
  [
    'a label renamed for a moment',
    'fickle',
    [
      `create type whim as enum ('up', 'down')`,
      'create table fickle (id int primary key, w whim)',
      `insert into fickle values (1, 'up')`,
    ],
    [
      `begin; alter type whim rename value 'up' to 'over'; update fickle set w = 'over';
       alter type whim rename value 'over' to 'up'; commit`,
    ],
  ],
  [
    'a partition that names its rows otherwise for a moment',
    'unnamed',
    [
      'create table unnamed (id int primary key, code int not null) partition by range (id)',
      'create table unnamed_a partition of unnamed for values from (0) to (100)',
      'create unique index unnamed_code on unnamed_a (code)',
      'insert into unnamed values (1, 1)',
    ],
    [
      `begin; alter table unnamed_a replica identity using index unnamed_code; delete from unnamed;
       alter table unnamed_a replica identity default; commit`,
    ],
  ],
  [
    'a partition that names its rows otherwise while a key changes',
    'renumbered',
    [
      'create table renumbered (id int primary key, code int not null) partition by range (id)',
      'create table renumbered_a partition of renumbered for values from (0) to (100)',
      'create unique index renumbered_code on renumbered_a (code)',
      'insert into renumbered values (1, 1)',
    ],
    [
      `begin; alter table renumbered_a replica identity using index renumbered_code; update renumbered set id = 2;
       alter table renumbered_a replica identity default; commit`,
    ],
  ],
  [
    'a partition attached, written to through the whole and detached again at once',
    'visited',
    [...parted('visited'), 'create table guest (like visited including all)'],
    [
      `begin; alter table visited attach partition guest for values from (200) to (300); insert into visited values (250, 1);
       alter table visited detach partition guest; commit`,
    ],
  ],
  [
    "two columns that have each other's names for a moment",
    'crossed',
    plain('crossed'),
    [
      `begin; alter table crossed rename n to x; alter table crossed rename m to n; alter table crossed rename x to m;
       update crossed set n = 100;
       alter table crossed rename m to x; alter table crossed rename n to m; alter table crossed rename x to n; commit`,
    ],
  ],
  [
    'a column whose name another has for a moment',
    'posed',
    plain('posed'),
    [
      `begin; alter table posed rename n to x; alter table posed add column n int; update posed set n = 100;
       alter table posed drop column n; alter table posed rename x to n; commit`,
    ],
  ],
  [
    'a composite type with another attribute for a moment',
    'blotted',
    [
      'create type blot as (x int)',
      'create table blotted (id int primary key, s blot)',
      `insert into blotted values (1, '(1)')`,
    ],
    [
      `begin; alter type blot add attribute y int; update blotted set s = '(2,3)'; alter type blot drop attribute y; commit`,
    ],
  ],
  [
    'a label renamed of which there are ranges',
    'ranged',
    [
      `create type step as enum ('low', 'mid', 'high')`,
      'create type steps as range (subtype = step, multirange_type_name = flight)',
      'create table ranged (id int primary key, s flight)',
      `insert into ranged values (1, '{[low,mid]}')`,
    ],
    [`alter type step rename value 'low' to 'ground'`],
  ],
  ['a partition truncated', 'emptied', parted('emptied'), ['truncate emptied_a']],
  ['a partition dropped', 'lost', parted('lost'), ['drop table lost_b']],
  [
    'a rewrite to the same type',
    'rewritten',
    plain('rewritten'),
    ['alter table rewritten alter column n type int using n * 10'],
  ],
  [
    'a column made again',
    'again',
    plain('again'),
    ['alter table again drop column n, add column n int default 7'],
  ],
  [
    'two columns that change their names',
    'swapped',
    plain('swapped'),
    [
      'begin; alter table swapped rename n to x; alter table swapped rename m to n; alter table swapped rename x to m; commit',
    ],
  ],
  [
    'a table made again',
    'reborn',
    plain('reborn'),
    [
      `begin; drop table reborn; create table reborn (id int primary key, n int, m int); insert into reborn values (1, 2, 3); commit`,
    ],
  ],
  [
    'a table that takes the name of another',
    'heir',
    [
      ...plain('heir'),
      'create table other (id int primary key, n int, m int)',
      'insert into other values (5, 5, 5)',
    ],
    ['begin; alter table heir rename to old; alter table other rename to heir; commit'],
  ],
  [
    'a label renamed',
    'moody',
    [
      `create type mood as enum ('sad', 'glad')`,
      'create table moody (id int primary key, m mood[])',
      `insert into moody values (1, '{sad}')`,
    ],
    [`alter type mood rename value 'sad' to 'blue'`],
  ],
  [
    'a composite type with another attribute',
    'spotted',
    [
      'create type spot as (x int)',
      'create table spotted (id int primary key, s spot)',
      `insert into spotted values (1, '(1)')`,
    ],
    ['alter type spot add attribute y int'],
  ],
  [
    'a table taken out of the publication and put back',
    'missed',
    plain('missed'),
    [
      'alter publication PUBLICATION drop table missed',
      'delete from missed where id = 1',
      'alter publication PUBLICATION add table missed',
    ],
  ],
];

beforeAll(async () => {
  const setUp = [...CASES.flatMap(([, , statements]) => statements), ...plain('calm'), ...plain('packed')];
  const names = [...CASES.map(([, name]) => name), 'calm', 'packed'];
  rig = await FeedRig.open(setUp, Object.fromEntries(names.map((name) => [name, []])));
  rig.start({ limits: { schemaPollMs: 60_000 } });
  await rig.ready();
});

afterAll(() => rig?.close());

interface Seen {
  readonly relation: string;
  readonly state: string;
  readonly fresh: boolean;
}

/** One snapshot of what a reader would see: which copy, and whether it is called fresh as of the given time. */
async function look(table: string, since: string): Promise<Seen> {
  const { rows } = await rig.source.query<Seen>(
    `select t.relation, t.state, coalesce((
       select w.position is not null and w.fresh_as_of > $2::bigint
       from nearjoin.watermark w where w.target = t.target order by w.seq desc limit 1), false) as fresh
     from nearjoin.cache_table t where t.table_name = $1`,
    [table, since],
  );
  const [seen] = rows;
  if (seen === undefined) throw new Error(`${table} is not cached`);
  return seen;
}

/** The copy that is served past what was changed so far: no change from before makes another of it. */
async function freshCopy(table: string): Promise<Seen> {
  const since = await now();
  const isServed = ({ state, fresh }: Seen): boolean => state === 'ready' && fresh;
  await rig.until(`a fresh copy of ${table}`, async () => isServed(await look(table, since)));
  return look(table, since);
}

async function now(): Promise<string> {
  const { rows } = await rig.source.query<{ now: string }>(
    'select (extract(epoch from clock_timestamp()) * 1000000)::bigint::text as now',
  );
  return rows[0]?.now ?? '0';
}

async function texts(database: TestDatabase, select: string): Promise<readonly string[]> {
  const { rows } = await database.query<{ row: string }>(`${select} order by 1`);
  return rows.map(({ row }) => row);
}

/** A table is in the publication already. */
const IS_MEMBER = '42710';

/** Who changes the publication by hand may meet the feed putting it right, which comes to the same. */
async function say(statement: string): Promise<void> {
  await rig.until(statement, () =>
    rig.target.query(statement).then(
      () => true,
      (error: pg.DatabaseError) => {
        if (error.code === IS_MEMBER) return true;
        if (error.message.includes('tuple concurrently updated')) return false;
        throw error;
      },
    ),
  );
}

async function publication(): Promise<string> {
  const { rows } = await rig.target.query<{ name: string }>('select pubname as name from pg_publication');
  return rows[0]?.name ?? '';
}

async function isAsOnTarget(table: string): Promise<void> {
  const cached = await rig.tableStatus(table);
  const columns = cached?.columns.map(({ name }) => `${name}::text`).join() ?? '';
  const copy = await texts(
    rig.source,
    `select row(${columns})::text as row from nearjoin."${cached?.relation}"`,
  );
  expect(copy).toEqual(await texts(rig.target, `select row(${columns})::text as row from ${table}`));
}

test.each(CASES)(
  '%s: the old copy is never called fresh past it, and another is made',
  async (...[, table, , change]) => {
    const before = (await rig.tableStatus(table))?.relation;
    const calm = (await rig.tableStatus('calm'))?.relation;
    const name = await publication();
    for (const statement of change) await say(statement.replace('PUBLICATION', name));
    const since = await now();
    await rig.until('another copy', async () => {
      const seen = await look(table, since);
      if (seen.relation !== before) return seen.state === 'ready' && seen.fresh;
      expect(seen.state === 'ready' && seen.fresh, 'the old copy is called fresh').toBe(false);
      return false;
    });
    await isAsOnTarget(table);
    expect((await rig.tableStatus('calm'))?.relation).toBe(calm);
    // Why there is another copy is told.
    expect(
      rig.log.filter((line) => /(copied again|cannot be cached) .*"reason"/.test(line)).join('\n'),
    ).toContain(`"${table}"`);
  },
);

test('the same rows packed anew are not copied again, and a truncate is told of', async () => {
  const before = await rig.tableStatus('packed');
  for (const statement of [
    'vacuum full packed',
    'cluster packed using packed_pkey',
    'alter table packed alter n set statistics 50',
  ]) {
    await rig.target.query(statement);
    const since = await now();
    await rig.until('freshness', async () => (await look('packed', since)).fresh);
  }
  await rig.target.query('truncate packed');
  await rig.target.query('insert into packed values (1, 1, 1)');
  await rig.caughtUp();
  expect((await rig.contents('packed')).cache).toEqual(['{"id":1,"n":1,"m":1}']);
  expect((await rig.tableStatus('packed'))?.relation).toBe(before?.relation);
});

test('a publication narrowed for a while has missed changes of every table', async () => {
  const before = (await rig.tableStatus('calm'))?.relation;
  const name = await publication();
  await say(`alter publication ${name} set (publish = 'insert')`);
  await rig.target.query('delete from calm where id = 1');
  await say(
    `alter publication ${name} set (publish = 'insert, update, delete, truncate', publish_via_partition_root = true)`,
  );
  expect((await freshCopy('calm')).relation).not.toBe(before);
  const { target, cache } = await rig.contents('calm');
  expect(cache).toEqual(target);
});

test('where somebody publishes all tables, one that is unlogged for a moment is copied again, and one that keeps its file is not', async () => {
  const name = await publication();
  await say(`begin; drop publication ${name};
    create publication ${name} for all tables with (publish_via_partition_root); commit`);
  const [before, calm] = [await freshCopy('packed'), await freshCopy('calm')];
  await rig.target.query(
    'begin; alter table packed set unlogged; insert into packed values (2, 2, 2); alter table packed set logged; commit',
  );
  await rig.copiedAgain('packed', before.relation);
  await isAsOnTarget('packed');
  expect((await look('calm', '0')).relation).toBe(calm.relation);
});
