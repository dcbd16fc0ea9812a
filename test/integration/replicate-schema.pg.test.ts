import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { requestPause } from '../../src/cache/feed/requests.ts';
import type { CacheTable } from '../../src/cache/status/cache-table.ts';
import type { FeedLimits } from '../../src/replicate/feed-options.ts';
import { FeedRig } from '../support/feed.ts';
import { dropInUse } from '../support/postgres.ts';

// What somebody does to the target's tables, or to ours, ends in the right copy or in a reason that can be read.

let rig: FeedRig;

afterEach(() => rig?.close());

const ITEM = 'create table item (id int primary key, n numeric(6,1), name varchar(20))';
const ROWS = `insert into item select g, g, 'name ' || g from generate_series(1, 20) g`;
const OTHER = 'create table other (id int primary key)';

async function open(
  more: readonly string[] = [],
  tracked: Record<string, string[][]> = { item: [], other: [] },
  limits: Partial<FeedLimits> = {},
): Promise<void> {
  rig = await FeedRig.open([ITEM, ROWS, OTHER, ...more], tracked);
  rig.start({ limits });
}

async function item(): Promise<CacheTable> {
  const found = await rig.tableStatus('item');
  if (found === undefined) throw new Error('no status of item');
  return found;
}

async function replaced(before: CacheTable): Promise<CacheTable> {
  await rig.copiedAgain('item', before.relation);
  await rig.caughtUp();
  const { target, cache } = await rig.contents('item');
  expect(cache).toEqual(target);
  return item();
}

async function reason(name: string): Promise<string> {
  const state = (await rig.tableStatus(name))?.state;
  return state?.kind === 'failed' ? state.reason : '';
}

test.each([
  ['id', 'bigint', 'a wider type'],
  ['big', 'float8', 'one with values of the same length'],
  ['n', 'numeric(6,2)', 'another precision'],
])(
  'column %s has become %s, %s, since the catalog was read: it is copied as what it is now',
  async (column, type) => {
    const big = ['alter table item add big bigint', 'update item set big = id, n = n + 0.5'];
    rig = await FeedRig.open([ITEM, ROWS, ...big], { item: [] });
    await rig.target.query(`alter table item alter column ${column} type ${type}`);
    await rig.target.query('update item set n = n / 4');
    rig.start();
    await rig.ready();
    const { target, cache } = await rig.contents('item');
    expect(cache).toEqual(target);
    expect(rig.log.join()).toContain(`column \\"${column}\\" of item is not what it was`);
  },
);

test('a copy that failed because its table is another rests, and the next one is not discarded for that', async () => {
  rig = await FeedRig.open([ITEM, ROWS], { item: [] });
  await rig.target.query('alter table item alter column n type numeric(6,2)');
  const refresh = rig.refresh.bind(rig);
  // Whoever wants the catalog read again hears of that when the table has been copied by what it says.
  rig.refresh = async () => {
    await refresh();
    await rig.ready();
  };
  let begun = 0;
  rig.start({
    onStep: (step) => {
      if (step === 'copy:begun') begun += 1;
    },
  });
  await rig.ready();
  await rig.target.query('create index on item (n)');
  await refresh();
  await rig.until('an index, which comes with a later look', async () => {
    const { rows } = await rig.source.query(
      `select from pg_indexes i join nearjoin.cache_table t on i.tablename = t.relation
       where t.state = 'ready' and indexdef ~ '\\(n\\M'`,
    );
    return rows.length > 0;
  });
  expect(begun).toBe(2);
});

