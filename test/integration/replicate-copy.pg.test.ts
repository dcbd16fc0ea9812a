import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { answer, askSql, mergeSql, type Overlay, overlayWriter } from '../../src/cache/rows/overlay.ts';
import type { WriteStatement } from '../../src/cache/rows/row-source.ts';
import { createOverlaySql, createTableSql, primaryKeySql } from '../../src/cache/table/ddl.ts';
import { rowOf, UNCHANGED } from '../../src/core/rows/row.ts';
import { DEFAULT_LIMITS } from '../../src/replicate/feed-options.ts';
import { FeedRig } from '../support/feed.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { Writer } from '../support/writer.ts';

// Copies made while the target is written to: C (the snapshot) + O (what came meanwhile) must be the target, exactly.

let rig: FeedRig | undefined;

afterEach(async () => {
  await rig?.close();
  rig = undefined;
});

const BIG = 'create table doc (id int primary key, n int not null, body text, note text)';
const EXTERNAL = 'alter table doc alter column body set storage external';
const FILL = `insert into doc select i, 0, repeat('b', 2500) || i, 'note ' || i from generate_series(1, 3000) i`;

function updates(round: number): readonly string[] {
  const at = (round * 37) % 1000;
  return [
    `update doc set n = n + 1 where id between ${at} and ${at + 10}`,
    `update doc set body = repeat('c', 2500) || ${round} where id = ${at + 3}`,
    `delete from doc where id = ${at + 5}`,
    `insert into doc values (${at + 5}, ${round}, null, 'back') on conflict do nothing`,
  ];
}

function keyChanges(round: number): readonly string[] {
  const at = 1001 + ((round * 13) % 900);
  return [
    `update doc set id = id + 100000 where id = ${at}`,
    `update doc set id = id - 100000, n = ${round} where id = ${100000 + 1001 + (((round - 5) * 13) % 900)}`,
    `update doc set note = null where id = ${at + 1}`,
  ];
}

function growth(round: number): readonly string[] {
  return [
    `insert into doc select ${200000 + round} * 10 + g, g, repeat('d', 2300), 'grown' from generate_series(0, 4) g`,
  ];
}

test('many writers during the copy, again and again: the copy is the target', async () => {
  const made = await FeedRig.open([BIG, EXTERNAL, FILL, 'create table other (id int primary key)'], {
    other: [],
  });
  rig = made;
  made.start({ limits: { batch: { rows: 200, bytes: 1 << 20 } } });
  await made.ready();
  const followed = (): Promise<void> => made.caughtUp();
  const writers = [updates, keyChanges, growth].map(
    (statements) => new Writer(made.target.url, statements, followed),
  );
  try {
    for (let round = 0; round < 4; round += 1) {
      await made.track({ other: [], doc: [['note']] });
      await made.ready();
      if (round === 3) break;
      await made.track({ other: [] });
      await made.until('the copy to be gone', async () => (await made.tableStatus('doc')) === undefined);
    }
  } finally {
    await Promise.all(writers.map((writer) => writer.stop()));
  }
  await made.caughtUp();
  const { target, cache } = await made.contents('doc');
  expect(target.length).toBeGreaterThan(3000);
  expect(cache).toEqual(target);
});

/** Does things to the target when a named step of the copy is reached. */
async function copyWith(
  statements: readonly string[],
  during: Readonly<Record<string, readonly string[]>>,
  allowed?: string,
): Promise<FeedRig> {
  const made = await FeedRig.open(statements, { doc: [] });
  rig = made;
  const done = new Set<string>();
  made.start({
    onStep: async (step) => {
      const work = during[step];
      if (work === undefined || done.has(step)) return;
      done.add(step);
      for (const statement of work) await made.target.query(statement);
      // Before what has come meanwhile is merged.
      if (step === 'copy:caught-up') await made.caughtUp();
    },
  });
  await made.ready();
  expect([...done]).toEqual(Object.keys(during));
  // A copy that fails is made again, which would hide what failed.
  const warned = made.log.filter((line) => line.startsWith('warn'));
  expect(warned.filter((line) => allowed === undefined || !line.includes(allowed))).toEqual([]);
  await made.caughtUp();
  const { target, cache } = await made.contents('doc');
  expect(cache).toEqual(target);
  return made;
}

const SMALL = `insert into doc select i, 0, repeat('b', 2500) || i, 'note ' || i from generate_series(1, 20) i`;

const LONG = `insert into doc select i, 0, repeat('a', 2500), repeat('b', 2500) from generate_series(1, 3) i`;

