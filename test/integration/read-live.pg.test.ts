import { isDeepStrictEqual } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Lsn, parseLsn } from '../../src/core/position/lsn.ts';
import { startHeldLine } from '../support/held-line.ts';
import { TestLane } from '../support/lane.ts';
import { toMany, toOne } from '../support/leading-to.ts';
import { poll } from '../support/poll.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

// What is particular to live answers: who writes which text, in how many statements, of which snapshot, within which limits.

const ODD = [`it's`, 'q"u\\o', 'tab\tnew\nline', `mark \u0001 in a key`, '', 'Ä 💡', '{curly,comma}', 'NULL'];

const ALL = { nearjoin: { follow: 'all' } };
const author = {
  name: 'author',
  using: { manual_configuration: { remote_table: 'person', column_mapping: { author_id: 'id' } } },
};
const TABLES = {
  pg1: [
    {
      table: 'doc',
      remote_relationships: [
        toOne('labelled', 'label', { label: 'name' }, ALL),
        toOne('leaf', 'page', { book: 'book', page: 'nr' }, ALL),
        toMany('notes', 'note', { id: 'doc' }, ALL),
        toOne('left', 'pair', { id: 'id' }, ALL),
        toOne('right', 'pair', { other: 'id' }, ALL),
      ],
    },
  ],
  pg2: [
    { table: 'label' },
    { table: 'page' },
    { table: 'person' },
    { table: 'pair' },
    { table: 'note', object_relationships: [author] },
  ],
};

let pg1: TestDatabase;
let pg2: TestDatabase;
let lane: TestLane;
let statements: TestLane;

beforeAll(async () => {
  [pg1, pg2] = await Promise.all([
    createDatabase('source', [
      'create table doc (id int primary key, label text, book text, page int, other int)',
    ]),
    createDatabase('target', [
      'create table label (name text primary key, body text)',
      'create table page (book varchar(20), nr bigint, body text, primary key (book, nr))',
      'create table person (id int primary key, name text collate "und-x-icu")',
      'create table pair (id int primary key, value int not null)',
      'create table note (id int primary key, doc int, author_id int, at timestamptz, body text collate "und-x-icu")',
      'create index on note (doc, at desc)',
      `insert into pair values (1, 0), (2, 0)`,
      `insert into person values (1, 'b'), (2, 'A'), (3, null)`,
      `insert into note select i, 1 + i % 3, 1 + i % 5, '2024-01-01'::timestamptz - i % 7 * interval '1 day',
         (array['a', 'B', 'c', 'D'])[1 + i % 4] from generate_series(1, 40) i`,
    ]),
  ]);
  for (const [i, text] of ODD.entries()) {
    await pg1.query('insert into doc values ($1, $2, $2, $1, $3)', [i + 1, text, 2 - (i % 2)]);
    await pg2.query('insert into label values ($1, $2)', [text, `of ${text}`]);
    await pg2.query('insert into page values ($1, $2, $3)', [text, i + 1, `at ${text}`]);
  }
  await pg1.query('insert into doc values (100, null, null, 1, null), (101, $1, $1, null, 99)', ['nowhere']);
  lane = await TestLane.open({ pg1, pg2 }, TABLES);
  await lane.fillCaches();
  // Without sessions for transactions only single statements are left.
  statements = await TestLane.open({ pg1, pg2 }, TABLES, { livePoolSize: 0, connectTimeoutMs: 30_000 });
});

afterAll(async () => {
  await Promise.all([lane?.close(), statements?.close()]);
  await Promise.all([pg1?.drop(), pg2?.drop()]);
});

const LIVE = { freshness: { noCache: true } };

async function sameInStatements(query: string): Promise<string> {
  const cached = await lane.query(query, { freshness: { fallback: 'stale' } });
  const live = await statements.query(query, LIVE);
  expect(live.text).toBe(cached.text);
  expect(live.targets).toEqual([expect.objectContaining({ route: 'live', position: expect.any(BigInt) })]);
  return live.text;
}

test.each([
  ['keys of odd texts', '{ doc(order_by: {id: asc}) { id labelled { name body } } }'],
  ['keys of several columns', '{ doc(order_by: {id: asc}) { leaf { nr body } } }'],
  [
    'the newest of each, with their authors',
    '{ doc(order_by: {id: asc}) { notes(order_by: [{at: desc}, {id: asc}], limit: 3) { id at body author { name } } } }',
  ],
  [
    'aggregates, also over nothing',
    '{ doc(order_by: {id: asc}) { notes_aggregate { aggregate { count max { at } } nodes { id } } } }',
  ],
  [
    'several relationships and aliases',
    '{ a: doc_by_pk(id: 1) { left { value } x: notes { id } y: notes(where: {body: {_eq: "B"}}) { id } } none: doc_by_pk(id: -1) { left { id } } doc_aggregate { nodes { id right { value } } } }',
  ],
])('%s are answered by one statement of each database', async (_, query) => {
  expect(await sameInStatements(query)).toContain('{');
});