test.each([
  ['a column dropped', 'alter table item drop column n'],
  ['a column renamed', 'alter table item rename column n to m'],
  ['a column of another type', 'alter table item alter column n type float8'],
  ['a column of another precision', 'alter table item alter column n type numeric(6,2)'],
  ['another key', 'alter table item drop constraint item_pkey, add primary key (id, name)'],
])(
  '%s is noticed with the next change, and copied again; the other table stays',
  async (_name, statement) => {
    await open();
    await rig.ready();
    const before = await item();
    const other = (await rig.tableStatus('other'))?.relation;
    await rig.target.query(statement);
    await rig.target.query(`insert into item (id, name) values (100, 'after')`);
    await replaced(before);
    expect((await rig.tableStatus('other'))?.relation).toBe(other);
  },
);

test('a column added is copied when the catalog knows it', async () => {
  await open();
  await rig.ready();
  const before = await item();
  await rig.target.query(`alter table item add column extra text default 'filled'`);
  await rig.refresh();
  const now = await replaced(before);
  expect(now.columns.map((column) => column.name)).toContain('extra');
});

test('a table without a key is refused with its reason, the others are not; it comes when it has one', async () => {
  await open(['create table keyless (id int)'], { item: [], keyless: [] });
  await rig.until('the reason', async () => (await reason('keyless')) !== '');
  await rig.until('the other', async () => (await rig.tableStatus('item'))?.state.kind === 'ready');
  await rig.target.query('insert into keyless values (1)');
  await rig.target.query('update keyless set id = 2');
  await rig.target.query('alter table keyless add primary key (id)');
  await rig.refresh();
  await rig.ready();
  await rig.caughtUp();
  expect((await rig.contents('keyless')).cache).toEqual(['{"id":2}']);
});

/** Without it nobody looks at the tables while a test goes on. */
const SELDOM = { schemaPollMs: 600_000 };

/** The table loses its key: for a moment the owner's own updates fail. */
async function loseKey(): Promise<void> {
  await rig.target.query('alter table item drop constraint item_pkey');
  await rig.until('the owner to be able to write', async () => {
    const failed = await rig.target.query('update item set n = n + 1').catch((error: unknown) => error);
    if (failed instanceof Error) expect(failed.message).toContain('replica identity');
    return !(failed instanceof Error);
  });
}

test('a table that loses its key is let go with the next proof of freshness, so that writes to it do not fail', async () => {
  await open([], { item: [], other: [] }, SELDOM);
  await rig.ready();
  await loseKey();
  await rig.until('the reason', async () => (await reason('item')).includes('no primary key'));
  await rig.target.query('alter table item add primary key (id)');
  await rig.ready();
  await rig.caughtUp();
  const { target, cache } = await rig.contents('item');
  expect(cache).toEqual(target);
});

test('a table that loses its key while the feed is paused is let go too', async () => {
  await open([], { item: [], other: [] }, SELDOM);
  await rig.ready();
  await requestPause(rig.source, 'pg2');
  await rig.until('the pause', async () => (await rig.status())?.state === 'paused');
  await loseKey();
});

test('a column is held as its own type once the source has the extension', async () => {
  const types = ['citext', 'ltree'].map((name) => `create extension ${name}`);
  const more = [
    `alter table item add ci citext default 'Ann'`,
    'create table place (path ltree primary key, n int)',
  ];
  await open([...types, ...more, `insert into place values ('top.a', 1)`], { item: [], place: [] });
  await rig.ready();
  const typeOf = async (table: string, column: string): Promise<string | undefined> =>
    (await rig.tableStatus(table))?.columns.find(({ name }) => name === column)?.type;
  expect([await typeOf('item', 'ci'), await typeOf('place', 'path')]).toEqual(['text', 'text']);
  const before = await item();
  const place = (await rig.tableStatus('place'))?.relation;
  await rig.source.query(
    'begin; create schema late; create extension citext schema late; create extension ltree schema late; commit',
  );
  await replaced(before);
  await rig.copiedAgain('place', place);
  expect([await typeOf('item', 'ci'), await typeOf('place', 'path')]).toEqual(['late.citext', 'late.ltree']);
  // The session that writes finds the operators that a key of such a type needs.
  const again = (await rig.tableStatus('place'))?.relation;
  await rig.target.query('update place set n = 2');
  await rig.caughtUp();
  expect(await rig.contents('place')).toMatchObject({ cache: ['{"path":"top.a","n":2}'] });
  expect((await rig.tableStatus('place'))?.relation).toBe(again);
});