test('key changes of rows with values not sent, before and after the snapshot', async () => {
  await copyWith([BIG, EXTERNAL, SMALL], {
    'copy:begun': [
      'update doc set id = 101 where id = 1',
      'update doc set n = 7 where id = 101',
      'update doc set id = 102 where id = 2',
      'update doc set id = 2 where id = 102',
    ],
    'copy:snapshot-taken': [
      'update doc set id = 201 where id = 101',
      'update doc set id = 103 where id = 3',
      'update doc set id = 203 where id = 103',
      'update doc set n = 8 where id = 203',
      'update doc set id = 104 where id = 4',
      'update doc set id = 4 where id = 104',
      'update doc set id = 105 where id = 5',
      'delete from doc where id = 105',
      'update doc set id = 105 where id = 6',
    ],
    'copy:rows-copied': ['update doc set id = 301 where id = 201', 'update doc set id = 302 where id = 2'],
  });
});

test('values that are sent one at a time during the copy are all kept', async () => {
  await copyWith([BIG, EXTERNAL, 'alter table doc alter note set storage external', LONG], {
    'copy:snapshot-taken': ['update doc set n = 1'],
    'copy:caught-up': [
      `update doc set body = repeat('c', 2500) where id < 3`,
      `update doc set note = repeat('d', 2500) where id > 1`,
    ],
  });
});

test('a truncate before the snapshot, and rows after it', async () => {
  const made = await FeedRig.open([BIG, EXTERNAL, SMALL, 'create table other (id int primary key)'], {
    other: [],
  });
  rig = made;
  let isFollowed = false;
  const during: Record<string, readonly string[]> = {
    'copy:begun': ['truncate doc', `insert into doc values (1, 1, repeat('t', 3000), 'new')`],
    'copy:snapshot-taken': ['update doc set n = 2', `insert into doc values (2, 1, null, 'newer')`],
  };
  made.start({
    onStep: async (step) => {
      for (const statement of isFollowed ? (during[step] ?? []) : []) await made.target.query(statement);
    },
  });
  await made.ready();
  // Of a feed that begins with copies the snapshot may be there when they are begun.
  isFollowed = true;
  await made.track({ other: [], doc: [] });
  await made.ready();
  expect(made.log.filter((line) => line.startsWith('warn'))).toEqual([]);
  await made.caughtUp();
  const { target, cache } = await made.contents('doc');
  expect(target).toHaveLength(2);
  expect(cache).toEqual(target);
});

test('a truncate after the snapshot takes the rows being copied with it', async () => {
  const { target } = await (
    await copyWith([BIG, EXTERNAL, SMALL], {
      'copy:snapshot-taken': ['update doc set n = 9'],
      'copy:rows-copied': [
        'truncate doc',
        `insert into doc values (7, 1, null, 'after')`,
        'update doc set n = n + 1',
      ],
    })
  ).contents('doc');
  expect(target).toHaveLength(1);
});

const REWRITTEN = 'truncated or rewritten after the snapshot';

test('a truncate between the snapshot and its reading has the table copied again', async () => {
  const statements = ['update doc set n = 9', 'truncate doc', `insert into doc values (8, 1, null, 'after')`];
  const { log } = await copyWith([BIG, EXTERNAL, SMALL], { 'copy:snapshot-taken': statements }, REWRITTEN);
  expect(log.some((line) => line.includes(REWRITTEN))).toBe(true);
});

test('a rewrite between the snapshot and its reading has the table copied again', async () => {
  // Noticed by the reading, or a moment before it: then the copy is stopped and nothing fails.
  const statements = ['update doc set n = 9', 'alter table doc add column r float8 default random()'];
  await copyWith([BIG, EXTERNAL, SMALL], { 'copy:snapshot-taken': statements }, REWRITTEN);
});

test('deletes, and rows that come back, during the copy', async () => {
  await copyWith([BIG, EXTERNAL, SMALL], {
    'copy:begun': ['delete from doc where id = 1', `insert into doc values (1, 5, null, 'back')`],
    'copy:snapshot-taken': [
      'delete from doc where id between 2 and 6',
      `insert into doc values (3, 5, null, 'back')`,
    ],
    'copy:rows-copied': ['delete from doc where id = 3', `update doc set note = 'x' where id = 10`],
    'copy:caught-up': [`insert into doc values (2, 6, null, 'late')`],
  });
});

