import { afterAll, beforeAll, expect, test } from 'vitest';
import { NearjoinError } from '../../src/core/errors.ts';
import type { Asking, TestLane } from '../support/lane.ts';
import { ThreeWays } from '../support/three-ways.ts';

// A comparison that fails in some rows tells of them. What is wrong with the operand fails in every request; what is wrong
// with a row fails only for those who may see the row. Rules lead over a relationship here: Postgres would then rather
// decide the request's condition first, in rows that the rule hides.

const COLUMNS =
  'id int primary key, owner_id int, body text, doc jsonb, nums numeric[], size circle, docs json[], lo text collate loosely, code char(1) collate loosely, spot spec, big numeric, dbl float8, rings circle[], spots spec[], paths lquery[], words citext[]';
const ROWS = `(1, 1, 'alpha', '{"at": "2020-01-01"}', '{1}', '<(0,0),1>', null, null, null, null, 1, 2, null, null, null, null),
  (2, 2, 'secret', '{"at": "2020-01-01 00:00:00+02"}', '{2}', '<(0,0),1e200>', '{1}', 'b', 'b', '(2,{})', 1e400, 2, '{"<(0,0),1>"}', array['(2,{})'::spec], '{*.a}', '{A}')`;
const MINE = { owner: { name: 'X-Hasura-Name' } };
const EARLY = '$.at.datetime() < "2021-01-01".datetime()';
const ALL = { columns: '*', allow_aggregations: true } as const;
const NUMBERS = { columns: ['n', 'm'], filter: { id: { _gt: 1 } } };
const note = (name: string, database: 'pg1' | 'pg2') => ({
  [name]: {
    database,
    relationships: { owner: { kind: 'object', to: 'person', on: { owner_id: 'id' } } },
    more: {
      computed_fields: ['tenth', 'title'].map((field) => ({
        name: field,
        definition: { function: `${name}_${field}` },
      })),
    },
    permissions: {
      reader: { ...ALL, computed_fields: ['tenth'], filter: MINE },
      first: { ...ALL, computed_fields: ['tenth'], filter: {}, limit: 1 },
      counter: { columns: ['id', 'owner_id'], filter: {} },
      early: {
        columns: '*',
        filter: { _and: [{ doc: { _jsonb_path_match: EARLY } }, { owner_id: { _eq: 1 } }] },
        allow_aggregations: true,
      },
      exact: { ...ALL, filter: { _and: [{ big: { _clt: 'dbl' } }, { owner: { name: 'ann' } }] } },
      either: {
        columns: '*',
        filter: {
          _or: [
            { id: { _lt: 0 } },
            { _and: [{ doc: { _jsonb_path_match: EARLY } }, { owner_id: { _eq: 1 } }] },
          ],
        },
        allow_aggregations: true,
      },
    },
  } as const,
});

let ways: ThreeWays;

beforeAll(async () => {
  ways = await ThreeWays.open({
    sql: [
      `create extension ltree; create extension citext;
       create collation loosely (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
       create type spec as (size int, doc json);
       create function complain(text) returns int language plpgsql stable
         as $$ begin raise exception 'no number: %', $1 using errcode = '0A000'; end $$;
       create table person (id int primary key, name text, score float8);
       create table near (${COLUMNS});
       create table far (${COLUMNS});
       create table grade (id int primary key, person_id int, points float8);
       insert into person values (1, 'ann'), (2, 'bob');
       insert into near values ${ROWS};
       insert into far values ${ROWS};
       create function near_tenth(near) returns int language plpgsql stable as $$ begin return 10 / ($1.id - 2); end $$;
       create function far_tenth(far) returns int language plpgsql stable cost 0.0001 as $$ begin return 10 / ($1.id - 2); end $$;
       create function near_title(near) returns text language sql stable as 'select $1.body';
       create function far_title(far) returns text language sql stable as 'select $1.body';
       insert into grade values (1, 1, 1), (2, 2, 1e308), (3, 2, 1e308);
       create view near_numbers as select id, body::int as n, complain(body) as m from near;
       create view far_numbers as select * from near_numbers;`,
    ],
    tables: {
      ...note('near', 'pg1'),
      ...note('far', 'pg2'),
      near_numbers: { database: 'pg1', permissions: { reader: NUMBERS } },
      far_numbers: { database: 'pg2', permissions: { reader: NUMBERS } },
      person: {
        database: 'pg2',
        relationships: {
          grades: { kind: 'array', to: 'grade', on: { id: 'person_id' } },
          notes: { kind: 'array', to: 'near', on: { id: 'owner_id' } },
        },
        permissions: {
          reader: { columns: '*', filter: {} },
          mate: { columns: '*', filter: { notes: { body: { _eq: 'alpha' } } } },
          early: { columns: '*', filter: {} },
          exact: { columns: '*', filter: {} },
          either: { columns: '*', filter: {} },
        },
      },
      grade: {
        database: 'pg2',
        permissions: { mate: { columns: '*', filter: {}, allow_aggregations: true } },
      },
    },
    metadata: { inherited_roles: [{ role_name: 'both', role_set: ['reader', 'counter'] }] },
  });
});

