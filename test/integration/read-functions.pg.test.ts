import { afterAll, beforeAll, expect, test } from 'vitest';
import { ThreeWays } from '../support/three-ways.ts';

// Root fields whose rows a function answers: the same from one database, from the cache and live.

const SQL = [
  'create table author (id int primary key, name text not null, rank int)',
  `insert into author values (1, 'Ada', 3), (2, 'Bo', 1), (3, 'Cy', 2)`,
  'create table review (id int primary key, article_id int, stars int)',
  'insert into review values (1, 1, 5), (2, 1, 2), (3, 2, 4), (4, 4, 1)',
  `create table article (id int primary key, title text not null, author_id int not null, score int, doc jsonb, hidden boolean default false)`,
  `insert into article values (1, 'art of war', 1, 10, '{"at": "2020-01-01"}', false), (2, 'start', 2, 30, '{"at": "2020-01-01"}', false), (3, 'cart', 3, 20, '{"at": "2020-01-01"}', false),
     (4, 'party', 2, 40, '{"at": "2020-01-01T00:00:00+03"}', true), (5, 'zoo', 1, 5, '{"at": "2020-01-01"}', false)`,
  `create function search(search text, floor int default 0) returns setof article language sql stable as $$
     select * from article where title ilike '%' || search || '%' and score >= coalesce(floor, 35) order by score desc $$`,
  'create function twice() returns setof article language sql stable as $$ select a.* from article a, generate_series(1, 2) order by a.id desc $$',
  `create function made_up(n int) returns setof article language plpgsql stable as $$ begin
     return query select null::int, null::text, 1, 7, null::jsonb, null::boolean;
     return query select 1, 'same', 9, n, null::jsonb, false; return query select 1, 'other', null::int, n, null::jsonb, false; end $$`,
  `create function odd(text, integer default 1, boolean default false) returns setof article language sql stable as $$
     select * from article where title like $1 || '%' and (id > $2 or $3) $$`,
  `create function mine(session json, also int default null) returns setof article language sql stable as $$
     select * from article where author_id in ((session->>'x-hasura-user-id')::int, also) order by id $$`,
  `create function best(session json) returns article language sql stable as $$
     select * from article where author_id = (session->>'x-hasura-user-id')::int order by score desc limit 1 $$`,
  // Postgres makes it part of the statement, and decides dear conditions last.
  'create function is_shown(hidden boolean) returns boolean language plpgsql stable cost 10000 as $$ begin return not hidden; end $$',
  'create function shown() returns setof article language sql stable as $$ select * from article where is_shown(hidden) $$',
  `create function loud(article) returns text language sql stable as $$ select upper($1.title) $$`,
  `create type size as enum ('small', 'Big one'); create domain positive as int check (value > 0)`,
  `create function typed(ids int[] default null, like_it article default null, of size default null, above positive default null, ask jsonb default null, "select" char(3) default null)
     returns setof article language sql stable as $$ select * from article where id = any(ids) or title = like_it.title or (of = 'Big one' and score = 40) or score > above or doc->'at' <> ask->'at' or title = "select" $$`,
  'create schema "Odd s"',
  `create function "Odd s"."Get ""it""" ("n" int) returns setof article language sql stable as $$ select * from article where id = n $$`,
  `create function broken() returns setof article language plpgsql stable as $$ begin return query select * from gone; end $$`,
  `create function log_it() returns setof article language sql volatile as $$ select * from article $$`,
];

const ARTICLE = {
  columns: ['id', 'title', 'author_id', 'score', 'doc'],
  filter: { hidden: { _eq: false } },
  limit: 2,
  allow_aggregations: true,
};
const FUNCTIONS = [
  { function: 'search', comment: 'by title' },
  { function: 'twice' },
  { function: 'made_up' },
  { function: 'odd' },
  { function: 'mine', configuration: { session_argument: 'session' } },
  { function: 'best', configuration: { session_argument: 'session' } },
  { function: 'shown' },
  { function: 'typed' },
  { function: { schema: 'Odd s', name: 'Get "it"' }, configuration: { custom_name: 'get_it' } },
  { function: 'broken' },
  { function: 'log_it' },
];

let ways: ThreeWays;

beforeAll(async () => {
  ways = await ThreeWays.open({
    sql: SQL,
    tables: {
      article: {
        database: 'pg1',
        relationships: {
          author: { kind: 'object', to: 'author', on: { author_id: 'id' } },
          reviews: { kind: 'array', to: 'review', on: { id: 'article_id' } },
        },
        more: { computed_fields: [{ name: 'loud', definition: { function: 'loud' } }] },
        permissions: {
          reader: ARTICLE,
          fan: { columns: ['id'], filter: { author: { name: { _eq: 'X-Hasura-Name' } } } },
        },
      },
      author: {
        database: 'pg2',
        permissions: { reader: { columns: ['name'], filter: {} }, fan: { columns: ['name'], filter: {} } },
      },
      review: { database: 'pg2' },
    },
    metadata: { functions: { pg1: FUNCTIONS } },
  });
});

