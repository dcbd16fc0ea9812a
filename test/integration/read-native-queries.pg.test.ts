import { afterAll, beforeAll, expect, test } from 'vitest';
import type { MoreMetadata } from '../support/lane.ts';
import { ThreeWays } from '../support/three-ways.ts';

// Root fields whose rows a statement of the metadata answers: the same from one database, from the cache and live.

const SQL = [
  'create table author (id int primary key, name text not null, rank int)',
  `insert into author values (1, 'Ada', 3), (2, 'Bo', 1), (3, 'Cy', 2)`,
  'create table article (id int primary key, title text not null, author_id int not null, score int, hidden boolean default false)',
  `insert into article values (1, 'art of war', 1, 10, false), (2, 'start', 2, 30, false), (3, 'cart', 3, 20, false), (4, 'party', 2, 40, true), (5, 'zoo', 1, 5, false)`,
  'create table noted (id int)',
  'create sequence counted',
  'create function note() returns int language sql volatile as $$ insert into noted values (1) returning id $$',
];

const scalar = (name: string, type: string, nullable = false): object => ({
  name,
  type: { scalar: type, nullable },
});
/** Of an author, wherever authors are: each of them twice. */
const LINES = {
  root_field_name: 'lines',
  arguments: { least: { type: 'integer', nullable: true } },
  code: `select a.id, author_id, score from article a, generate_series(1, 2) where score >= coalesce({{least}}, 0) order by score desc`,
  returns: { fields: ['id', 'author_id', 'score'].map((name) => scalar(name, 'integer', true)) },
};
const ARTICLE = { columns: ['id', 'title', 'author_id'], filter: { hidden: { _eq: false } }, limit: 2 };

/** What leads to another database is a relationship inside one where all tables are in it. */
const metadata = (isDealt: boolean): MoreMetadata => {
  const to_source = {
    relationship_type: 'object',
    source: 'pg2',
    table: 'author',
    field_mapping: { author_id: 'id' },
    nearjoin: { follow: 'all' },
  };
  const inside = { name: 'author', using: { remote_table: 'author', column_mapping: { author_id: 'id' } } };
  const article = { name: 'article', using: { remote_table: 'article', column_mapping: { id: 'id' } } };
  const back = { relationship_type: 'object', source: 'pg1', table: 'article', field_mapping: { id: 'id' } };
  const lines = {
    ...LINES,
    array_relationships: [
      { name: 'again', using: { remote_native_query: 'lines', column_mapping: { score: 'score' } } },
    ],
    ...(isDealt
      ? { remote_relationships: [{ name: 'article', definition: { to_source: back } }] }
      : { object_relationships: [article] }),
  };
  return {
    queries: {
      ...(isDealt ? { pg2: { logical_models: [], native_queries: [lines] } } : {}),
      pg1: {
        logical_models: [
          {
            name: 'found',
            description: 'what was found',
            fields: [
              scalar('id', 'integer'),
              scalar('title', 'text', true),
              scalar('author_id', 'int4'),
              { name: 'hidden', type: 'boolean', nullable: true },
              { name: 'author', type: { logical_model: 'writer' } },
            ],
            select_permissions: [
              { role: 'reader', permission: ARTICLE },
              {
                role: 'own',
                permission: { columns: '*', filter: { author_id: { _eq: 'X-Hasura-User-Id' } } },
              },
            ],
          },
          {
            name: 'writer',
            fields: [scalar('n', 'bigint'), scalar('author_id', 'integer')],
            select_permissions: [{ role: 'reader', permission: { columns: ['n'], filter: {} } }],
          },
          { name: 'wrote', fields: [scalar('id', 'integer')] },
        ],
        native_queries: [
          ...(isDealt ? [] : [lines]),
          {
            root_field_name: 'search',
            arguments: { search: { type: 'text' }, floor: { type: 'integer', nullable: true } },
            code: `select id, title, author_id, hidden from article
                    where title ilike '%' || {{search}} || '%' and score >= coalesce({{floor}}, 0) order by score desc -- {{search}}`,
            returns: 'found',
            ...(isDealt
              ? { remote_relationships: [{ name: 'author', definition: { to_source } }] }
              : { object_relationships: [inside] }),
            array_relationships: [
              {
                name: 'counts',
                using: { remote_native_query: 'counts', column_mapping: { author_id: 'author_id' } },
              },
              {
                name: 'articles',
                using: { remote_table: 'article', column_mapping: { author_id: 'author_id' } },
              },
            ],
          },
          {
            root_field_name: 'counts',
            arguments: { least: { type: 'integer', nullable: true } },
            code: 'select count(*) as n, author_id from article where score >= coalesce({{least}}, 0) group by author_id',
            returns: 'writer',
          },
          {
            root_field_name: 'inline',
            code: `select null::text as "Odd name", x as n from generate_series(1, 3) x`,
            returns: {
              fields: [scalar('n', 'integer'), scalar('Odd name', 'text')],
              select_permissions: [
                { role: 'reader', permission: { columns: ['n'], filter: { n: { _gt: 1 } } } },
              ],
            },
          },
          {
            root_field_name: 'halves',
            code: 'select 10 / n as id from generate_series(0, 2) n where n > 0',
            returns: 'wrote',
          },
          {
            root_field_name: 'graded',
            code: 'select id from (select id, title::int as n from article where hidden offset 0) a where n > 0',
            returns: {
              fields: [scalar('id', 'integer')],
              select_permissions: [
                { role: 'reader', permission: { columns: '*', filter: { id: { _eq: 1 } } } },
              ],
            },
          },
          { root_field_name: 'writes', code: 'select note() as id', returns: 'wrote' },
          { root_field_name: 'numbers', code: `select nextval('counted')::int as id`, returns: 'wrote' },
          {
            root_field_name: 'lists',
            arguments: { ids: { type: 'integer[]' }, doc: { type: 'jsonb' }, at: { type: 'timestamptz' } },
            code: `select id from article where id = any({{ids}}) and {{doc}} ? title and {{at}} > 'epoch' order by id`,
            returns: 'wrote',
          },
        ],
      },
    },
  };
};

