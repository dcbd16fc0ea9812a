import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FIND_OPERATORS } from '../../src/core/postgres/search-path.ts';
import { TestLane } from '../support/lane.ts';
import { toMany } from '../support/leading-to.ts';
import { poll } from '../support/poll.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

// Types of extensions, which lie in a schema of their own in each database, and in no search path: compared and sorted as
// what they are by every route, also while there is no cache whose columns would say how the source holds them.

const COLUMNS = (schema: string): string =>
  `id int primary key, ci ${schema}.citext, path ${schema}.ltree, kv ${schema}.hstore, names ${schema}.citext[], spot ${schema}.geometry`;
const SPOT = '0101000020E6100000000000000000F03F0000000000000040';
const ROWS = `(1, 'Ann', 'top.hobby.chess', 'a=>1', '{Ann,bob}', '${SPOT}'), (2, 'bob', 'top', 'a=>2,b=>NULL', '{}', 'elsewhere'),
  (3, 'BOB', 'top.hobby', null, null, null), (4, 'anne', 'other', '', '{BOB}', '${SPOT}'), (5, null, null, 'a=>1', '{ANN,Bob}', null)`;

// Stands in for PostGIS, whose types and functions are called so: a shape is its text, near to none but itself.
const SHAPES = (schema: string): string => `
  create type ${schema}.geometry;
  create function ${schema}.geometry_in(cstring) returns ${schema}.geometry language internal immutable strict as 'textin';
  create function ${schema}.geometry_out(${schema}.geometry) returns cstring language internal immutable strict as 'textout';
  create type ${schema}.geometry (input = ${schema}.geometry_in, output = ${schema}.geometry_out, like = text);
  alter extension ltree add type ${schema}.geometry;
  create function ${schema}.st_asgeojson(${schema}.geometry, int, int) returns text language sql immutable strict
    as $$ select json_build_array($1::text, $2, $3)::text $$;
  create function ${schema}.st_equals(${schema}.geometry, ${schema}.geometry) returns boolean language sql immutable strict
    as $$ select $1::text = $2::text $$;
  create function ${schema}.st_dwithin(${schema}.geometry, ${schema}.geometry, float8) returns boolean language sql
    immutable strict as $$ select $1::text = $2::text and $3 = 0.5 $$;
  create function ${schema}.st_expand(${schema}.geometry, float8) returns ${schema}.geometry language sql immutable strict
    as $$ select $1 $$;
  create operator ${schema}.&& (leftarg = ${schema}.geometry, rightarg = ${schema}.geometry, function = ${schema}.st_equals)`;
const inSchema = (schema: string): string[] => [
  `create schema ${schema}`,
  ...['citext', 'ltree', 'hstore'].map((name) => `create extension ${name} schema ${schema}`),
  SHAPES(schema),
];
const TABLES = (schema: string): string[] => [
  `create table near (${COLUMNS(schema)}); insert into near values ${ROWS}`,
  `create table far (${COLUMNS(schema)}); insert into far values ${ROWS}`,
];

const MAPPINGS = { far: { id: 'id' }, alike: { ci: 'ci' }, same_path: { path: 'path' } };

let databases: Record<'cached' | 'bare' | 'target', TestDatabase>;
let lanes: Record<'together' | 'cached' | 'bare', TestLane>;

beforeAll(async () => {
  const here = [...inSchema('other'), ...TABLES('other')];
  const [cached, bare, target] = await Promise.all([
    createDatabase('source', here),
    createDatabase('source', here),
    createDatabase('target', [...inSchema('"The Types"'), ...TABLES('"The Types"')]),
  ]);
  databases = { cached, bare, target };
  const using = (on: object) => ({ manual_configuration: { remote_table: 'far', column_mapping: on } });
  const local = Object.entries(MAPPINGS).map(([name, on]) => ({ name, using: using(on) }));
  const remote = Object.entries(MAPPINGS).map(([name, on]) => toMany(name, 'far', on));
  const dealt = { pg1: [{ table: 'near', remote_relationships: remote }], pg2: [{ table: 'far' }] };
  const whole = { pg1: [{ table: 'near', array_relationships: local }, { table: 'far' }] };
  lanes = {
    together: await TestLane.open({ pg1: cached }, whole),
    cached: await TestLane.open({ pg1: cached, pg2: target }, dealt),
    bare: await TestLane.open({ pg1: bare, pg2: target }, dealt),
  };
  await lanes.cached.fillCaches();
});