test('what the databases sort in different ways is sorted by the source, on every route', async () => {
  const query =
    '{ doc(order_by: {id: asc}, limit: 3) { notes(order_by: [{body: asc}, {id: asc}]) { body } } }';
  const cached = await lane.query(query, { freshness: { fallback: 'stale' } });
  const live = await lane.query(query, LIVE);
  expect(live.text).toBe(cached.text);
  const [first] = (JSON.parse(live.text) as { doc: { notes: { body: string }[] }[] }).doc;
  expect([...new Set(first?.notes.map(({ body }) => body))]).toEqual(['B', 'D', 'a', 'c']);
});

test('a filter through the target and texts that it writes are of one snapshot of it', async () => {
  const query =
    '{ doc(where: {left: {value: {_gte: 0}}}, order_by: {id: asc}) { id left { value } right { value } notes(limit: 1) { id } } }';
  const cached = await lane.query(query, { freshness: { fallback: 'stale' } });
  expect((await lane.query(query, LIVE)).text).toBe(cached.text);
});

test('a session does not gather temporary tables, whatever it is asked', async () => {
  const one = await TestLane.open({ pg1, pg2 }, TABLES, { livePoolSize: 1, liveInlineRows: 0 });
  const made = async (): Promise<unknown> =>
    (
      await pg1.query(
        `select count(*)::int as n from pg_class where relname like 'nearjoin\\_%' and relkind = 'r' and relpersistence = 't'`,
      )
    ).rows[0];
  const query = (places: number, least: (i: number) => number): string => {
    const notes = Array.from(
      { length: places },
      (_, i) => `n${i}: notes(where: {id: {_gt: ${least(i)}}}, order_by: {body: asc}) { id body }`,
    );
    return `{ doc(order_by: {id: asc}) { ${notes.join(' ')} } }`;
  };
  const unlike = (places: number): string => query(places, (i) => -i);
  const alike = query(40, () => 0);
  try {
    // Made again after they were dropped, the same tables serve the same statements. Places that show the same rows share one.
    for (const [asked, n] of [
      [unlike(40), 0],
      [alike, 1],
      [unlike(3), 3],
      [unlike(40), 0],
      [unlike(3), 3],
    ] as const) {
      const { text } = await one.query(asked, LIVE);
      expect(text).toBe((await lane.query(asked, LIVE)).text);
      await poll('the tables that stay', async () => isDeepStrictEqual(await made(), { n }));
    }
  } finally {
    await one.close();
  }
});

test('where there is no room for temporary tables an answer is made without them', async () => {
  const query = '{ doc(order_by: {id: asc}) { notes(order_by: {body: asc}) { id body } } }';
  const usual = (await lane.query(query, LIVE)).text;
  await pg1.query(`create function no_room() returns event_trigger language plpgsql as
    $$ begin raise exception 'no room' using errcode = 'disk_full'; end $$`);
  await pg1.query(`create event trigger no_room on ddl_command_start when tag in ('CREATE TABLE')
    execute function no_room()`);
  const full = await TestLane.open({ pg1, pg2 }, TABLES, { liveInlineRows: 0 });
  try {
    for (let i = 0; i < 2; i += 1) expect((await full.query(query, LIVE)).text).toBe(usual);
  } finally {
    await full.close();
    await pg1.query('drop function no_room cascade');
  }
});

test('all rows of a target in one answer show the same transactions', async () => {
  let writing = true;
  const writer = (async () => {
    for (let value = 1; writing; value += 1) await pg2.query('update pair set value = $1', [value]);
  })();
  try {
    for (let i = 0; i < 100; i += 1) {
      const { text } = await statements.query(
        '{ doc_by_pk(id: 1) { left { value } right { value } } }',
        LIVE,
      );
      const { left, right } = (JSON.parse(text) as { doc_by_pk: Record<string, unknown> }).doc_by_pk;
      expect(left).toEqual(right);
    }
  } finally {
    writing = false;
    await writer;
    await pg2.query('update pair set value = 0');
  }
});

