import { printSchema } from 'graphql';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildSchema } from '../support/build-schema.ts';
import { type Asking, TestLane } from '../support/lane.ts';
import { ThreeWays, type World } from '../support/three-ways.ts';

const FIELDS = [
  { name: 'full_name', definition: { function: 'full_name' } },
  {
    name: 'greeting',
    definition: { function: 'greeting', table_argument: 'one', session_argument: 'session' },
  },
  { name: 'facts', definition: { function: 'facts' } },
  { name: 'half', definition: { function: 'half' } },
  { name: 'inverse', definition: { function: 'inverse' } },
  { name: 'mine', definition: { function: 'mine', session_argument: 'session' } },
  { name: 'namesakes', definition: { function: 'namesakes' } },
  { name: 'ranked', definition: { function: 'ranked', table_argument: 'one' } },
  { name: 'next', definition: { function: 'next_author' } },
  { name: 'risky', definition: { function: 'risky' } },
  { name: 'padded', definition: { function: 'padded' } },
  { name: 'bits', definition: { function: 'bits' } },
];

const calling = (...names: readonly string[]) => ({
  computed_fields: names.map((name) => ({ name, definition: { function: name } })),
});

const WORLD: World = {
  sql: [
    'create table author (id int primary key, first_name text not null, last_name text, rank int)',
    `insert into author values (1, 'Ada', 'Lovelace', 3), (2, 'Plato', null, 0), (3, 'Mary', 'Shelley', 1), (4, 'Ada', 'Zorn', 2)`,
    'create table book (id int primary key, author_id int, title text)',
    `insert into book values (10, 1, 'Notes'), (11, 2, 'Republic'), (12, 3, 'Frankenstein'), (13, 3, 'The Last Man'), (14, null, 'Nobody'), (15, 4, 'Z')`,
    `create function full_name(author) returns text language plpgsql stable as
     $$ begin return concat_ws(' ', $1.first_name, $1.last_name); end $$`,
    `create function greeting(word text, one author, session json, mark text default '!', times int default 1)
     returns text language sql stable as
     $$ select word || ' ' || one.first_name || repeat(mark, times) || coalesce(session ->> 'x-hasura-user-id', '') $$`,
    `create function facts(author) returns json language sql immutable as
     $$ select json_build_object('id', $1.id, 'names', json_build_array($1.first_name, $1.last_name)) $$`,
    'create function half(author) returns numeric language sql immutable as $$ select $1.id / 2.0 $$',
    // Fails in a row, and is said to cost nothing: Postgres would call it before it looks at what is permitted.
    `create function inverse(author) returns int language plpgsql immutable cost 0.0001 as
     $$ begin return 6 / $1.rank; exception when division_by_zero then
        raise numeric_value_out_of_range using message = 'secret of ' || $1.first_name; end $$`,
    `create function mine(one author, session json) returns boolean language sql stable as
     $$ select one.id = (session ->> 'x-hasura-user-id')::int $$`,
    `create function namesakes(author) returns setof author language sql stable as
     $$ select a.* from author a where a.first_name = $1.first_name order by a.id desc $$`,
    `create function ranked(floor int, one author) returns setof author language sql stable as
     $$ select a.* from author a where a.rank >= floor and a.id <> one.id order by a.rank $$`,
    `create function next_author(author) returns author language sql stable as
     $$ select a.* from author a where a.id = $1.id + 1 $$`,
    `create function risky(author) returns setof author language plpgsql stable cost 0.0001 as
     $$ begin return query select a.* from author a where a.id >= 6 / $1.rank order by a.id desc; end $$`,
    `create function padded(author) returns char language sql stable as $$ select $1.first_name::char(7) $$`,
    `create function bits(author) returns bit language sql stable as $$ select $1.id::bit(4) $$`,
    'create view writer as select id, first_name, rank from author',
    'create function share(writer) returns int language sql stable cost 0.0001 as $$ select 6 / $1.rank $$',
    `create function peers(writer) returns setof writer language sql stable as
     $$ select w.* from writer w where 6 / $1.rank > 0 and w.id <> $1.id order by w.rank $$`,
    `create function siblings(book) returns setof book language sql stable as
     $$ select b.* from book b where b.author_id = $1.author_id order by b.title desc $$`,
    'create function pages(book) returns int language plpgsql stable as $$ begin return 6 / ($1.id - 12); end $$',
    `create extension citext; create table town (name citext primary key, size int); insert into town values ('Ulm', 2), ('Rom', 3)`,
    'create function larger(town) returns setof town language sql stable as $$ select t.* from town t where t.size > $1.size $$',
    'create function poets(town) returns setof author language sql stable as $$ select a.* from author a $$',
    `create table stop (id int primary key, town citext); insert into stop values (1, 'ulm'), (2, 'nowhere')`,
  ],
  tables: {
    author: {
      database: 'pg2',
      relationships: { books: { kind: 'array', to: 'book', on: { id: 'author_id' } } },
      permissions: {
        reader: {
          columns: ['id', 'first_name'],
          computed_fields: ['full_name', 'inverse'],
          filter: { rank: { _gt: 0 } },
          allow_aggregations: true,
        },
        nameless: { columns: ['id'], filter: {} },
        owner: { columns: ['id'], computed_fields: ['greeting'], filter: { mine: { _eq: true } } },
        // Only the other database can say which authors these are; Plato, whose rank is 0, is none of them.
        critic: {
          columns: ['id', 'first_name'],
          computed_fields: ['full_name', 'inverse'],
          filter: { books: { title: { _neq: 'Republic' } } },
          allow_aggregations: true,
        },
        heir: {
          columns: ['id'],
          computed_fields: ['inverse', 'mine'],
          filter: { _and: [{ inverse: { _gt: 0 } }, { books: { title: { _neq: 'Republic' } } }] },
        },
        visitor: { columns: ['id'], filter: {} },
      },
      more: { computed_fields: FIELDS },
    },
    // Without a key.
    writer: {
      database: 'pg2',
      relationships: { books: { kind: 'array', to: 'book', on: { id: 'author_id' } } },
      permissions: {
        critic: {
          columns: '*',
          computed_fields: ['share'],
          filter: { books: { title: { _neq: 'Republic' } } },
        },
      },
      more: calling('share', 'peers'),
    },
    // Its key is of no type of Postgres' own.
    town: {
      database: 'pg2',
      permissions: { hidden: { columns: ['name'], filter: {} } },
      more: calling('larger', 'poets'),
    },
    stop: { database: 'pg1', relationships: { at: { kind: 'object', to: 'town', on: { town: 'name' } } } },
    book: {
      database: 'pg1',
      relationships: {
        author: { kind: 'object', to: 'author', on: { author_id: 'id' } },
        writers: { kind: 'array', to: 'writer', on: { author_id: 'id' } },
      },
      permissions: {
        reader: { columns: '*', filter: {}, allow_aggregations: true },
        nameless: { columns: '*', filter: {} },
        owner: { columns: '*', filter: {} },
        critic: { columns: '*', filter: {}, allow_aggregations: true },
        heir: { columns: '*', filter: {} },
        visitor: { columns: '*', filter: {} },
        hidden: { columns: ['id'], filter: { author: { full_name: { _like: 'Ada%' } } } },
        sibling: { columns: ['id'], filter: { siblings: { author: { first_name: { _eq: 'Mary' } } } } },
        related: { columns: ['id'], filter: { author: { namesakes: { rank: { _eq: 2 } } } } },
      },
      more: calling('siblings', 'pages'),
    },
  },
  metadata: {
    inherited_roles: [
      { role_name: 'guest', role_set: ['critic', 'visitor'] },
      { role_name: 'kin', role_set: ['reader', 'visitor'] },
    ],
  },
};