afterAll(async () => {
  await Promise.all(Object.values(lanes ?? {}).map((lane) => lane.close()));
  await Promise.all(Object.values(databases ?? {}).map((database) => database.drop()));
});

const POINT = '{type: "Point", coordinates: [1, 2]}';
const found = (where: string): string => `{ near(where: {far: ${where}}, order_by: {id: asc}) { id } }`;

test.each<[string, string]>([
  [found('{ci: {_eq: "BOB"}}'), '{"near":[{"id":2},{"id":3}]}'],
  [found('{ci: {_in: ["ANN", "none"]}}'), '{"near":[{"id":1}]}'],
  [found('{ci: {_gte: "ANNE"}}'), '{"near":[{"id":2},{"id":3},{"id":4}]}'],
  [found('{ci: {_like: "AN%"}}'), '{"near":[{"id":1},{"id":4}]}'],
  [found('{ci: {_nregex: "^A"}}'), '{"near":[{"id":2},{"id":3}]}'],
  [found('{path: {_descendant: "top.hobby"}}'), '{"near":[{"id":1},{"id":3}]}'],
  [found('{path: {_ancestor_any: ["top.hobby", "other"]}}'), '{"near":[{"id":2},{"id":3},{"id":4}]}'],
  [found('{path: {_matches: "top.*{1}"}}'), '{"near":[{"id":3}]}'],
  [found('{path: {_matches_any: ["other", "top.*"]}}'), '{"near":[{"id":1},{"id":2},{"id":3},{"id":4}]}'],
  [found('{path: {_matches_fulltext: "chess"}}'), '{"near":[{"id":1}]}'],
  [found('{path: {_lt: "top"}}'), '{"near":[{"id":4}]}'],
  [found('{kv: {_eq: "a=>1"}}'), '{"near":[{"id":1},{"id":5}]}'],
  [found(`{spot: {_st_equals: ${POINT}}}`), '{"near":[{"id":1},{"id":4}]}'],
  [found(`{spot: {_st_d_within: {from: ${POINT}, distance: 0.5}}, id: {_gt: 1}}`), '{"near":[{"id":4}]}'],
  [
    '{ near(where: {id: {_lte: 2}}, order_by: {id: asc}) { far { spot } } }',
    `{"near":[{"far":[{"spot":["${SPOT}", 15, 4]}]},{"far":[{"spot":["elsewhere", 15, 4]}]}]}`,
  ],
  [found('{names: {_eq: ["ann", "BOB"]}}'), '{"near":[{"id":1},{"id":5}]}'],
  [found('{names: {_contains: ["bob"]}}'), '{"near":[{"id":1},{"id":4},{"id":5}]}'],
  [
    '{ near(order_by: {id: asc}, limit: 2) { ci far { ci path kv names } } }',
    '{"near":[{"ci":"Ann","far":[{"ci":"Ann","path":"top.hobby.chess","kv":{"a": "1"},"names":["Ann","bob"]}]},{"ci":"bob","far":[{"ci":"bob","path":"top","kv":{"a": "2", "b": null},"names":[]}]}]}',
  ],
  [
    '{ near(order_by: [{far_aggregate: {max: {ci: asc}}}, {id: asc}]) { id } }',
    '{"near":[{"id":1},{"id":4},{"id":2},{"id":3},{"id":5}]}',
  ],
  [
    '{ near(where: {id: {_eq: 3}}) { alike(order_by: [{ci: asc}, {path: desc}]) { id } same_path { id } } }',
    '{"near":[{"alike":[{"id":3},{"id":2}],"same_path":[{"id":3}]}]}',
  ],
  [
    '{ near(where: {alike: {id: {_eq: 3}}}, order_by: [{ci: asc}, {id: desc}]) { id alike_aggregate { aggregate { count } } } }',
    '{"near":[{"id":3,"alike_aggregate":{"aggregate":{"count":2}}},{"id":2,"alike_aggregate":{"aggregate":{"count":2}}}]}',
  ],
  [
    '{ near(order_by: [{ci: desc_nulls_last}, {path: asc}], distinct_on: [ci]) { ci } }',
    '{"near":[{"ci":"bob"},{"ci":"anne"},{"ci":"Ann"},{"ci":null}]}',
  ],
])('%s', async (query, expected) => {
  const answers = await Promise.all([
    lanes.together.query(query),
    lanes.cached.query(query, { freshness: { fallback: 'stale' } }),
    lanes.cached.query(query, { freshness: { noCache: true } }),
    lanes.bare.query(query),
  ]);
  expect(answers.map(({ text }) => text)).toEqual([expected, expected, expected, expected]);
  const routes = answers.map(({ targets }) => targets.map(({ route }) => route).join());
  expect(routes).toEqual(
    query.includes('far') || query.includes('alike') ? ['', 'cache', 'live', 'live'] : ['', '', '', ''],
  );
});

