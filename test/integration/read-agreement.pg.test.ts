import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestLane } from '../support/lane.ts';
import { toMany, toOne } from '../support/leading-to.ts';
import { createDatabase, type TestDatabase, testServer } from '../support/postgres.ts';
import { ThreeWays } from '../support/three-ways.ts';

// Cases in which two routes once gave different answers, each as small as it can be.

/** Lets everything through, but not before another row is read. */
const SOME_ROW = { _or: [{ n: { _eq: 0 } }, { _exists: { _table: 'b', _where: { n: { _eq: 2 } } } }] };

/** Compares each row with others of its table. */
const NOT_THE_LAST = { _exists: { _table: 'b', _where: { n: { _cgt: ['$', 'n'] } } } };

const INHERITED = {
  inherited_roles: [
    { role_name: 'both', role_set: ['one', 'two'] },
    { role_name: 'five_or_six', role_set: ['five', 'six'] },
  ],
};

/** Texts that differ only in case are equal. */
const LOOSELY =
  "create collation loosely (provider = icu, locale = 'und-u-ks-level2', deterministic = false)";

let databases: Record<'pg1' | 'pg2', TestDatabase>;
let lane: TestLane;

beforeAll(async () => {
  const [pg1, pg2] = await Promise.all([
    createDatabase('source', [
      'create extension citext',
      LOOSELY,
      'create table a (id int primary key, c char(4), ci citext, t text, n int, tags int[], many int default 1, lo text collate loosely, late int)',
      `insert into a values (1, '', 'x', 'X', null, '{1,2}', 1, 'x', null), (2, 'k', 'X', 'x', 5, '{}', 1, 'X', null), (3, null, 'y', 'k  ', 5, null, 1, 'X', 2)`,
    ]),
    createDatabase('target', [
      'create extension citext',
      LOOSELY,
      'create table b (id int primary key, c citext, t text, n int, ch char(4), one int default 1, tags int[], lo text collate loosely)',
      `insert into b values (1, '', 'x', 1, 'x', 1, '{1,2}', 'x'), (2, 'k', 'X', 2, 'X', 1, '{}', 'X'), (3, 'X', '', 3, 'k', 1, null, 'x')`,
    ]),
  ]);
  databases = { pg1, pg2 };
  lane = await TestLane.open(
    databases,
    {
      pg1: [A],
      pg2: [
        {
          table: 'b',
          select_permissions: [
            permission('one', ['id', 'n'], {}),
            permission('three', ['id', 'n'], SOME_ROW),
            permission('five', ['id'], {}),
            permission('six', ['id', 'n'], NOT_THE_LAST),
            permission('four', ['id', 'n'], NOT_THE_LAST),
            permission('seven', ['id', 'n'], { _exists: { _table: 'b', _where: { t: { _gte: '' } } } }),
          ],
        },
      ],
    },
    {},
    INHERITED,
  );
  await lane.fillCaches();
});

afterAll(async () => {
  await lane?.close();
  await Promise.all(Object.values(databases ?? {}).map((database) => database.drop()));
});

function permission(role: string, columns: readonly string[], filter: object): unknown {
  return { role, permission: { columns, filter, limit: null, allow_aggregations: true } };
}

const A = {
  table: 'a',
  remote_relationships: [
    toMany('by_char', 'b', { c: 'c' }),
    toMany('by_citext', 'b', { ci: 't' }),
    toMany('by_text', 'b', { t: 'c' }),
    toMany('by_padded', 'b', { t: 'ch' }),
    toMany('by_array', 'b', { tags: 'tags' }),
    toMany('by_id', 'b', { id: 'id' }),
    toOne('one_by_id', 'b', { id: 'id' }),
    toMany('all_b', 'b', { many: 'one' }),
    toMany('by_late', 'b', { late: 'id' }),
    toMany('loose_to_text', 'b', { lo: 't' }),
    toMany('text_to_loose', 'b', { t: 'lo' }),
    toMany('loosely', 'b', { lo: 'lo' }),
  ],
  select_permissions: [
    permission('three', ['id'], {}),
    permission('four', ['id'], {}),
    permission('seven', ['id'], { one_by_id: { n: { _gt: 1 } } }),
    permission('five', ['id'], {}),
    permission('one', ['id', 'c', 't', 'ci'], {}),
    permission('two', ['n'], { all_b: { n: { _eq: 1 } } }),
  ],
};