let ways: ThreeWays;

beforeAll(async () => {
  ways = await ThreeWays.open(WORLD);
});

afterAll(() => ways?.close());

/** The answer of the database that has everything, after checking that the two that share it give the same, live. */
async function agree(query: string, asking: Asking = {}): Promise<unknown> {
  const expected = await ways.together.query(query, asking);
  const dealt = await ways.dealt.query(query, asking);
  expect(dealt.text).toBe(expected.text);
  for (const report of dealt.targets)
    expect(report).toMatchObject({ route: 'live', reason: 'bypass', detail: 'computed' });
  return JSON.parse(expected.text);
}

const together = async (query: string, asking: Asking = {}): Promise<unknown> =>
  JSON.parse((await ways.together.query(query, asking)).text);

const reader: Asking = { role: 'reader', session: { 'x-hasura-role': 'reader' } };

test('values are shown, with arguments and a path into json', async () => {
  const query = `query ($mark: String, $args: greeting_author_args!) {
    book(order_by: {id: asc}, limit: 2) { author {
      full_name
      half
      facts(path: "names[0]")
      plain: greeting(args: {word: "Hi"})
      marked: greeting(args: {word: "Hi", mark: $mark, times: 2})
      named: greeting(args: {times: 3, word: "Ho"})
      none: greeting(args: {word: "Hi", mark: null})
      given: greeting(args: $args)
    } }
  }`;
  const session = { 'x-hasura-role': 'admin', 'x-hasura-user-id': '7' };
  const variables = { mark: '?', args: { word: 'Oh', times: 2 } };
  expect(await agree(query, { session, variables })).toEqual({
    book: [
      {
        author: {
          full_name: 'Ada Lovelace',
          half: 0.5,
          facts: 'Ada',
          plain: 'Hi Ada!7',
          marked: 'Hi Ada??7',
          named: 'Ho Ada!!!7',
          none: null,
          given: 'Oh Ada!!7',
        },
      },
      {
        author: {
          full_name: 'Plato',
          half: 1,
          facts: 'Plato',
          plain: 'Hi Plato!7',
          marked: 'Hi Plato??7',
          named: 'Ho Plato!!!7',
          none: null,
          given: 'Oh Plato!!7',
        },
      },
    ],
  });
});