const AUTHORED = {
  manual_configuration: { remote_native_query: 'lines', column_mapping: { id: 'author_id' } },
};

let ways: ThreeWays;

beforeAll(async () => {
  ways = await ThreeWays.open({
    sql: SQL,
    tables: {
      article: {
        database: 'pg1',
        permissions: { reader: { columns: ['id'], filter: {} } },
        relationships: { author: { kind: 'object', to: 'author', on: { author_id: 'id' } } },
        more: {
          array_relationships: [
            {
              name: 'counted',
              using: {
                manual_configuration: {
                  remote_native_query: 'counts',
                  column_mapping: { author_id: 'author_id' },
                },
              },
            },
          ],
        },
      },
      author: {
        database: 'pg2',
        permissions: { reader: { columns: ['name'], filter: {} } },
        more: {
          array_relationships: [{ name: 'lines', using: AUTHORED }],
          object_relationships: [{ name: 'line', using: AUTHORED }],
        },
      },
    },
    metadata,
  });
});

afterAll(async () => {
  await ways?.close();
});

async function ids(query: string, role = 'admin'): Promise<unknown> {
  const rows = Object.values(await ways.agree(query, { role, session: { 'x-hasura-user-id': '2' } }))[0];
  return (rows as readonly { readonly id: number }[]).map(({ id }) => id);
}

test('arguments are values, and rows come in the order of the query', async () => {
  expect(await ids('{ search(args: {search: "art"}) { id } }')).toEqual([4, 2, 3, 1]);
  expect(await ids('{ search(args: {search: "art", floor: 20}) { id } }')).toEqual([4, 2, 3]);
  expect(await ids('{ search(args: {search: "art", floor: null}, limit: 1, offset: 1) { id } }')).toEqual([
    2,
  ]);
  expect(await ids(`{ search(args: {search: "' or true --"}) { id } }`)).toEqual([]);
  expect(
    await ids('{ lists(args: {ids: "{1,3,5}", doc: {cart: 1, zoo: 2}, at: "2020-01-01"}) { id } }'),
  ).toEqual([3, 5]);
  expect(
    await ids(
      '{ search(args: {search: ""}, distinct_on: author_id, order_by: [{author_id: desc}, {id: asc}]) { id } }',
    ),
  ).toEqual([3, 2, 1]);
});

test('variables stand for arguments and for all of them', async () => {
  const variables = { all: { search: 'art', floor: 30 }, text: 'zoo', where: { id: { _gt: 2 } } };
  expect(
    await ways.agree(
      `query ($all: search_arguments!, $text: String!, $where: found_bool_exp_bool_exp) {
         search(args: $all, where: $where) { id } z: search(args: {search: $text}) { id title } }`,
      { variables },
    ),
  ).toEqual({ search: [{ id: 4 }], z: [{ id: 5, title: 'zoo' }] });
});

test('relationships lead to tables here and elsewhere, and to native queries with arguments of their own', async () => {
  const query =
    '{ search(args: {search: "art"}, limit: 2) { id author { name } counts(args: {least: 10}, where: {n: {_gt: 0}}) { n } articles(order_by: {id: asc}) { id author { rank } } } }';
  const bo = {
    author: { name: 'Bo' },
    counts: [{ n: 2 }],
    articles: [2, 4].map((id) => ({ id, author: { rank: 1 } })),
  };
  expect(await ways.agree(query)).toEqual({
    search: [
      { id: 4, ...bo },
      { id: 2, ...bo },
    ],
  });
  expect(
    await ways.agree(
      '{ article(order_by: {id: asc}, where: {author: {name: {_eq: "Ada"}}}) { id counted { n } c: counted(args: {least: 6}) { n } } }',
    ),
  ).toEqual({ article: [1, 5].map((id) => ({ id, counted: [{ n: 2 }], c: [{ n: 1 }] })) });
});