test('changes are gathered only for a table that has some, by the lengths and precisions of its columns', async () => {
  const typed = `code varchar(9), price numeric(8, 2)[], at timestamptz(3), bits bit(3), span interval second (2)`;
  const row = `'first', array[1.25], now(), b'101', interval '1.23 seconds'`;
  const made = await FeedRig.open(
    [`create table doc (id int primary key, ${typed})`, `insert into doc values (1, ${row}), (2, ${row})`],
    { doc: [] },
  );
  rig = made;
  const gathered: number[] = [];
  let isChanged = false;
  made.start({
    onStep: async (step) => {
      if (step === 'copy:begun' && isChanged) await made.target.query(`update doc set code = 'last'`);
      if (step !== 'copy:merged-uncommitted') return;
      const { rows } = await made.source.query(
        `select count(*)::int as count from pg_class where relname ~ '__o[0-9]+$' and relkind = 'r'`,
      );
      gathered.push(Number(rows[0]?.['count']));
    },
  });
  await made.ready();
  await made.track({});
  await made.until('the copy to be gone', async () => (await made.tableStatus('doc')) === undefined);
  isChanged = true;
  await made.track({ doc: [] });
  await made.ready();
  expect(gathered).toEqual([0, 1]);
  expect(made.log.filter((line) => line.startsWith('warn'))).toEqual([]);
  await made.caughtUp();
  const { target, cache } = await made.contents('doc');
  expect(cache).toEqual(target);
});

test('a transaction larger than a batch that truncates during the copy makes a new copy', async () => {
  const made = await FeedRig.open([BIG, SMALL], { doc: [] });
  rig = made;
  let done = false;
  made.start({
    limits: { batch: { rows: 100, bytes: 1 << 20 } },
    onStep: async (step) => {
      if (step !== 'copy:snapshot-taken' || done) return;
      done = true;
      await made.target.query(
        `do $$ begin insert into doc select i + 1000, 1 from generate_series(1, 500) i; truncate doc;
         insert into doc select i, 2 from generate_series(1, 400) i; end $$`,
      );
    },
  });
  await made.until('the new rows', async () => {
    const found = await made.contents('doc').catch(() => null); // its copy is replaced meanwhile
    return found?.cache.length === 400;
  });
  await made.caughtUp();
  const { target, cache } = await made.contents('doc');
  expect(cache).toEqual(target);
});

test('a copy that fails is told, left alone for a while, and made again', async () => {
  const made = await FeedRig.open([BIG, SMALL, 'create table fine (id int primary key)'], { fine: [] });
  rig = made;
  made.start();
  await made.ready();
  await made.source.query(`create function refuse() returns event_trigger language plpgsql as
    $$ begin raise exception 'no room' using errcode = 'disk_full'; end $$`);
  await made.source.query(`create event trigger refuse on ddl_command_start when tag in ('CREATE INDEX')
    execute function refuse()`);
  await made.track({ doc: [['body']], fine: [] });
  await made.until('the failure', async () => {
    const state = (await made.tableStatus('doc'))?.state;
    return state?.kind === 'failed' && state.reason.includes('copying failed');
  });
  await made.until('the other', async () => (await made.tableStatus('fine'))?.state.kind === 'ready');
  await made.source.query('drop event trigger refuse');
  await made.ready();
  await made.caughtUp();
  const { target, cache } = await made.contents('doc');
  expect(cache).toEqual(target);
});

test('a value too long for an index costs the index, not the copy', async () => {
  const long = `(select string_agg(md5(i::text), '') from generate_series(1, 300) i)`;
  rig = await FeedRig.open([BIG, `insert into doc values (1, 0, null, ${long})`], { doc: [['note']] });
  rig.start();
  await rig.ready();
  await rig.caughtUp();
  const first = await rig.contents('doc');
  expect(first.cache).toEqual(first.target);

  // With an index made already, the value that does not fit has the table copied again, without it.
  await rig.track({});
  await rig.until('the copy to be gone', async () => (await rig?.tableStatus('doc')) === undefined);
  await rig.target.query(`update doc set note = 'short'`);
  await rig.track({ doc: [['note']] });
  await rig.ready();
  await rig.target.query(`update doc set note = ${long}`);
  await rig.caughtUp();
  await rig.ready();
  const { target, cache } = await rig.contents('doc');
  expect(cache).toEqual(target);
});

test('statistics follow a copy that is ready, and plans made without them are made anew', async () => {
  const made = await FeedRig.open(
    [BIG, `insert into doc select i, i % 2, null, null from generate_series(1, 500) i`],
    {
      doc: [],
    },
  );
  rig = made;
  const client = new pg.Client({ connectionString: made.source.url });
  client.on('error', () => undefined);
  await client.connect();
  let isPlanned = false;
  made.start({
    onStep: async (step) => {
      if (step !== 'copy:ready') return;
      const { rows } = await client.query('select relation from nearjoin.cache_table');
      const relation = `nearjoin."${String(rows[0]?.relation)}"`;
      await client.query('set plan_cache_mode = force_generic_plan');
      await client.query(`prepare few as select from ${relation} where n = 0`);
      isPlanned = (await planned()) < 10;
    },
  });
  const planned = async (): Promise<number> => {
    const { rows } = await client.query('explain (format json) execute few');
    return Number(rows[0]?.['QUERY PLAN'][0].Plan['Plan Rows']);
  };
  await made.ready();
  // 1/200 of the rows by default, half of them when there are two values.
  await made.until('a plan with statistics', async () => isPlanned && (await planned()) === 250);
  await client.end();
});