test('a value is whole where its type without a length would be one of a single character', async () => {
  // What is below leads back: the values are fetched.
  const query = '{ book(limit: 1, order_by: {id: asc}) { author { padded bits books { id } } } }';
  expect(await agree(query)).toEqual({
    book: [{ author: { padded: 'Ada    ', bits: '0001', books: [{ id: 10 }] } }],
  });
});

test('an argument without default must be given, and no other than there are', async () => {
  const ask = (args: string) => together(`{ author { greeting${args} } }`);
  await expect(ask('')).rejects.toMatchObject({ message: "missing required field 'args'" });
  await expect(ask('(args: {mark: "."})')).rejects.toMatchObject({
    code: 'not-supported',
    message: 'Non default arguments cannot be omitted',
  });
  await expect(ask('(args: {word: "a", session: "{}"})')).rejects.toMatchObject({
    message: "field 'session' not found in type: 'greeting_author_args'",
  });
  await expect(together('{ author { full_name(args: {}) } }')).rejects.toMatchObject({
    message: "'full_name' has no argument named 'args'",
  });
});

test.each([
  '{ book(where: {author: {full_name: {_like: "Ada%"}}}, order_by: {id: asc}) { id author { id full_name } } }',
  '{ book(where: {_not: {author: {half: {_gt: 1}}}}, order_by: {id: asc}) { id author { half } } }',
  '{ book(where: {author: {full_name: {_is_null: false}, rank: {_gt: 0}}}, order_by: {id: asc}) { id } }',
  '{ book(where: {_or: [{author: {half: {_eq: 1}}}, {id: {_gt: 14}}]}, order_by: {id: asc}) { id } }',
  '{ book(order_by: [{author: {half: desc_nulls_last}}, {id: asc}]) { id author { half } } }',
  '{ book(order_by: [{author: {full_name: asc}}, {id: desc}], limit: 3) { id author { full_name } } }',
  '{ book(order_by: {id: asc}) { id author { id a: greeting(args: {word: "A"}) b: greeting(args: {word: "B"}) } } }',
  '{ book(where: {author: {full_name: {_eq: "Plato"}}}) { author { first_name greeting(args: {word: "A"}) } } }',
  // Text is ordered by each database's own collation: the rows are fetched, and the source decides.
  '{ book(where: {author: {full_name: {_gt: "M"}}}, order_by: {id: asc}) { author { full_name books { id } } } }',
])('of another database they are what they are in one: %s', async (query) => {
  expect(await agree(query)).toMatchObject({ book: expect.any(Array) });
});