async function everyRoute(query: string, role = 'admin'): Promise<unknown> {
  const cached = await lane.query(query, { role, freshness: { fallback: 'stale' } });
  const live = await lane.query(query, { role, freshness: { noCache: true } });
  expect(cached.targets.every(({ route }) => route === 'cache')).toBe(true);
  expect(live.text).toBe(cached.text);
  return JSON.parse(cached.text);
}

const ids = (rows: readonly number[][]): unknown => rows.map((list) => ({ b: list.map((id) => ({ id })) }));

test.each([
  ['by_char', [[1], [2], []]],
  ['by_citext', [[1], [2], []]],
  ['by_text', [[3], [], []]],
  ['by_padded', [[2], [1], []]],
  ['by_array', [[1], [2], []]],
  ['loose_to_text', [[1], [2], [2]]],
  ['text_to_loose', [[2], [1, 3], []]],
  ['loosely', [[1, 3], [2], [2]]],
] as const)(
  'keys of all types meet live exactly what they meet in one statement: %s',
  async (name, found) => {
    const answer = await everyRoute(`{ a(order_by: {id: asc}) { b: ${name} { id } } }`);
    expect(answer).toEqual({ a: ids(found as unknown as number[][]) });
  },
);

test('an array column is compared with a list of arrays of different lengths', async () => {
  const query =
    '{ some: a(where: {tags: {_in: [[], [1, 2]]}}) { id } none: a(where: {tags: {_nin: [[1, 2], [7]]}}) { id } }';
  expect(await everyRoute(query)).toEqual({ some: [{ id: 1 }, { id: 2 }], none: [{ id: 2 }] });
});

test('a role of several orders by a cell it sees in some rows only, and then by the key itself', async () => {
  const query = '{ a(order_by: [{n: asc_nulls_first}], distinct_on: n) { n id } }';
  expect(await everyRoute(query, 'both')).toEqual({
    a: [
      { n: null, id: 1 },
      { n: 5, id: 2 },
    ],
  });
});

test('a table without a cache is read at two places of a query by different columns', async () => {
  const uncached = await TestLane.open(databases, { pg1: [A], pg2: [{ table: 'b' }] });
  try {
    const query =
      '{ a(where: {by_char: {n: {_eq: 1}}}, order_by: {id: asc}) { by_char { id } by_text { ch } } }';
    const answer = await uncached.query(query, { freshness: { noCache: true } });
    expect(JSON.parse(answer.text)).toEqual({ a: [{ by_char: [{ id: 1 }], by_text: [{ ch: 'k   ' }] }] });
  } finally {
    await uncached.close();
  }
});

test('a look at the first parents finds that they have no key, and says nothing of the others', async () => {
  const hasty = await TestLane.open(databases, { pg1: [A], pg2: [{ table: 'b' }] }, { liveProbeRows: 1 });
  try {
    const query = '{ a(where: {by_late: {}}) { id by_late { id } } }';
    const answer = await hasty.query(query, { freshness: { noCache: true } });
    expect(JSON.parse(answer.text)).toEqual({ a: [{ id: 3, by_late: [{ id: 2 }] }] });
    const none = '{ a(where: {id: {_lt: 3}, by_late: {}}) { id } }';
    expect((await hasty.query(none, { freshness: { noCache: true } })).text).toBe('{"a":[]}');
  } finally {
    await hasty.close();
  }
});

test('nodes beside a distinct count keep their order', async () => {
  const query =
    '{ a_aggregate(order_by: {id: asc}) { aggregate { count(columns: t, distinct: true) } nodes { id } } }';
  expect(await everyRoute(query)).toEqual({
    a_aggregate: { aggregate: { count: 3 }, nodes: [{ id: 1 }, { id: 2 }, { id: 3 }] },
  });
});

test('an aggregate over rows that a filter has found already is read through its own rule', async () => {
  const query = '{ a(where: {by_id: {n: {_gt: 1}}}, order_by: {by_id_aggregate: {max: {n: desc}}}) { id } }';
  expect(await everyRoute(query, 'three')).toEqual({ a: [{ id: 3 }, { id: 2 }] });
});

test('a rule that compares a row with others holds where the row is met by a filter or an ordering', async () => {
  const query = `{ a(where: {by_id: {}}, order_by: {by_id_aggregate: {max: {n: desc_nulls_last}}}) { id } }`;
  expect(await everyRoute(query, 'four')).toEqual({ a: [{ id: 2 }, { id: 1 }] });
});