test('a table that lost its key and is locked harms nobody either: updates are told of no more', async () => {
  await open();
  await rig.ready();
  const before = (await rig.tableStatus('other'))?.relation;
  const holder = new pg.Client({ connectionString: rig.target.url });
  await holder.connect();
  await rig.target.query('alter table item drop constraint item_pkey');
  await holder.query('begin; lock table item in share update exclusive mode');
  const failing = rig.target.query('update item set n = n + 1').catch(() => null);
  await rig.until('the owner to be able to write', async () => {
    const done = await rig.target.query('update item set n = n + 1').catch(() => null);
    return done !== null;
  });
  await failing;
  await rig.target.query('insert into other values (1), (2)');
  await rig.target.query('delete from other where id = 1');
  await holder.query('commit');
  await holder.end();
  await rig.copiedAgain('other', before);
  // More than once: while the publication leaves changes out, and when it tells of all of them again.
  await rig.until('its rows', async () => {
    const { cache } = await rig.contents('other').catch(() => ({ cache: [] }));
    return cache.join() === '{"id":2}';
  });
});

test('a table nobody wants any more goes; with the last the feed, its slot and publication', async () => {
  await open();
  await rig.ready();
  const { relation } = await item();
  await rig.track({ other: [] });
  await rig.until('the table to go', async () => (await rig.tableStatus('item')) === undefined);
  const { rows } = await rig.source.query<{ there: boolean }>('select to_regclass($1) is not null as there', [
    `nearjoin."${relation}"`,
  ]);
  expect(rows).toEqual([{ there: false }]);
  await rig.track({});
  await rig.until('the feed to go', async () => (await rig.status()) === undefined);
  const left = await rig.target.query(
    `select slot_name::text as name from pg_replication_slots where database = current_database()
     union all select pubname from pg_publication`,
  );
  expect(left.rows).toEqual([]);
});

test('what is wanted no more is kept up for a while: when it is wanted again in time, nothing was lost', async () => {
  await open([], { item: [], other: [] }, { removalDelayMs: 3_600_000 });
  await rig.ready();
  const before = await item();
  await rig.track({ other: [] });
  await rig.target.query('delete from item where id = 1');
  await rig.caughtUp();
  await rig.track({});
  await rig.track({ item: [], other: [] });
  await rig.target.query('delete from item where id = 2');
  await rig.caughtUp();
  expect((await rig.contents('item')).cache).toHaveLength(18);
  expect((await item()).relation).toBe(before.relation);
  await rig.stop();
  rig.start({ limits: { removalDelayMs: 500 } });
  await rig.track({ other: [] });
  await rig.until('the table to go', async () => (await rig.tableStatus('item')) === undefined);
  expect((await rig.tableStatus('other'))?.state.kind).toBe('ready');
});

test('how long a copy stays that is wanted no more is told, and a restart does not end it', async () => {
  const limits = { removalDelayMs: 3_600_000 };
  await open([], { item: [], other: [] }, limits);
  await rig.ready();
  const before = await item();
  await rig.track({});
  const told = async (): Promise<string> => (await item()).doing ?? '';
  await rig.until('the status to tell', async () => (await told()).startsWith('wanted no more'));
  const until = await told();
  await rig.stop();
  rig.start({ limits });
  await rig.target.query('delete from item where id = 1');
  await rig.caughtUp();
  expect((await rig.contents('item')).cache).toHaveLength(19);
  expect((await item()).relation).toBe(before.relation);
  expect(await told()).toBe(until);
  await rig.stop();
  await rig.source.query('update nearjoin.cache_table set unwanted_until = clock_timestamp()');
  rig.start({ limits });
  await rig.until('the feed to go', async () => (await rig.status()) === undefined);
});