test.each([
  '{ book(order_by: {id: asc}) { id author { namesakes { id full_name } } } }',
  '{ book(order_by: {id: asc}) { id author { ranked(args: {floor: 1}, where: {id: {_lt: 4}}, order_by: {id: desc}, limit: 2, offset: 1) { id } } } }',
  '{ book(order_by: {id: asc}) { id author { ranked(args: {floor: 0}, distinct_on: first_name, order_by: {first_name: asc}) { first_name } } } }',
  '{ book(order_by: {id: asc}) { id author { next { id next { full_name } } } } }',
  '{ book(where: {author: {namesakes: {rank: {_eq: 2}}}}, order_by: {id: asc}) { id } }',
  '{ book(where: {author: {namesakes: {full_name: {_eq: "Ada Zorn"}}}}, order_by: {id: asc}) { id author { id } } }',
])('rows of another database are what they are in one: %s', async (query) => {
  expect(await agree(query)).toMatchObject({ book: expect.any(Array) });
});

test('rows are selected, and compared and ordered by what they are', async () => {
  const both = async (query: string, asking: Asking = {}): Promise<unknown> => {
    const far = JSON.parse((await ways.dealt.query(query, asking)).text);
    expect(far).toEqual(await together(query, asking));
    return far;
  };
  const siblings =
    '{ book(where: {siblings: {id: {_eq: 13}}}, order_by: {id: asc}) { id siblings { id author { half } } } }';
  const found = [13, 12].map((id) => ({ id, author: { half: 1.5 } }));
  expect(await both(siblings)).toEqual({ book: [12, 13].map((id) => ({ id, siblings: found })) });
  const most =
    '{ author(order_by: [{namesakes_aggregate: {count: desc}}, {namesakes_aggregate: {max: {id: asc}}}, {id: asc}]) { id } }';
  expect(await both(most)).toEqual({ author: [{ id: 1 }, { id: 4 }, { id: 2 }, { id: 3 }] });
  expect(await both('{ author(where: {id: {_gte: 3}}) { next { id } } }')).toEqual({
    author: [{ next: [{ id: 4 }] }, { next: [] }],
  });
  // The rows are those that the role may see, with what it may see of them.
  expect(
    await both('{ author { namesakes { full_name } ranked(args: {floor: 0}) { id } } }', reader),
  ).toEqual({
    author: [
      {
        namesakes: [{ full_name: 'Ada Zorn' }, { full_name: 'Ada Lovelace' }],
        ranked: [{ id: 3 }, { id: 4 }],
      },
      { namesakes: [{ full_name: 'Mary Shelley' }], ranked: [{ id: 4 }, { id: 1 }] },
      {
        namesakes: [{ full_name: 'Ada Zorn' }, { full_name: 'Ada Lovelace' }],
        ranked: [{ id: 3 }, { id: 1 }],
      },
    ],
  });
  await expect(together('{ author { namesakes { half } } }', reader)).rejects.toMatchObject({
    message: "field 'half' not found in type: 'author'",
  });
  expect(await agree('{ book(order_by: {id: asc}) { id } }', { role: 'related' })).toEqual({
    book: [{ id: 10 }, { id: 15 }],
  });
  // The row that a filter has fetched does not tell what the function is about.
  expect(await agree('{ stop(where: {at: {}}) { at { larger { name } } } }')).toEqual({
    stop: [{ at: { larger: [{ name: 'Rom' }] } }],
  });
  // Rows of the own database may lead on into a cache.
  expect(await ways.agree('{ book(order_by: {id: asc}) { id } }', { role: 'sibling' })).toEqual({
    book: [{ id: 12 }, { id: 13 }],
  });
});