test('a cell that only some rows show orders by the row that a filter has joined', async () => {
  const query = `{ a(where: {one_by_id: {}}, order_by: [{one_by_id: {n: desc_nulls_first}}]) { id } }`;
  expect(await everyRoute(query, 'five_or_six')).toEqual({ a: [{ id: 3 }, { id: 2 }, { id: 1 }] });
});

test.each([
  [
    '{ a(where: {all_b: {lo: {_eq: "X"}}}, order_by: {id: asc}) { b: all_b(where: {lo: {_eq: "X"}}) { id } } }',
    [[2], [2], [2]],
  ],
  ['{ a(order_by: {id: asc}) { b: loosely(order_by: {n: desc}, limit: 1) { id } } }', [[3], [2], [2]]],
  ['{ a(where: {text_to_loose: {n: {_eq: 3}}}) { b: text_to_loose(where: {n: {_gt: 1}}) { id } } }', [[3]]],
])('texts of another database are equal when their bytes are: %s', async (query, found) => {
  expect(await everyRoute(query)).toEqual({ a: ids(found) });
});

test('texts that another database takes for equal are counted as different', async () => {
  const query = '{ a(limit: 1) { all_b_aggregate { aggregate { count(columns: lo, distinct: true) } } } }';
  expect(await everyRoute(query)).toEqual({ a: [{ all_b_aggregate: { aggregate: { count: 2 } } }] });
});

test('of two conditions over one relationship only the first is joined, and the ordering does without it', async () => {
  const query = '{ a(where: {one_by_id: {}}, order_by: {one_by_id: {n: desc}}) { id one_by_id { n } } }';
  expect(await everyRoute(query, 'seven')).toEqual({
    a: [
      { id: 3, one_by_id: { n: 3 } },
      { id: 2, one_by_id: { n: 2 } },
    ],
  });
});

test.skipIf(testServer('target').version < 15)(
  'patterns, and texts in JSON, follow the source’s rules where the databases have others',
  async () => {
    const rows = `insert into word values (1, 1, 'Éclair', '"b"'), (2, 1, 'éclair', '"A"'), (3, 1, 'zebra', '"a"')`;
    const pg1 = await createDatabase('source', [
      'create table root (id int primary key)',
      'insert into root values (1)',
    ]);
    const sql = [
      'create table word (id int primary key, root_id int, t text, j jsonb)',
      rows,
      'create index on word (root_id)',
    ];
    const pg2 = await createDatabase(
      'target',
      sql,
      `template template0 locale_provider icu icu_locale 'en-US' locale 'C'`,
    );
    const words = toMany('words', 'word', { id: 'root_id' });
    const root = { table: 'root', remote_relationships: [words] };
    const apart = await TestLane.open({ pg1, pg2 }, { pg1: [root], pg2: [{ table: 'word' }] });
    const answers = async (query: string): Promise<unknown[]> => {
      const cached = await apart.query(query, { freshness: { fallback: 'stale' } });
      const live = await apart.query(query, { freshness: { noCache: true } });
      return [JSON.parse(cached.text), JSON.parse(live.text)];
    };
    try {
      await apart.fillCaches();
      for (const [asked, found] of [
        ['where: {t: {_ilike: "é%"}}', [2]],
        [String.raw`where: {t: {_regex: "^\\w+$"}}`, [3]],
        ['where: {j: {_gt: "a"}}', [1]],
        ['order_by: {j: asc}', [2, 3, 1]],
      ] as const) {
        const words = found.map((id) => ({ id }));
        expect(await answers(`{ root { words(${asked}) { id } } }`)).toEqual([
          { root: [{ words }] },
          { root: [{ words }] },
        ]);
      }
      const none = '{ root(where: {words: {id: {_eq: 1}, t: {_ilike: "é%"}}}) { id } }';
      expect(await answers(none)).toEqual([{ root: [] }, { root: [] }]);
    } finally {
      await apart.close();
      await Promise.all([pg1.drop(), pg2.drop()]);
    }
  },
);