test('one of another database gives every row there its own, once and in its order', async () => {
  // What leads back keeps the other database from writing all of it.
  const query = `{ article(order_by: {id: asc}) { id author { line { score }
    lines(args: {least: 6}) { id article { title } again { score } } two: lines(limit: 2, order_by: {id: asc}) { score } } } }`;
  const expected = await ways.together.query(query);
  expect(JSON.parse(expected.text)).toMatchObject({
    article: [
      { author: { lines: [{ id: 1 }, { id: 1 }], line: { score: 10 } } },
      {
        author: {
          lines: [4, 4, 2, 2].map((id) => ({ id })),
          two: [{ score: 30 }, { score: 30 }],
          line: { score: 40 },
        },
      },
      {},
      {},
      {},
    ],
  });
  for (const noCache of [false, true])
    expect((await ways.dealt.query(query, { freshness: { noCache } })).text).toBe(expected.text);
});

test('a role sees the columns and rows of the model that it may see', async () => {
  expect(await ids('{ search(args: {search: "art"}) { id author { name } } }', 'reader')).toEqual([2, 3]);
  expect(await ids('{ search(args: {search: ""}, order_by: {id: asc}) { id hidden } }', 'own')).toEqual([
    2, 4,
  ]);
  expect(await ways.agree('{ inline(order_by: {n: desc}) { n } }', { role: 'reader' })).toEqual({
    inline: [{ n: 3 }, { n: 2 }],
  });
  for (const [query, role] of [
    ['{ search(args: {search: ""}) { hidden } }', 'reader'],
    ['{ search(args: {search: ""}, where: {hidden: {_eq: true}}) { id } }', 'reader'],
    ['{ search(args: {search: ""}, order_by: {hidden: asc}) { id } }', 'reader'],
    ['{ search(args: {search: ""}, distinct_on: hidden) { id } }', 'reader'],
    ['{ search(args: {search: ""}) { articles { title } } }', 'reader'],
    ['{ search(args: {search: ""}) { counts { n } } }', 'own'],
    ['{ search(args: {search: ""}) { id } }', 'nobody'],
    ['{ counts_aggregate { aggregate { count } } }', 'admin'],
    ['{ search(args: {search: ""}, where: {articles: {}}) { id } }', 'admin'],
  ] as const)
    await expect(ways.together.query(query, { role }), query).rejects.toMatchObject({
      code: 'validation-failed',
    });
});

test('what a model declares as never null may be null all the same', async () => {
  expect(await ways.agree('{ inline(limit: 1) { n } }')).toEqual({ inline: [{ n: 1 }] });
});

test('arguments are refused in the words of Hasura', async () => {
  for (const [args, message] of [
    ['', "missing required field 'args'"],
    ['(args: {})', "missing required field 'search'"],
    ['(args: {search: "", other: 1})', `field 'other' not found in type: 'search_arguments'`],
  ] as const)
    await expect(ways.together.query(`{ search${args} { id } }`), args).rejects.toMatchObject({ message });
  await expect(ways.together.query('{ search(args: {search: null}) { id } }')).rejects.toMatchObject({
    code: 'validation-failed',
  });
});

test('conditions are decided after those of the query', async () => {
  expect(await ids('{ halves(where: {id: {_gt: 5}}) { id } }')).toEqual([10]);
});

test('what it fails at is not told: it may be of a row that the role does not see', async () => {
  const refused = { code: 'data-exception', message: 'database query error' };
  await expect(ways.dealt.query('{ graded { id } }', { role: 'reader' })).rejects.toMatchObject(refused);
  const unread = '{ graded(where: {id: {_eq: "x"}}) { id } }';
  await expect(ways.dealt.query(unread, { role: 'reader' })).rejects.toMatchObject({
    code: 'data-exception',
    message: 'invalid input syntax for type integer: "x"',
  });
  await expect(ways.dealt.query('{ inline(offset: -1) { n } }', { role: 'reader' })).rejects.toMatchObject({
    message: 'OFFSET must not be negative',
  });
});

test('a native query cannot write, by whatever route it is read', async () => {
  const refused = { code: 'unexpected', message: 'database query error' };
  for (const query of ['{ writes { id } }', '{ numbers { id } }'])
    for (const lane of [ways.together, ways.dealt])
      for (const noCache of [false, true])
        await expect(lane.query(query, { freshness: { noCache } }), query).rejects.toMatchObject(refused);
  const both = '{ writes { id } article(where: {author: {name: {_eq: "Bo"}}}) { id author { name } } }';
  await expect(ways.dealt.query(both, { freshness: { noCache: true } })).rejects.toMatchObject(refused);
  expect((await ways.all.query('select count(*)::int as n from noted')).rows).toEqual([{ n: 0 }]);
});

test('it is explained as a statement of its own, with its arguments as parameters', async () => {
  const [root] = await ways.together.explain(
    '{ search(args: {search: "art"}, where: {id: {_gt: 1}}) { id } }',
  );
  expect(root?.sql).toContain(`'%' || ($1::text) || '%'`);
  expect(root?.plan).not.toBeNull();
});
