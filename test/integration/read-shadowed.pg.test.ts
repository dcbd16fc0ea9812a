import { afterAll, beforeAll, expect, test } from 'vitest';
import { ThreeWays, type World } from '../support/three-ways.ts';

// Whoever may create something in a schema of the search path, as everybody may in `public` before Postgres 15, can make what
// fits the types of a statement better than what Postgres has of the same name. It would run with the rights of our role.

const OPERATORS: readonly (readonly [symbol: string, left: string, right: string])[] = [
  ...['=', '<>', '>', '~~', '~'].map((symbol) => [symbol, 'varchar', 'varchar'] as const),
  ...['~~', '~'].map((symbol) => [symbol, 'varchar', 'text'] as const),
  ['=', 'mood', 'mood'],
  ['>', 'mood', 'mood'],
  ['=', 'varchar[]', 'varchar[]'],
  ['@>', 'varchar[]', 'varchar[]'],
  ['=', 'numeric', 'integer'],
];

const FUNCTIONS: readonly (readonly [name: string, argument: string])[] = [
  ['to_json', 'varchar'],
  ['to_json', 'varchar[]'],
  ['to_json', 'mood'],
  ['to_json', 'text'],
  ['to_json', 'numeric'],
  ['unnest', 'varchar[]'],
  ['unnest', 'text[]'],
  ['quote_ident', 'name'],
];

const SHADOWS = [
  ...OPERATORS.map(
    ([symbol, left, right], i) => `
      create function shadow${i}(${left}, ${right}) returns boolean language plpgsql as $$ begin raise 'shadow of ${symbol}'; end $$;
      create operator ${symbol} (leftarg = ${left}, rightarg = ${right}, function = shadow${i})`,
  ),
  ...FUNCTIONS.map(
    ([name, argument]) =>
      `create function ${name}(${argument}) returns text language plpgsql as $$ begin raise 'shadow of ${name}'; end $$`,
  ),
  ...['varchar', 'mood', 'text'].map(
    (type) => `
      create function counted(bigint, ${type}) returns bigint language plpgsql as $$ begin raise 'shadow of count'; end $$;
      create aggregate count(${type}) (sfunc = counted, stype = bigint, initcond = '0');
      create function greatest_of(${type}, ${type}) returns ${type} language plpgsql as $$ begin raise 'shadow of max'; end $$;
      create aggregate max(${type}) (sfunc = greatest_of, stype = ${type}, initcond = 'ok');
      create aggregate array_agg(${type}) (sfunc = greatest_of, stype = ${type}, initcond = 'ok')`,
  ),
];

const WORLD: World = {
  sql: [
    `create extension citext; create type mood as enum ('sad', 'ok', 'happy');
     create table thing (code varchar(9) primary key, mood mood, tags varchar(9)[], num numeric, kind varchar(9));
     insert into thing values ('a', 'sad', '{x}', 1.5, 'k'), ('b', 'ok', '{y}', 2.5, 'k'), ('c', 'happy', '{}', 'NaN', null);
     create table holder (id int primary key, code varchar(9), kind varchar(9));
     insert into holder values (1, 'a', 'k'), (2, 'b', 'k'), (3, 'c', 'l'); ${SHADOWS.join('; ')}`,
  ],
  tables: {
    holder: {
      database: 'pg1',
      relationships: {
        thing: { kind: 'object', to: 'thing', on: { code: 'code' } },
        things: { kind: 'array', to: 'thing', on: { kind: 'kind' } },
      },
      permissions: { r: { columns: ['id', 'code'], filter: { code: { _ceq: 'code' } } } },
    },
    thing: {
      database: 'pg2',
      relationships: { holders: { kind: 'array', to: 'holder', on: { code: 'code' } } },
      permissions: { r: { columns: ['code'], filter: { code: { _in: 'X-Hasura-Codes' } } } },
    },
  },
};

let ways: ThreeWays;

beforeAll(async () => {
  ways = await ThreeWays.open(WORLD);
});

afterAll(() => ways?.close());

test('rows and related rows', async () => {
  const shown = '{ id code thing { code mood tags num } things(order_by: {code: asc}) { code } }';
  const { holder } = await ways.agree(`{ holder(order_by: {code: asc}) ${shown} }`);
  expect(holder).toMatchObject([{ thing: { mood: 'sad', tags: ['x'] } }, { id: 2 }, { things: [] }]);
});

test.each([
  ['{code: {_eq: "a"}}', [1]],
  ['{code: {_neq: "a"}}', [2, 3]],
  ['{code: {_in: ["a", "b"]}}', [1, 2]],
  ['{code: {_nin: ["a"]}}', [2, 3]],
  ['{code: {_gt: "a"}}', [2, 3]],
  ['{code: {_like: "a%"}}', [1]],
  ['{code: {_similar: "a|b"}}', [1, 2]],
  ['{code: {_regex: "[bc]"}}', [2, 3]],
  ['{mood: {_eq: "ok"}}', [2]],
  ['{mood: {_gt: "sad"}}', [2, 3]],
  ['{tags: {_eq: ["x"]}}', [1]],
  ['{tags: {_contains: ["y"]}}', [2]],
])('the condition %s', async (condition, ids) => {
  const { holder } = await ways.agree(`{ holder(where: {thing: ${condition}}, order_by: {id: asc}) { id } }`);
  expect(holder).toEqual(ids.map((id) => ({ id })));
});

test('a long list', async () => {
  const codes = ['a', ...Array.from({ length: 100 }, (_, i) => `x${i}`)];
  const query = 'query ($codes: [String!]) { holder(where: {code: {_in: $codes}}) { id } }';
  expect(await ways.agree(query, { variables: { codes } })).toEqual({ holder: [{ id: 1 }] });
});

test('aggregates, shown and compared', async () => {
  const values = '{ aggregate { count(columns: kind, distinct: true) max { code mood num } } }';
  const condition = '{things_aggregate: {count: {arguments: [code], predicate: {_eq: 2}}}}';
  const { holder } = await ways.agree(
    `{ holder(where: ${condition}, order_by: {id: asc}) { id things_aggregate ${values} } }`,
  );
  const aggregate = { count: 1, max: { code: 'b', mood: 'ok', num: 2.5 } };
  expect(holder).toEqual([1, 2].map((id) => ({ id, things_aggregate: { aggregate } })));
});

test('rules', async () => {
  const session = { 'x-hasura-codes': '{a,c}' };
  const query = '{ holder(where: {thing: {code: {_neq: "z"}}}, order_by: {id: asc}) { id thing { code } } }';
  const { holder } = await ways.agree(query, { role: 'r', session });
  expect(holder).toEqual(['a', 'c'].map((code) => ({ id: code === 'a' ? 1 : 3, thing: { code } })));
});