test('floats add up to the same number in whichever order their rows lie', async () => {
  const ways = await ThreeWays.open({
    sql: [
      'create table root (id int primary key)',
      'create table item (id int primary key, root_id int, f float8)',
      'insert into root values (1), (2)',
      'insert into item values (1, 1, 0.1), (2, 1, 0.2), (3, 1, 0.3), (4, 2, 0.3), (5, 2, 0.2), (6, 2, 0.1)',
    ],
    tables: {
      root: {
        database: 'pg1',
        relationships: { items: { kind: 'array', to: 'item', on: { id: 'root_id' } } },
      },
      item: { database: 'pg2' },
    },
  });
  try {
    const { rows } = await ways.all.query<{ relation: string }>('select relation from nearjoin.cache_table');
    // A row that is written again goes behind all others.
    for (const id of [2, 1, 5, 4])
      await ways.all.query(`update nearjoin."${rows[0]?.relation}" set f = f where id = ${id}`);
    const sum = 'items_aggregate: {sum: {arguments: f, predicate: {_lte: 0.6}}}';
    expect(await ways.agree(`{ root(where: {${sum}}) { id } }`)).toEqual({ root: [] });
    const order = '[{items_aggregate: {sum: {f: asc}}}, {id: asc}]';
    expect(await ways.agree(`{ root(order_by: ${order}) { id } }`)).toEqual({ root: [{ id: 1 }, { id: 2 }] });
  } finally {
    await ways.close();
  }
});

const PLAIN = "template template0 locale 'C' encoding 'UTF8'";
const icu = (language: string): string =>
  `template template0 locale_provider icu icu_locale '${language}' locale 'C' encoding 'UTF8'`;

test('a character is what it is in the source, also where the target knows only bytes', async () => {
  const fields = [
    { name: 'id', type: { scalar: 'integer' } },
    { name: 't', type: { scalar: 'text' } },
  ];
  const queries = {
    logical_models: [{ name: 'spelling', fields }],
    native_queries: [{ root_field_name: 'spelled', code: 'select id, t from word', returns: 'spelling' }],
  };
  const to = { remote_native_query: 'spelled', column_mapping: { id: 'id' } };
  const ways = await ThreeWays.open({
    sql: [
      'create table root (id int primary key)',
      'create table word (id int primary key, root_id int, t text)',
      'create index on word (root_id)',
      'create function said(word) returns text language sql stable as $$ select $1.t $$',
      'insert into root values (1)',
      `insert into word values (1, 1, 'ä'), (2, 1, 'ab'), (3, 1, 'a')`,
    ],
    tables: {
      root: {
        database: 'pg1',
        relationships: { words: { kind: 'array', to: 'word', on: { id: 'root_id' } } },
      },
      word: {
        database: 'pg2',
        more: {
          computed_fields: [{ name: 'said', definition: { function: 'said' } }],
          array_relationships: [{ name: 'spelled', using: { manual_configuration: to } }],
        },
      },
    },
    metadata: (isDealt) => ({ queries: { [isDealt ? 'pg2' : 'pg1']: queries } }),
    forms: [PLAIN, "template template0 locale 'C' encoding 'SQL_ASCII'"],
  });
  try {
    for (const [condition, found] of [
      ['_like: "_"', [1, 3]],
      ['_nlike: "_"', [2]],
      ['_regex: "^.$"', [1, 3]],
    ] as const) {
      const words = found.map((id) => ({ id }));
      expect(await ways.agree(`{ root { words(where: {t: {${condition}}}) { id } } }`)).toEqual({
        root: [{ words }],
      });
      const computed = `{ root { words(where: {said: {${condition}}}) { id } } }`;
      expect((await ways.dealt.query(computed)).text).toBe(JSON.stringify({ root: [{ words }] }));
      const queried = `{ root { words(order_by: {id: asc}) { spelled(where: {t: {${condition}}}) { id } } } }`;
      const spelled = [1, 2, 3].map((id) => ({ spelled: words.filter((word) => word.id === id) }));
      expect((await ways.dealt.query(queried)).text).toBe(JSON.stringify({ root: [{ words: spelled }] }));
    }
  } finally {
    await ways.close();
  }
});