test('the schema tells of them as Hasura’s does', () => {
  const printed = (role: string): string => printSchema(buildSchema(ways.dealt.catalog, role));
  const all = printed('admin');
  const block = (name: string): string =>
    (new RegExp(`^(type|input) ${name} {[^}]*}`, 'm').exec(all)?.[0] ?? '').replaceAll(/\s+/g, ' ');
  expect(block('greeting_author_args')).toBe(
    'input greeting_author_args { mark: String times: Int word: String }',
  );
  for (const part of [
    'A computed field, executes function "full_name" """ full_name: String',
    'half: numeric',
    '"""JSON select path""" path: String ): json',
    'input parameters for computed field "greeting" defined on table "author" """ args: greeting_author_args! ): String',
    'args: ranked_author_args! """distinct select on columns""" distinct_on: [author_select_column!]',
    '): [author!]',
  ])
    expect(block('author')).toContain(part);
  expect(block('author_bool_exp')).toMatch(/full_name: String_comparison_exp .*namesakes: author_bool_exp/);
  expect(block('author_bool_exp')).not.toMatch(/greeting|ranked/);
  expect(block('author_order_by')).toMatch(/half: order_by .*namesakes_aggregate: author_aggregate_order_by/);
  expect(block('author_avg_fields')).toContain('half: numeric');
  const seen = printed('nameless');
  expect(seen).toContain('namesakes: author_bool_exp');
  expect(seen).not.toMatch(/full_name|greeting|half/);
});

test.each([
  ['admin', '{ book(order_by: {id: asc}) { id author { namesakes { id books { id } } } } }'],
  [
    'admin',
    '{ book(order_by: {id: asc}) { author { ranked(args: {floor: 0}) { id full_name books { title } } } } }',
  ],
  ['admin', '{ book(order_by: {id: asc}) { author { next { id namesakes { half books { id } } } } } }'],
  [
    'admin',
    '{ book(order_by: {id: asc}) { author { ranked(args: {floor: 0}, where: {books: {id: {_gt: 10}}}, order_by: {books_aggregate: {count: desc}}, limit: 2, offset: 1) { id } } } }',
  ],
  ['admin', '{ book(where: {author: {namesakes: {books: {id: {_eq: 15}}}}}, order_by: {id: asc}) { id } }'],
  [
    'admin',
    '{ book(where: {_not: {author: {next: {books: {author: {half: {_gt: 1}}}}}}}, order_by: {id: asc}) { id } }',
  ],
  [
    'admin',
    '{ book(order_by: {id: asc}) { author { books(where: {author: {namesakes: {books: {id: {_eq: 15}}}}}) { id } } } }',
  ],
  ['critic', '{ book(order_by: {id: asc}) { id author { namesakes(order_by: {id: asc}) { id inverse } } } }'],
  [
    'critic',
    '{ book(order_by: {id: asc}) { id author { next { full_name next { inverse namesakes { id } } } } } }',
  ],
  ['critic', '{ book(where: {author: {next: {inverse: {_gt: 0}}}}, order_by: {id: asc}) { id } }'],
  ['critic', '{ book(where: {author: {risky: {inverse: {_gt: 0}}}}, order_by: {id: asc}) { id } }'],
  [
    'critic',
    '{ book(where: {_not: {author: {risky: {id: {_gt: 3}}}}}, order_by: {id: asc}) { id author { risky { id } } } }',
  ],
  ['critic', '{ book(order_by: [{author: {risky_aggregate: {max: {id: asc}}}}, {id: asc}]) { id } }'],
  ['nameless', '{ book(order_by: [{author: {namesakes_aggregate: {count: asc}}}, {id: asc}]) { id } }'],
  ['critic', '{ book(order_by: {id: asc}) { author { namesakes { risky { id inverse books { id } } } } } }'],
  ['critic', '{ book(order_by: {id: asc}) { writers { peers { id share peers(limit: 1) { share } } } } }'],
  ['guest', '{ book(order_by: {id: asc}) { id author { next { id full_name inverse } } } }'],
  ['kin', '{ book(order_by: {id: asc}) { author { next { id full_name inverse books { id } } } } }'],
])(
  'rows are fetched where what is beside or below them is elsewhere, for role %s: %s',
  async (role, query) => {
    const session = { 'x-hasura-role': role };
    expect(await agree(query, { role, session })).toMatchObject({ book: expect.any(Array) });
  },
);