afterAll(() => ways?.close());

const ANN: Asking = { role: 'reader', session: { 'x-hasura-name': 'ann' } };
const NOBODY: Asking = { role: 'reader', session: { 'x-hasura-name': 'nobody' } };
const LEFT_OPEN: Asking = { role: 'both', session: { 'x-hasura-name': 'ann' } };

async function outcomes(query: string, asking: Asking): Promise<readonly string[]> {
  const ask = (lane: TestLane, freshness: Asking['freshness'] = {}): Promise<string> =>
    lane.query(query, { ...asking, freshness }).then(
      ({ text }) => text,
      (error: unknown) =>
        error instanceof NearjoinError ? `${error.code} at ${error.path}: ${error.message}` : String(error),
    );
  return Promise.all([
    ask(ways.together),
    ask(ways.dealt, { fallback: 'stale' }),
    ask(ways.dealt, { noCache: true }),
  ]);
}

const FAILED = /^(data-exception|not-supported|unexpected) at \$: /;
const BRACKETS = 'data-exception at $: invalid regular expression: parentheses () not balanced';
const ESCAPE = 'bad-request at $: LIKE pattern must not end with escape character';

test.each([
  ['{body: {_like: "zz\\\\"}}', ESCAPE],
  ['{body: {_nilike: "zz\\\\\\\\\\\\"}}', ESCAPE],
  ['{_not: {body: {_ilike: "zz\\\\"}}}', ESCAPE],
  ['{doc: {_cast: {String: {_like: "zz\\\\"}}}}', ESCAPE],
  ['{body: {_regex: "("}}', BRACKETS],
  ['{body: {_niregex: "a)("}}', BRACKETS],
  ['{body: {_similar: "(a"}}', BRACKETS],
  ['{owner: {name: {_regex: "("}}}', BRACKETS],
  ['{_or: [{id: {_gt: 0}}, {body: {_regex: "("}}]}', BRACKETS],
  ['{id: {_in: []}, body: {_similar: "(a"}}', BRACKETS],
  ['{nums: {_in: [[1], ["x"]]}}', 'data-exception at $: invalid input syntax for type numeric: "x"'],
  [
    '{doc: {_jsonb_path_exists: "$.no ? (@ > $x)"}}',
    'data-exception at $: a jsonpath must not name a variable: there is none',
  ],
  ['{doc: {_jsonb_path_match: "$.("}}', 'data-exception at $: syntax error at or near "(" of jsonpath input'],
])('%s fails whatever rows there are', async (where, error) => {
  for (const table of ['near', 'far']) {
    const query = `{ ${table}(where: ${where}) { id } }`;
    for (const asking of [ANN, NOBODY, {}])
      expect(await outcomes(query, asking)).toEqual([error, error, error]);
  }
});

test('a pattern may end in an escaped backslash, and a jsonpath hold a string like a variable', async () => {
  const fine = [
    '{body: {_like: "zz\\\\\\\\"}}',
    '{doc: {_jsonb_path_exists: "$ ? (@.a == \\"$x\\" /* $x */)"}}',
    '{doc: {_jsonb_path_exists: "$.\\"$x\\" ? (@ == $)"}}',
  ];
  for (const where of fine) await ways.agree(`{ far(where: ${where}) { id } }`, ANN);
});