afterAll(async () => {
  await ways?.close();
});

async function ids(query: string, role = 'admin'): Promise<unknown> {
  const rows = Object.values(await ways.agree(query, { role, session: { 'x-hasura-name': 'Bo' } }))[0];
  return (rows as readonly { readonly id: number }[]).map(({ id }) => id);
}

test('a function that reads what is not there is not taken for a schema that has just changed', async () => {
  for (const lane of [ways.together, ways.dealt])
    await expect(lane.query('{ broken { id } }')).rejects.toMatchObject({
      code: 'unexpected',
      message: 'database query error',
    });
});

test('rows come in the order of the function, also where they are found through another database', async () => {
  expect(await ids('{ search(args: {search: "art"}) { id author { name } reviews { stars } } }')).toEqual([
    4, 2, 3, 1,
  ]);
  expect(
    await ids('{ search(args: {search: "art"}, where: {author: {rank: {_lt: 3}}}) { id author { name } } }'),
  ).toEqual([4, 2, 3]);
  expect(
    await ids(
      '{ search(args: {search: "art"}, where: {author: {rank: {_lt: 3}}}, limit: 1, offset: 1) { id } }',
    ),
  ).toEqual([2]);
  expect(
    await ids('{ search(args: {search: "art"}, order_by: {author: {rank: asc}}) { id author { rank } } }'),
  ).toEqual([4, 2, 3, 1]);
  expect(
    await ids(
      '{ search(args: {search: "art"}, distinct_on: author_id, order_by: [{author_id: desc}, {score: asc}], where: {author: {}}) { id } }',
    ),
  ).toEqual([3, 2, 1]);
  expect(
    await ids(
      '{ twice(where: {author: {name: {_neq: "Cy"}}}, order_by: [{author: {rank: asc}}, {id: desc}]) { id } }',
    ),
  ).toEqual([4, 4, 2, 2, 5, 5, 1, 1]);
  expect(
    await ids('{ search(args: {search: "art"}, order_by: {reviews_aggregate: {count: desc}}) { id } }'),
  ).toEqual([1, 4, 2, 3]);
});

test('a role sees of them what it may see of the table', async () => {
  expect(await ids('{ search(args: {search: "art"}) { id author { name } } }', 'reader')).toEqual([2, 3]);
  expect(await ids('{ search(args: {search: "art"}) { id } }', 'fan')).toEqual([4, 2]);
  const query =
    '{ search_aggregate(args: {search: "art"}, where: {author: {name: {_gt: "A"}}}) { aggregate { count sum { score } } nodes { id author { name } } } }';
  expect(await ways.agree(query, { role: 'reader' })).toEqual({
    search_aggregate: {
      aggregate: { count: 3, sum: { score: 60 } },
      nodes: [
        { id: 2, author: { name: 'Bo' } },
        { id: 3, author: { name: 'Cy' } },
      ],
    },
  });
  await expect(
    ways.dealt.query('{ search(args: {search: "a"}) { hidden } }', { role: 'reader' }),
  ).rejects.toThrow("field 'hidden' not found in type: 'article'");
  await expect(
    ways.dealt.query('{ search(args: {search: "a"}) { id } }', { role: 'stranger' }),
  ).rejects.toThrow("field 'search' not found in type: 'query_root'");
  await expect(
    ways.dealt.query('{ search_aggregate(args: {search: "a"}) { aggregate { count } } }', {
      role: 'fan',
      session: { 'x-hasura-name': 'Bo' },
    }),
  ).rejects.toThrow("field 'search_aggregate' not found in type: 'query_root'");
});

test('what a function or a permission leaves out makes no condition fail', async () => {
  const path = '_jsonb_path_match: "$.at.datetime() < \\"2021-01-01\\".datetime()"';
  expect(await ids(`{ shown(where: {doc: {${path}}}) { id } }`)).toEqual([1, 2, 3, 5]);
  expect(await ids(`{ shown(where: {doc: {${path}}, author: {rank: {_gt: 1}}}) { id } }`)).toEqual([1, 3, 5]);
  expect(await ids(`{ twice(where: {doc: {${path}}}, limit: 9) { id } }`, 'reader')).toEqual([5, 5]);
  await expect(ways.dealt.query(`{ twice(where: {doc: {${path}}}) { id } }`)).rejects.toThrow('time zone');
});