test('of rows that a limit leaves out nothing is computed: it may fail', () =>
  agree('{ author { books(order_by: {title: desc}, limit: 1) { id pages author { id } } } }'));

test('in their own database they are selected, compared, ordered by and aggregated', async () => {
  const both = async (query: string): Promise<unknown> => {
    const far = JSON.parse((await ways.dealt.query(query)).text);
    expect(far).toEqual(await together(query));
    return far;
  };
  const found = '(where: {full_name: {_ilike: "%z%"}}, order_by: {full_name: desc})';
  expect(await both(`{ author${found} { id full_name books { title } } }`)).toEqual({
    author: [{ id: 4, full_name: 'Ada Zorn', books: [{ title: 'Z' }] }],
  });
  const query = `{ author_aggregate(where: {half: {_lte: 2}}) {
    aggregate { count sum { half rank } avg { half } max { full_name } min { g: greeting(args: {word: "x"}) } }
    nodes { full_name }
  } }`;
  expect(await both(query)).toEqual({
    author_aggregate: {
      aggregate: {
        count: 4,
        sum: { half: 5, rank: 6 },
        avg: { half: 1.25 },
        max: { full_name: 'Plato' },
        min: { g: 'x Ada!' },
      },
      nodes: ['Ada Lovelace', 'Plato', 'Mary Shelley', 'Ada Zorn'].map((full_name) => ({ full_name })),
    },
  });
});

test('numbers are strings where big ones are asked for as such', async () => {
  const author = { table: 'author', computed_fields: FIELDS };
  const lane = await TestLane.open({ all: ways.all }, { all: [author] }, { stringifyNumbers: true });
  try {
    expect((await lane.query('{ author(where: {half: {_lt: "1"}}) { half inverse } }')).text).toBe(
      '{"author":[{"half":"0.50000000000000000000","inverse":2}]}',
    );
  } finally {
    await lane.close();
  }
});

test('a role sees what it was given, in selections, conditions, orderings and aggregates', async () => {
  expect(await together('{ author(order_by: {full_name: asc}) { full_name } }', reader)).toEqual({
    author: [{ full_name: 'Ada Lovelace' }, { full_name: 'Ada Zorn' }, { full_name: 'Mary Shelley' }],
  });
});

test.each([
  ['a value it was not given', 'reader', '{ author { half } }'],
  ['what follows of one', 'reader', '{ author(where: {half: {_eq: 1}}) { id } }'],
  ['their order', 'reader', '{ author(order_by: {half: asc}) { id } }'],
  ['their sum', 'reader', '{ author_aggregate { aggregate { sum { half } } } }'],
  ['a value of a related row', 'nameless', '{ book { author { full_name } } }'],
  ['a count by arguments', 'reader', '{ author(order_by: {ranked_aggregate: {count: asc}}) { id } }'],
  ['rows of a table it does not see', 'hidden', '{ town { poets { id } } }'],
  ['whether there are such rows', 'hidden', '{ town(where: {poets: {}}) { name } }'],
])('a role is not told %s', async (_what, role, query) => {
  await expect(together(query, { role }), query).rejects.toMatchObject({ code: 'validation-failed' });
});