test('nothing changes while the target cannot be read', async () => {
  await open();
  await rig.ready();
  const before = await item();
  rig.setUnavailable(true);
  await rig.target.query('delete from item where id = 1');
  await rig.caughtUp();
  expect((await item()).relation).toBe(before.relation);
  rig.setUnavailable(false);
  await rig.target.query('delete from item where id = 2');
  await rig.caughtUp();
  expect((await rig.contents('item')).cache).toHaveLength(18);
});

test.each([
  ['a cache table dropped by hand', (relation: string) => `drop table nearjoin."${relation}"`],
  [
    'a column of a cache table dropped by hand',
    (relation: string) => `alter table nearjoin."${relation}" drop column n`,
  ],
  [
    'a column of a cache table renamed by hand',
    (relation: string) => `alter table nearjoin."${relation}" rename n to m`,
  ],
])('%s is made again, though nothing is written', async (_name, damage) => {
  await open([], { item: [], other: [] }, { schemaPollMs: 60_000 });
  await rig.ready();
  const before = await item();
  await rig.source.query(damage(before.relation));
  await replaced(before);
});

test('the whole schema dropped by hand is made again, with the same slot', async () => {
  await open();
  await rig.ready();
  await dropInUse(rig.source, 'schema nearjoin');
  await rig.until('the tables', async () => (await rig.tableStatus('item'))?.state.kind === 'ready');
  await rig.target.query('delete from item where id = 1');
  await rig.caughtUp();
  expect((await rig.contents('item')).cache).toHaveLength(19);
  const { rows } = await rig.target.query(
    'select slot_name from pg_replication_slots where database = current_database() and not temporary',
  );
  expect(rows).toHaveLength(1);
});

test('whatever is dropped by hand of what is no copy is made again, and a paused feed stays paused', async () => {
  await open();
  await rig.ready();
  const drop = async (what: string): Promise<void> => {
    rig.log.length = 0;
    await dropInUse(rig.source, what);
    await rig.until('the repair to be told', async () => rig.log.join().includes('was set up anew'));
  };
  for (const what of ['table nearjoin.watermark', 'function nearjoin.fence', 'table nearjoin.installation']) {
    await drop(what);
    await rig.ready();
    await rig.caughtUp();
  }
  const before = await item();
  await drop('sequence nearjoin.generation');
  await rig.ready();
  await rig.caughtUp();
  expect((await item()).relation).not.toBe(before.relation);
  const { target, cache } = await rig.contents('item');
  expect(cache).toEqual(target);
  await rig.source.query('update nearjoin.feed set paused = true');
  await rig.until('the pause', async () => (await rig.status())?.state === 'paused');
  await drop('table nearjoin.verification');
  await rig.until('the pause again', async () => (await rig.status())?.state === 'paused');
});

test('a table taken out of the publication by hand is copied again', async () => {
  await open();
  await rig.ready();
  const before = await item();
  const { rows } = await rig.target.query<{ name: string }>(
    'select quote_ident(pubname) as name from pg_publication',
  );
  await rig.target.query(`alter publication ${rows[0]?.name} drop table item`);
  await rig.target.query('delete from item where id = 1');
  await replaced(before);
});

test('lookups added later get their indexes without another copy', async () => {
  await open();
  await rig.ready();
  const before = await item();
  await rig.track({ item: [['name'], ['n'], ['n', 'name']], other: [] });
  await rig.until('the indexes', async () => {
    const { rows } = await rig.source.query<{ columns: string; isValid: boolean }>(
      `select substring(pg_get_indexdef(indexrelid) from '[(](.*)[)]') as columns, indisvalid as "isValid"
       from pg_index where indrelid = to_regclass('nearjoin.' || quote_ident($1))`,
      [before.relation],
    );
    const valid = rows.flatMap(({ columns, isValid }) => (isValid ? [columns] : []));
    return ['id', 'name, id', 'n, name, id'].every((columns) => valid.includes(columns));
  });
  expect((await item()).relation).toBe(before.relation);
  expect(rig.log.join()).not.toContain('could not be built');
});