test('fields that are computed from rows are computed from these too', async () => {
  const shown = (query: string) => ways.agree(query, { session: { 'x-hasura-user-id': '3' } });
  expect(await shown('{ search(args: {search: "cart"}) { loud } }')).toEqual({ search: [{ loud: 'CART' }] });
  expect(await shown('{ best { loud author { name } } }')).toEqual({
    best: { loud: 'CART', author: { name: 'Cy' } },
  });
  expect(
    await shown('{ search(args: {search: "art"}, where: {author: {rank: {_eq: 2}}}) { id loud } }'),
  ).toEqual({ search: [{ id: 3, loud: 'CART' }] });
});

test('arguments that are left out have their defaults, and null is null', async () => {
  expect(await ids('{ search(args: {search: "art", floor: 25}) { id } }')).toEqual([4, 2]);
  expect(await ids('{ search(args: {search: "art", floor: null}) { id } }')).toEqual([4]);
  expect(await ids('{ search(args: {search: "\'; drop table article; --"}) { id } }')).toEqual([]);
  expect(await ids('{ odd(args: {arg_1: "a"}) { id } }')).toEqual([]);
  expect(await ids('{ odd(args: {arg_1: "a", arg_2: 0}) { id } }')).toEqual([1]);
  expect(await ids('{ odd(args: {arg_1: "a", arg_2: 5, arg_3: true}) { id } }')).toEqual([1]);
  expect(await ids('{ get_it(args: {n: 3}) { id author { name } } }')).toEqual([3]);
  expect(await ids('{ get_it(args: {n: null}) { id } }')).toEqual([]);
});

test('arguments are of any type', async () => {
  expect(await ids('{ typed { id } }')).toEqual([]);
  expect(await ids('{ typed(args: {ids: "{1,3}"}) { id } }')).toEqual([1, 3]);
  expect(await ids('{ typed(args: {like_it: "(7,zoo,,,,)"}) { id } }')).toEqual([5]);
  expect(await ids('{ typed(args: {of: "Big one", above: "20"}) { id } }')).toEqual([2, 4]);
  expect(await ids('{ typed(args: {ask: {at: ["x"]}, select: "zoo"}) { id author { name } } }')).toHaveLength(
    5,
  );
  const asking = { variables: { i: '{2}', a: '(1,cart,,,,)', s: 'small', p: '35', j: null } };
  const query =
    'query ($i: _int4, $a: article_scalar, $s: size, $p: positive, $j: jsonb) { typed(args: {ids: $i, like_it: $a, of: $s, above: $p, ask: $j}, order_by: {id: asc}) { id } }';
  expect(await ways.agree(query, asking)).toEqual({ typed: [{ id: 2 }, { id: 3 }, { id: 4 }] });
  for (const [args, message] of [
    ['ids: [1]', 'A string is expected for type: _int4'],
    ['ids: "1"', 'malformed array literal: "1"'],
    ['above: "0"', 'database query error'],
    ['of: "huge"', 'invalid input value for enum size: "huge"'],
  ])
    await expect(ways.dealt.query(`{ typed(args: {${args}}) { id } }`)).rejects.toThrow(message);
});

test('variables may be an argument, or all of them, given or not', async () => {
  const one = 'query ($s: String, $l: Int) { search(args: {search: $s, floor: $l}) { id } }';
  const all = 'query ($a: search_args!) { search(args: $a) { id } }';
  const shown = async (query: string, variables: Record<string, unknown>): Promise<unknown> =>
    (Object.values(await ways.agree(query, { variables }))[0] as { id: number }[]).map(({ id }) => id);
  expect(await shown(one, { s: 'art', l: 25 })).toEqual([4, 2]);
  expect(await shown(one, { s: 'art', l: 15 })).toEqual([4, 2, 3]);
  expect(await shown(one, { s: 'art' })).toEqual([4]);
  expect(await shown(all, { a: { search: 'art', floor: 25 } })).toEqual([4, 2]);
  expect(await shown(all, { a: { search: 'art' } })).toEqual([4, 2, 3, 1]);
  expect(await shown(all, { a: { search: 'art', floor: null } })).toEqual([4]);
  expect(await shown(all, { a: { search: 'zoo' } })).toEqual([5]);
});