test.skipIf(Math.min(testServer('source').version, testServer('target').version) < 15).each([
  ['only the source knows its letters', icu('en'), PLAIN],
  ['only the target knows them', PLAIN, icu('en')],
  ['the source is Turkish', icu('tr'), icu('en')],
  ['the target is Turkish', icu('en'), icu('tr')],
])('citext is joined as in the source: %s', async (_name, source, target) => {
  const dots = target === PLAIN ? [] : ['İD', 'ıd'];
  const words = ['ann', 'ANN', 'ärzte', 'ÄRZTE', 'Ärzte', 'id', 'ID', 'οδος', 'ΟΔΟΣ', 'Straße', ...dots];
  const rows = words.map((word, i) => `(${i}, '${word}', ${i % 2})`).join();
  const table = (name: string): string =>
    `create table ${name} (id int primary key, w citext, n int, list citext[] generated always as (array[w, '"']) stored); insert into ${name} values ${rows}, (97, 'STRAẞE', 1), (98, '', 0), (99, null, 1)`;
  const same = { kind: 'array', to: 'theirs', on: { w: 'w' } } as const;
  const ways = await ThreeWays.open({
    sql: ['create extension citext', table('ours'), table('theirs'), 'create index on theirs (w)'],
    tables: {
      ours: {
        database: 'pg1',
        relationships: {
          same,
          both: { kind: 'array', to: 'theirs', on: { n: 'n', w: 'w' } },
          lists: { kind: 'array', to: 'theirs', on: { list: 'list' } },
          all: { kind: 'array', to: 'theirs', on: { n: 'n' } },
        },
      },
      theirs: { database: 'pg2', relationships: { same } },
    },
    forms: [source, target],
  });
  const order = 'order_by: {id: asc}';
  const distinct = 'aggregate { count(columns: w, distinct: true) }';
  try {
    for (const query of [
      `{ ours(${order}) { id same(${order}) { id w } both(${order}) { id } lists(${order}) { id } } }`,
      `{ ours(${order}, where: {w: {_eq: "ann"}}) { id same(${order}) { id w } } }`,
      `{ ours(${order}) { same_aggregate { aggregate { count } } all_aggregate { ${distinct} } } }`,
      `{ ours(${order}, where: {same: {id: {_gt: 4}}}) { id } }`,
      `{ ours(${order}) { id all(${order}, where: {same: {id: {_in: [2, 6, 9]}}}) { id } } }`,
      `{ ours(${order}, where: {id: {_lt: 5}}) { all(${order}, limit: 3) { id same(${order}) { id } } } }`,
    ])
      await ways.agree(query);
  } finally {
    await ways.close();
  }
});

test('a composite is null when all its fields are, and is not when none is, also where it is held as text', async () => {
  const pairs = [
    '(,)',
    '(1,)',
    '(,x)',
    '(1,x)',
    '(1,"")',
    '(2,",")',
    '(3,"(,)")',
    '(4,"a"",""b")',
    '(5,"\\\\,")',
  ];
  const rows = pairs.map((pair, i) => `(${i}, 1, '${pair}')`).join();
  const table = (name: string): string =>
    `create table ${name} (id int primary key, n int, p pair, s single); insert into ${name} values ${rows}, (97, 1, null), (98, null, '(1,x)'); update ${name} set s = case when id > 4 then row(null)::single else row('')::single end where id < 9`;
  const ways = await ThreeWays.open({
    sql: [
      'create type pair as (a int, b text)',
      'create type single as (a text)',
      table('ours'),
      table('theirs'),
    ],
    tables: {
      ours: {
        database: 'pg1',
        relationships: {
          one: { kind: 'object', to: 'theirs', on: { id: 'id' } },
          all: { kind: 'array', to: 'theirs', on: { n: 'n' } },
        },
      },
      theirs: { database: 'pg2', relationships: {} },
    },
  });
  const order = 'order_by: {id: asc}';
  try {
    for (const isNull of ['{_is_null: true}', '{_is_null: false}'])
      for (const condition of [`{p: ${isNull}}`, `{_not: {p: ${isNull}}}`, `{s: ${isNull}}`]) {
        await ways.agree(`{ ours(${order}, limit: 1) { all(${order}, where: ${condition}) { id } } }`);
        await ways.agree(`{ ours(${order}, where: {one: ${condition}}) { id } }`);
        const mixed = `{_or: [{id: {_eq: 3}}, {one: ${condition}}]}`;
        await ways.agree(`{ ours(${order}, where: ${mixed}) { id } }`);
      }
    const both = 'count: {arguments: [p, n], predicate: {_eq: 6}}';
    await ways.agree(`{ ours(${order}, where: {all_aggregate: {${both}}}) { id } }`);
  } finally {
    await ways.close();
  }
});