test.each([
  '{ author(where: {inverse: {_gt: 2}}, order_by: {id: asc}) { id } }',
  '{ author(where: {_not: {inverse: {_is_null: true}}}, order_by: {id: asc}) { id inverse } }',
  '{ author(order_by: [{inverse: asc}, {id: asc}]) { id inverse } }',
  '{ author_aggregate { aggregate { max { inverse } } } }',
  '{ book(where: {author: {inverse: {_gt: 2}}}, order_by: {id: asc}) { id } }',
  '{ book(order_by: [{author: {inverse: asc}}, {id: asc}]) { id author { inverse } } }',
  '{ book(where: {_not: {author: {inverse: {_eq: 6}}}}, order_by: {id: asc}) { id } }',
])('a function is never called with a row that is hidden from the role: %s', async (query) => {
  const expected = await together(query, reader);
  expect(JSON.parse((await ways.dealt.query(query, reader)).text)).toEqual(expected);
  const all = query.startsWith('{ author') ? ways.together : ways.dealt;
  await expect(all.query(query)).rejects.toMatchObject({
    message: expect.stringContaining('secret of Plato'),
  });
});

test.each([
  ['critic', '{ book(order_by: {id: asc}) { id author { id full_name inverse } } }'],
  ['critic', '{ book(where: {author: {inverse: {_gt: 2}}}, order_by: {id: asc}) { id } }'],
  ['critic', '{ book(where: {_not: {author: {inverse: {_gt: 2}}}}, order_by: {id: asc}) { id } }'],
  [
    'critic',
    '{ book(where: {author: {inverse: {_gt: 2}, full_name: {_like: "%o%"}}}) { id author { full_name } } }',
  ],
  ['critic', '{ book(order_by: [{author: {inverse: asc}}, {id: asc}]) { id author { inverse } } }'],
  ['critic', '{ book(order_by: {id: asc}) { author { inverse books { author { full_name inverse } } } } }'],
  ['critic', '{ book(order_by: {id: asc}) { id writers { id share } } }'],
  ['critic', '{ book(where: {writers: {share: {_gt: 2}}}, order_by: {id: asc}) { id } }'],
  ['heir', '{ book(order_by: {id: asc}) { author { id inverse mine } } }'],
  ['heir', '{ book(where: {author: {mine: {_eq: true}, inverse: {_gt: 2}}}) { id author { inverse } } }'],
  // The row may be seen, and the cell may not.
  ['guest', '{ book(order_by: {id: asc}) { id author { id full_name inverse } } }'],
  [
    'guest',
    '{ book(where: {author: {inverse: {_gt: 2}}}, order_by: {id: asc}) { id author { id inverse } } }',
  ],
  ['guest', '{ book(order_by: [{author: {inverse: asc}}, {id: asc}]) { id author { inverse } } }'],
  ['kin', '{ book(order_by: {id: asc}) { id author { id full_name inverse books { id } } } }'],
  ['kin', '{ book(order_by: [{author: {inverse: asc}}, {id: asc}]) { id author { inverse books { id } } } }'],
])('nor where only another database can say what is hidden from role %s: %s', async (role, query) => {
  const session = { 'x-hasura-role': role, 'x-hasura-user-id': '4' };
  expect(await agree(query, { role, session })).toMatchObject({ book: expect.any(Array) });
});

test('a rule may speak of them, also with the session as an argument', async () => {
  const owner: Asking = { role: 'owner', session: { 'x-hasura-role': 'owner', 'x-hasura-user-id': '3' } };
  const query = '{ book(order_by: {id: asc}) { id author { id greeting(args: {word: "I"}) } } }';
  expect(await agree(query, owner)).toMatchObject({
    book: { length: 6, 2: { author: { greeting: 'I Mary!3' } } },
  });
  expect(await agree('{ book(order_by: {id: asc}) { id } }', { role: 'hidden' })).toEqual({
    book: [{ id: 10 }, { id: 15 }],
  });
});