test('a position is never behind what the answer shows', async () => {
  for (let value = 1; value <= 20; value += 1) {
    const [row] = (
      await pg2.query<{ at: string }>(
        'with u as (update label set body = body returning 1) select pg_current_wal_insert_lsn()::text as at from u limit 1',
      )
    ).rows;
    const { targets } = await statements.query('{ doc(limit: 1) { labelled { name } } }', LIVE);
    const [high = '', low = ''] = (row?.at ?? '').split('/');
    const before = (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`);
    expect(targets[0]?.position).toBeGreaterThanOrEqual(before);
  }
});

test.each([
  ['a statement', '{ doc(order_by: {id: asc}) { labelled { body } } }'],
  ['a transaction', '{ doc(where: {labelled: {body: {_is_null: false}}}) { labelled { body } } }'],
])(
  'what a token names is there, also when it is committed while %s looks how far the target is',
  async (_, query) => {
    await using line = await startHeldLine(pg2.server, 'pg_last_wal_replay_lsn');
    const held = await TestLane.open({ pg1, pg2: { ...pg2, url: line.through(pg2.url) } }, TABLES);
    try {
      const tokens = new Map([['pg2', { position: await positionAhead(8_000_000), history: null }]]);
      const asked = held.query(query, { freshness: { noCache: true, tokens } });
      await line.waits;
      const log = `select pg_logical_emit_message(true, 'test', repeat('x', 16000000))`;
      await pg2.query(`begin; update label set body = 'renewed'; ${log}; commit`);
      line.letGo();
      expect((await asked).text).toContain('renewed');
    } finally {
      await held.close();
      await pg2.query(`update label set body = 'of ' || name`);
    }
  },
);

test.each([
  ['a statement', '"label"', '{ doc(order_by: {id: asc}) { labelled { body } } }'],
  ['a transaction', 'begin isolation level', '{ doc(where: {labelled: {body: {}}}) { labelled { body } } }'],
])(
  'what a token names may be missing where it is committed after %s has looked how far the target is',
  async (_, words, query) => {
    await poll('a look that comes before what other tests write has brought the target so far', async () => {
      await using line = await startHeldLine(pg2.server, words);
      const held = await TestLane.open({ pg1, pg2: { ...pg2, url: line.through(pg2.url) } }, TABLES);
      try {
        const position = await positionAhead(8_000_000);
        const tokens = new Map([['pg2', { position, history: null }]]);
        const asked = held
          .query(query, { freshness: { noCache: true, tokens } })
          .catch((error: unknown) => error);
        await line.waits;
        const active = `select from pg_stat_activity where datname = current_database() and state = 'active' and strpos(query, $1) > 0`;
        await poll('what goes before to be done', async () => {
          return (await pg2.query(active, [words])).rows.length > 0;
        });
        const isAhead = position > (await positionAhead(0));
        await pg2.query(`select pg_logical_emit_message(true, 'test', repeat('x', 16000000))`);
        line.letGo();
        const outcome = await asked;
        if (isAhead) expect(outcome).toMatchObject({ code: 'position-unknown' });
        return isAhead;
      } finally {
        await held.close();
      }
    });
  },
);

/** So many bytes of log behind where the target is. A primary gives no such token before the commit; a standby meets those of its primary. */
async function positionAhead(bytes: number): Promise<Lsn> {
  const { rows } = await pg2.query<{ lsn: string }>(
    'select (pg_current_wal_insert_lsn() + $1::numeric)::text as lsn',
    [bytes],
  );
  return parseLsn(String(rows[0]?.lsn));
}

test('more different keys than the limit are refused, with the relationship, their number and what to do', async () => {
  const small = await TestLane.open({ pg1, pg2 }, TABLES, { liveKeyLimit: 9 });
  try {
    await expect(small.query('{ doc { notes { id } } }', LIVE)).rejects.toMatchObject({
      code: 'live-limit-exceeded',
      message:
        'a live answer would need 10 different keys (the limit is 9) in "note" of "pg2" for relationship "notes": filter or limit the rows, or allow the cache to answer',
    });
    await expect(small.query('{ doc(limit: 9) { notes { id } } }', LIVE)).resolves.toBeDefined();
  } finally {
    await small.close();
  }
});

test('an answer that grows beyond the limit where its gaps are filled is refused', async () => {
  const small = await TestLane.open({ pg1, pg2 }, TABLES, { resultLimitBytes: 2000 });
  try {
    await expect(small.query('{ doc { notes { id at body } } }', LIVE)).rejects.toMatchObject({
      code: 'result-too-large',
    });
  } finally {
    await small.close();
  }
});

test('a session that breaks under a live answer costs another attempt, once', async () => {
  const found = async (): Promise<string> => {
    const filtered = '{ doc(where: {labelled: {body: {_is_null: false}}}, order_by: {id: asc}) { id } }';
    return (await lane.query(filtered, { freshness: { noCache: true } })).text;
  };
  const usual = await found();
  const breaking = async (times: number): Promise<string> => {
    const holder = new pg.Client({ connectionString: pg2.url });
    await holder.connect();
    try {
      await holder.query('begin; lock table label');
      const outcome = found().catch(String);
      const ended: number[] = [];
      await poll('sessions to wait for the table, and to end', async () => {
        const ending = `select pid, pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock' and pid <> all($1)`;
        ended.push(...(await pg2.query<{ pid: number }>(ending, [ended])).rows.map(({ pid }) => pid));
        return ended.length === times;
      });
      await holder.query('commit');
      return await outcome;
    } finally {
      await holder.end();
    }
  };
  expect(await breaking(1)).toBe(usual);
  expect(await breaking(2)).toBe('TargetUnavailable: database "pg2" does not answer');
});