const DATES = '{doc: {_jsonb_path_match: "$.at.datetime() < \\"2021-01-01\\".datetime()"}}';

test.each([
  '{ person(order_by: [{notes_aggregate: {count: desc}}, {id: asc}]) { id } }',
  '{ person(order_by: [{notes_aggregate: {max: {body: asc}}}, {id: asc}]) { id } }',
  '{ person(where: {notes: {id: {_gt: 0}}}) { id notes { id } } }',
  '{ near(order_by: {id: asc}) { id } far(order_by: {id: asc}) { id } }',
])('nor does a rule fail in a row that another part of it hides: %s', async (query) => {
  for (const role of ['early', 'exact', 'either']) await ways.agree(query, { role });
});

test.each([
  ['a path through JSON', DATES],
  ['its negation', `{_not: {doc: {_jsonb_path_match: "$.at.datetime() > \\"2021-01-01\\".datetime()"}}}`],
  ['beside other conditions', `{_or: [{id: {_gt: 100}}, ${DATES}], id: {_gt: 0}}`],
  ['a size', '{size: {_lt: "<(0,0),2>"}}'],
])('%s fails in no row that is hidden', async (_what, where) => {
  for (const table of ['near', 'far']) {
    const query = `{ ${table}(where: ${where}, order_by: {id: asc}) { id owner { name } } }`;
    const found = `{"${table}":[{"id":1,"owner":{"name":"ann"}}]}`;
    expect(await outcomes(query, ANN)).toEqual([found, found, found]);
    const counted = `{ ${table}_aggregate(where: ${where}) { aggregate { count } } }`;
    const one = `{"${table}_aggregate":{"aggregate":{"count":1}}}`;
    expect(await outcomes(counted, ANN)).toEqual([one, one, one]);
    for (const outcome of await outcomes(query, {})) expect(outcome).toMatch(FAILED);
  }
});

test.each([
  ['arrays of a type without equality', '{docs: {_in: [[1]]}}', 'unexpected at $: database query error'],
  [
    'arrays of shapes, which have no order',
    '{rings: {_eq: ["<(0,0),2>"]}}',
    'unexpected at $: database query error',
  ],
  [
    'arrays of an extension’s type without equality',
    '{paths: {_eq: ["*.a"]}}',
    'unexpected at $: database query error',
  ],
  ['arrays of such composites', '{spots: {_eq: ["(2,{})"]}}', 'unexpected at $: database query error'],
  [
    'a composite of a type without equality',
    '{spot: {_eq: "(2,{})"}}',
    'unexpected at $: database query error',
  ],
  [
    'a pattern under a loose collation',
    '{lo: {_iregex: "^b"}}',
    'not-supported at $: nondeterministic collations are not supported for regular expressions',
  ],
  [
    'a pattern under a loose collation that a cast keeps',
    '{code: {_cast: {String: {_iregex: "^b"}}}}',
    'not-supported at $: nondeterministic collations are not supported for regular expressions',
  ],
  [
    'a path that needs a time zone',
    DATES,
    'not-supported at $: cannot convert value from date to timestamptz without time zone usage',
  ],
])('%s: fails only for who may see a row in which it does', async (_what, where, error) => {
  const query = `{ near(where: {_or: [${where}, {id: {_eq: 1}}]}) { id } }`;
  const found = '{"near":[{"id":1}]}';
  expect(await outcomes(query, ANN)).toEqual([found, found, found]);
  expect(await outcomes(query, {})).toEqual([error, error, error]);
});

test.each(['near_numbers', 'far_numbers'])(
  'what %s says of a row is for those who see all rows: it may quote what others do not',
  async (table) => {
    const withheld = 'database query error';
    for (const [root, asking, code, words] of [
      ['{ n }', ANN, 'data-exception', withheld],
      ['(where: {n: {_gt: 0}}) { m }', ANN, 'data-exception', withheld],
      ['{ m }', ANN, 'not-supported', withheld],
      [
        '(where: {id: {_gt: 1}}) { n }',
        {},
        'data-exception',
        'invalid input syntax for type integer: "secret"',
      ],
      ['(where: {id: {_gt: 1}}) { m }', {}, 'not-supported', 'no number: secret'],
    ] as const) {
      const error = `${code} at $: ${words}`;
      expect(await outcomes(`{ ${table}${root} }`, asking), root).toEqual([error, error, error]);
    }
  },
);