test('what an extension’s type cannot read is told to every role, whichever database has the type', async () => {
  const plain = await createDatabase('source', [
    'create table plain (id int primary key); insert into plain values (1)',
    'create table other (id int primary key)',
  ]);
  const permission = { role: 'reader', permission: { columns: '*', filter: {} } };
  const near = (name: string) => ({ table: name, select_permissions: [permission] });
  const lane = await TestLane.open(
    { pg0: plain, pg1: databases.cached, pg2: databases.target },
    {
      pg0: [{ ...near('plain'), remote_relationships: [toMany('far', 'far', { id: 'id' })] }, near('other')],
      pg1: [near('near')],
      pg2: [near('far')],
    },
  );
  try {
    for (const query of [
      '{ other { id } near(where: {path: {_matches: "a..b"}}) { id } }',
      '{ plain(where: {far: {path: {_matches: "a..b"}}}) { id } }',
    ]) {
      for (const role of ['admin', 'reader'])
        await expect(lane.query(query, { role })).rejects.toMatchObject({
          code: 'data-exception',
          message: 'lquery syntax error at character 3',
        });
    }
  } finally {
    await lane.close();
    await plain.drop();
  }
});

test('explain shows fetched rows as they are held', async () => {
  const [root] = await lanes.bare.explain(found('{ci: {_eq: "BOB"}}'));
  expect(root?.sql).toContain('other.citext');
});

test('an extension that comes while sessions are open is found by those that come after', async () => {
  const database = await createDatabase('source', ['create schema late', 'create table one (id int)']);
  const tables = { pg1: [{ table: 'one' }] };
  const lane = await TestLane.open({ pg1: database }, tables);
  try {
    await Promise.all([1, 2, 3].map(() => lane.query('{ one { id } }')));
    await database.query('create extension citext schema late');
    await database.query(`alter table one add ci late.citext; insert into one values (1, 'Ann')`);
    await lane.lookAgain();
    expect((await lane.query('{ one(where: {ci: {_eq: "ANN"}}) { id } }')).text).toBe('{"one":[{"id":1}]}');
    await poll('the old sessions to end', async () => {
      const { rows } = await database.query(
        `select from pg_stat_activity where datname = current_database() and application_name = 'nearjoin'`,
      );
      return rows.length === 1;
    });
  } finally {
    await lane.close();
    await database.drop();
  }
});

test('no function of anybody stands in for one of Postgres', async () => {
  const database = await createDatabase('source', [
    `create function public.clock_timestamp() returns timestamptz language sql as 'select timestamptz ''2000-01-01'''`,
  ]);
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query(FIND_OPERATORS);
  const { rows } = await client.query('select extract(year from clock_timestamp()) > 2000 as real');
  expect(rows).toEqual([{ real: true }]);
  await client.end();
  await database.drop();
});