test.each([
  ['at once', 50_000, 1 << 30],
  ['before its indexes', 0, 1 << 30],
  ['in pieces', 0, 0],
])('a source may publish all its tables; the copy is kept %s', async (_name, apartRows, wholeBytes) => {
  rig = await FeedRig.open([BIG, FILL], { doc: [['note']] });
  await rig.source.query('create publication everything for all tables');
  const copy = { ...DEFAULT_LIMITS.copy, apartRows, wholeBytes, pieceBytes: 1 << 20 };
  const { target: there } = rig;
  const onStep = async (step: string): Promise<void> => {
    if (step === 'copy:begun' || step === 'pieces:begun')
      await there.query('update doc set n = 2 where id = 4');
  };
  rig.start({ limits: { copy }, onStep });
  await rig.ready();
  await rig.target.query('update doc set n = 1 where id = 1');
  await rig.target.query('update doc set id = -2 where id = 2');
  await rig.target.query('delete from doc where id = 3');
  await rig.caughtUp();
  const { target, cache } = await rig.contents('doc');
  expect(cache).toEqual(target);
});

const OVERLAY: Overlay = {
  shape: {
    relation: 'docs',
    columns: [
      { name: 'id', type: 'int', oid: 23 },
      { name: 'body', type: 'text', oid: 25 },
    ],
    key: ['id'],
  },
  relation: 'beside',
  isCopyComplete: false,
};
const COMPLETE = { ...OVERLAY, isCopyComplete: true };

/** A row changes its key; its large value is not sent. */
function rekeyed(overlay: Overlay, before: number, after: number): readonly WriteStatement[] {
  const row = (id: number): ReturnType<typeof rowOf> => rowOf([String(id), UNCHANGED]);
  return overlayWriter(overlay).rekey(row(before), row(after));
}

async function beside(
  work: (
    source: TestDatabase,
    write: (statements: readonly WriteStatement[]) => Promise<void>,
  ) => Promise<void>,
): Promise<void> {
  const source = await createDatabase('source', [
    'create schema nearjoin',
    createTableSql({ target: 'pg2', ...OVERLAY.shape }),
    primaryKeySql(OVERLAY.shape),
    createOverlaySql(OVERLAY.relation, OVERLAY.shape),
  ]);
  const write = async (statements: readonly WriteStatement[]): Promise<void> => {
    for (const { text, values } of statements) await source.query(text, values as string[]);
  };
  try {
    await work(source, write);
  } finally {
    await source.drop();
  }
}

async function lacking(source: TestDatabase): Promise<readonly number[]> {
  const { rows } = await source.query<{ c1: number }>(
    `select c1 from nearjoin.beside where missing <> '{}' order by c1`,
  );
  return rows.map(({ c1 }) => c1);
}

test('what the target says of a row is not given to another that has its key by now', async () => {
  await beside(async (source, write) => {
    await write([...rekeyed(OVERLAY, 10, 1), ...rekeyed(OVERLAY, 20, 2)]);
    const { rows } = await source.query<{ keys: unknown }>(askSql(OVERLAY), [100]);
    expect(rows[0]?.keys).toEqual([['1'], ['2']]);
    await write([...rekeyed(COMPLETE, 1, 3), ...rekeyed(COMPLETE, 2, 1)]);
    await write(
      answer(COMPLETE, [
        ['1', 'of the first'],
        ['2', 'of the second'],
      ]),
    );
    expect(await lacking(source)).toEqual([1, 3]);
    await source.query(askSql(OVERLAY), [100]);
    await write(answer(COMPLETE, [['1', 'of the second']]));
    expect(await lacking(source)).toEqual([3]);
  });
});

test('what the copy holds under a key is not given to a row that came to it from another', async () => {
  await beside(async (source, write) => {
    await source.query(`insert into nearjoin.docs values (1, 'of the row before'), (3, 'of another')`);
    await write([...rekeyed(OVERLAY, 1, 2), ...rekeyed(OVERLAY, 10, 1)]);
    await source.query(mergeSql(COMPLETE, null));
    expect(await lacking(source)).toEqual([1, 2]);
    await write(rekeyed(COMPLETE, 1, 4));
    expect(await lacking(source)).toEqual([2, 4]);
  });
});