test('an index that could not be built is told of, and built by itself when it can be', async () => {
  await open();
  await rig.ready();
  await rig.source.query(`create function refuse() returns event_trigger language plpgsql as
    $$ begin raise 'no index today'; end $$`);
  await rig.source.query(`create event trigger refuse on ddl_command_start when tag in ('CREATE INDEX')
    execute function refuse()`);
  await rig.track({ item: [['name']], other: [] });
  await rig.until('the failure to be told', async () => {
    const said = (await rig.status())?.lastError ?? '';
    return said.includes('item: an index could not be built: ');
  });
  await rig.source.query('drop event trigger refuse');
  const { relation } = await item();
  await rig.until('the index', async () => {
    const { rows } = await rig.source.query(
      `select from pg_index where indrelid = to_regclass('nearjoin.' || quote_ident($1)) and indisvalid and not indisunique`,
      [relation],
    );
    return rows.length > 0;
  });
});

test('the lead is free when a replicator has stopped', async () => {
  await open();
  await rig.ready();
  await rig.stop();
  // Its session is closed; the server may take a moment to end it.
  await rig.until('the lead to be free', async () => {
    const lock = `select pg_try_advisory_lock(hashtextextended('nearjoin feed pg2', 0)) as free`;
    return (await rig.source.query(lock)).rows[0]?.['free'] === true;
  });
});

test('types the source does not have are kept as text, the others as they are', async () => {
  await open(
    [
      `create type mood as enum ('sad', 'glad')`,
      'create domain short as varchar(5)',
      'create type spot as (x int, y int)',
      `create table typed (id int primary key, m mood, ms mood[], s short, ss short[], c spot, a int[], aa text[][],
         n numeric(5,2)[], j jsonb, r int4range, t timestamptz(3), b bytea, x box, bx box[], v bit(3),
         ch "char", bp char(4), i interval, f float8, u uuid, ip inet, tv tsvector, iv int2vector)`,
      `insert into typed values (1, 'glad', '{sad,glad}', 'ab', '{ab,NULL}', '(1,2)', '{1,NULL}', '{{a,"b,c"},{"\\"",""}}',
         '{1.5,2}', '{"a": [1, 2.50]}', '[1,5)', '2024-01-02 03:04:05.678+00', '\\x00ff', '((1,2),(3,4))',
         '{((1,2),(3,4));((5,6),(7,8))}', '101', 'x', 'ab', '1 mon 2 days', 'NaN',
         '00000000-0000-0000-0000-000000000001', '10.0.0.1/8', 'a:1 b:2', '1 2')`,
    ],
    { typed: [] },
  );
  await rig.ready();
  await rig.target.query(
    `insert into typed select 2, m, ms, s, ss, c, a, aa, n, j, r, 'infinity', b, x, bx, v, ch, bp, i, '-Infinity', u, ip, tv, iv from typed`,
  );
  await rig.target.query(`insert into typed (id) values (3)`);
  await rig.caughtUp();
  const { columns, relation } = (await rig.tableStatus('typed')) ?? { columns: [], relation: '' };
  const types = Object.fromEntries(columns.map((column) => [column.name, column.type]));
  expect(types).toMatchObject({
    m: 'text',
    ms: 'text[]',
    s: 'character varying(5)',
    c: 'text',
    n: 'numeric(5,2)[]',
    t: 'timestamp(3) with time zone',
  });
  const list = columns.map(({ name }) => `"${name}"::text`).join(', ');
  const there = await rig.target.query(`select ${list} from typed order by id`);
  const here = await rig.source.query(`select ${list} from nearjoin."${relation}" order by id`);
  expect(here.rows).toEqual(there.rows);
});