test('what is unknown is so in a negation too, beside a comparison that may fail', async () => {
  for (const where of [
    `{_and: [{lo: {_eq: "b"}}, ${DATES}]}`,
    `{_or: [{_and: [{lo: {_eq: "b"}}, ${DATES}]}]}`,
  ]) {
    const none = '{"near":[]}';
    expect(await outcomes(`{ near(where: {_not: ${where}}) { id } }`, ANN)).toEqual([none, none, none]);
  }
});

test.each([
  [DATES, '[{"id":1}]'],
  [`{_or: [${DATES}, {id: {_lt: 0}}]}`, '[{"id":1}]'],
  [`{_not: ${DATES}}`, '[]'],
  [`{_not: {_and: [${DATES}, {id: {_gt: 0}}]}}`, '[]'],
  [`{_not: {_or: [${DATES}, {id: {_lt: 0}}]}}`, '[]'],
])('a hidden cell of a visible row does not fail: %s', async (where, rows) => {
  const found = `{"near":${rows}}`;
  expect(await outcomes(`{ near(where: ${where}) { id } }`, LEFT_OPEN)).toEqual([found, found, found]);
});

test.each([
  ['(order_by: {id: desc}, offset: 1) { tenth }', {}, '[{"tenth":-10}]'],
  ['(distinct_on: dbl, order_by: [{dbl: asc}, {id: asc}]) { tenth }', {}, '[{"tenth":-10}]'],
  ['(order_by: {title: asc}, limit: 1) { tenth }', {}, '[{"tenth":-10}]'],
  ['(order_by: {id: asc}) { tenth }', LEFT_OPEN, '[{"tenth":-10},{"tenth":null}]'],
  [
    '_aggregate(order_by: {id: asc}) { aggregate { count } nodes { tenth } }',
    { role: 'first' },
    '{"aggregate":{"count":2},"nodes":[{"tenth":-10}]}',
  ],
  [
    '_aggregate(order_by: {id: asc}, limit: 1) { aggregate { sum { tenth } } }',
    {},
    '{"aggregate":{"sum":{"tenth":-10}}}',
  ],
] as const)('nothing is computed of what is not shown: %s', async (rest, asking, found) => {
  for (const table of ['near', 'far']) {
    const name = rest.startsWith('_') ? `${table}_aggregate` : table;
    const answer = `{"${name}":${found}}`;
    expect(await outcomes(`{ ${table}${rest} }`, asking)).toEqual([answer, answer, answer]);
  }
});

test('an aggregate of the rows below a hidden row does not overflow', async () => {
  const query =
    '{ person(where: {grades_aggregate: {sum: {arguments: points, predicate: {_gt: 0}}}}) { id } }';
  const found = '{"person":[{"id":1}]}';
  expect(await outcomes(query, { role: 'mate' })).toEqual([found, found, found]);
  for (const outcome of await outcomes(query, {})) expect(outcome).toMatch(FAILED);
});

test('only a comparison that may fail waits for the others, which stay where indexes serve them', async () => {
  const statement = async (where: string): Promise<string> => {
    const [root] = await ways.together.explain(`{ near(where: ${where}) { id } }`, ANN);
    return root?.sql ?? '';
  };
  const safe =
    '{id: {_in: [1, 2]}, body: {_like: "a%", _regex: "^a"}, nums: {_eq: [1]}, words: {_eq: ["a"]}, doc: {_contains: {}}}';
  expect(await statement(safe)).not.toContain('case when');
  expect(await statement(`{id: {_gt: 0}, doc: {_jsonb_path_exists: "$.at"}}`)).toMatch(
    /exists \(.*\) and t1\."id" > .* and \(case when exists \(.* and t1\."id" > .* then t1\."doc" @\? .* else false end\)/,
  );
});