test.each([
  [
    '{ search { id } }',
    "missing required field 'args'",
    '$.selectionSet.search.args.args',
    'validation-failed',
  ],
  [
    '{ search(args: {floor: 1}) { id } }',
    'Non default arguments cannot be omitted',
    '$.selectionSet.search.args.args',
    'not-supported',
  ],
  [
    '{ odd(args: {arg_1: "a", arg_3: true}) { id } }',
    'Only last set of positional arguments can be omitted',
    '$.selectionSet.odd.args.args',
    'not-supported',
  ],
  [
    '{ search(args: {search: "a", session: "x"}) { id } }',
    "field 'session' not found in type: 'search_args'",
    '$.selectionSet.search.args.args.session',
    'validation-failed',
  ],
  [
    '{ mine(args: {session: "{}"}) { id } }',
    "field 'session' not found in type: 'mine_args'",
    '$.selectionSet.mine.args.args.session',
    'validation-failed',
  ],
  [
    '{ search(args: {search: 1}) { id } }',
    'parsing Text failed, expected String, but encountered Number',
    '$.selectionSet.search.args.args.search',
    'parse-failed',
  ],
  [
    '{ twice(args: {}) { id } }',
    "'twice' has no argument named 'args'",
    '$.selectionSet.twice',
    'validation-failed',
  ],
  [
    '{ article(args: {}) { id } }',
    "'article' has no argument named 'args'",
    '$.selectionSet.article',
    'validation-failed',
  ],
  [
    '{ log_it { id } }',
    "field 'log_it' not found in type: 'query_root'",
    '$.selectionSet.log_it',
    'validation-failed',
  ],
])('%s is refused', async (query, message, path, code) => {
  await expect(ways.dealt.query(query)).rejects.toMatchObject({ message, path, code });
});

test('an argument can be the session', async () => {
  const session = { 'x-hasura-user-id': '2', 'x-hasura-role': 'reader' };
  const query =
    '{ mine(args: {also: 3}) { id author { name } } all: mine_aggregate { aggregate { count } } best { title author { name } } }';
  expect(await ways.agree(query, { role: 'reader', session })).toEqual({
    mine: [
      { id: 2, author: { name: 'Bo' } },
      { id: 3, author: { name: 'Cy' } },
    ],
    all: { aggregate: { count: 1 } },
    best: null,
  });
  expect(await ways.agree(query, { session })).toMatchObject({
    best: { title: 'party', author: { name: 'Bo' } },
  });
});

test('a function of one row answers an object, or null', async () => {
  const of = (id: string) => ({ session: { 'x-hasura-user-id': id } });
  const query = '{ best { id author { name } } }';
  expect(await ways.agree(query, of('3'))).toEqual({ best: { id: 3, author: { name: 'Cy' } } });
  expect(await ways.agree(query, of('9'))).toEqual({ best: null });
  expect(await ways.agree('{ best(where: {author: {name: {_eq: "Bo"}}}) { score } }', of('3'))).toEqual({
    best: null,
  });
  expect(await ways.agree('{ best_aggregate { aggregate { count } nodes { id } } }', of('9'))).toEqual({
    best_aggregate: { aggregate: { count: 0 }, nodes: [] },
  });
});

test('rows that a table would not hold are answered all the same', async () => {
  const query =
    '{ made_up(args: {n: 4}, order_by: {score: asc}) { id title author_id author { name } reviews { id } reviews_aggregate { aggregate { count } } } }';
  expect(await ways.agree(query)).toEqual({
    made_up: [
      {
        id: 1,
        title: 'same',
        author_id: 9,
        author: null,
        reviews: [{ id: 1 }, { id: 2 }],
        reviews_aggregate: { aggregate: { count: 2 } },
      },
      {
        id: 1,
        title: 'other',
        author_id: null,
        author: null,
        reviews: [{ id: 1 }, { id: 2 }],
        reviews_aggregate: { aggregate: { count: 2 } },
      },
      {
        id: null,
        title: null,
        author_id: 1,
        author: { name: 'Ada' },
        reviews: [],
        reviews_aggregate: { aggregate: { count: 0 } },
      },
    ],
  });
  expect(
    await ways.agree(
      '{ made_up(args: {n: 4}, where: {id: {_is_null: true}, author: {name: {_eq: "Ada"}}}) { id score } }',
    ),
  ).toEqual({
    made_up: [{ id: null, score: 7 }],
  });
});

test('several of them, and tables, are one answer; each is explained', async () => {
  const query =
    '{ a: search(args: {search: "zoo"}) { id } b: search(args: {search: "cart"}) { id author { name } } author(order_by: {id: asc}, limit: 1) { id } }';
  expect(await ways.agree(query)).toEqual({
    a: [{ id: 5 }],
    b: [{ id: 3, author: { name: 'Cy' } }],
    author: [{ id: 1 }],
  });
  const [explained] = await ways.dealt.explain('{ search(args: {search: "zoo"}) { id author { name } } }');
  expect(explained).toMatchObject({ field: 'search', targets: [{ target: 'pg2' }] });
  expect(explained?.sql).toContain('"public"."search"($1::text)');
});
