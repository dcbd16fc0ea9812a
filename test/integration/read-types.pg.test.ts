import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestLane } from '../support/lane.ts';
import { toOne } from '../support/leading-to.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

// One row of every kind of value, read where it lives, from a cache and live: always what to_json says.

const COLUMNS: Readonly<Record<string, readonly [type: string, value: string]>> = {
  i2: ['smallint', `'-32768'`],
  i4: ['integer', `'7'`],
  i8: ['bigint', `'9223372036854775807'`],
  num: ['numeric', `'123456789012345678901234567890.123456789'`],
  num_nan: ['numeric', `'NaN'`],
  num_scaled: ['numeric(10,2)', `'1.50'`],
  f4: ['real', `'1.1'`],
  f8: ['double precision', `'0.1'`],
  f8_inf: ['double precision', `'-Infinity'`],
  flag: ['boolean', 'true'],
  t: ['text', `E'q"\\\\ \\n \\t \\u0001 Ä 💡'`],
  vc: ['varchar(5)', `'abc'`],
  ch: ['char(5)', `'ab'`],
  nm: ['name', `'abc'`],
  single: ['"char"', `'x'`],
  d: ['date', `'2024-02-29'`],
  d_inf: ['date', `'infinity'`],
  ts: ['timestamp', `'2004-10-19 10:23:54.123456'`],
  tstz: ['timestamptz', `'2015-10-17 14:42:43+02'`],
  tm: ['time', `'11:09:23.5'`],
  tmtz: ['timetz', `'15:22:23+00'`],
  span: ['interval', `'1 year 2 mons -3 days 04:05:06'`],
  u: ['uuid', `'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'`],
  j: ['json', `'{"b": 1,  "a": [null]}'`],
  jb: ['jsonb', `'{"b": 1, "a": 12345678901234567890.10}'`],
  by: ['bytea', `'\\x00ff'`],
  cash: ['money', `'12.34'`],
  net: ['inet', `'10.0.0.1/8'`],
  mac: ['macaddr', `'08:00:2b:01:02:03'`],
  bits: ['bit(3)', `B'101'`],
  vbits: ['bit varying', `B'10110'`],
  o: ['oid', `'4294967295'`],
  rng: ['int4range', `'[1,5)'`],
  mrng: ['int4multirange', `'{[1,5),[7,9)}'`],
  pt: ['point', `'(1,2.5)'`],
  vec: ['tsvector', `'a fat cat'`],
  x: ['xml', `'<a>&amp;</a>'`],
  lsn: ['pg_lsn', `'0/16B3748'`],
  ints: ['integer[]', `'{1,NULL,3}'`],
  nested: ['int[][]', `'{{1,2},{3,4}}'`],
  empty: ['text[]', `'{}'`],
  texts: ['text[]', `E'{"a,b","q\\\\"x",NULL,""}'`],
  bigs: ['bigint[]', `'{9223372036854775807}'`],
  stamps: ['timestamptz[]', `'{2015-10-17 14:42:43+02}'`],
  jsons: ['jsonb[]', `array['{"a":1}'::jsonb]`],
};
const NAMES = Object.keys(COLUMNS);

let pg1: TestDatabase;
let pg2: TestDatabase;
let lane: TestLane;
let big: TestLane;
let bigTemp: TestLane;

beforeAll(async () => {
  const list = NAMES.map((name) => `${name} ${COLUMNS[name]?.[0]}`).join(', ');
  const values = NAMES.map((name) => COLUMNS[name]?.[1]).join(', ');
  const table = [
    `create type mood as enum ('sad', 'happy')`,
    `create type pair as (a int, b text)`,
    `create domain positive as int check (value > 0)`,
    `create table v (id int primary key, ${list}, e mood, es mood[], c pair, p positive, ps positive[])`,
    `insert into v values (1, ${values}, 'happy', '{sad}', '(1,"x y")', 5, '{5,6}')`,
    'insert into v (id) values (2)',
  ];
  [pg1, pg2] = await Promise.all([
    createDatabase('source', [
      'create table a (id int primary key)',
      'insert into a values (1), (2)',
      ...table,
    ]),
    createDatabase('target', table),
  ]);
  const local = {
    name: 'near',
    using: { manual_configuration: { remote_table: 'v', column_mapping: { id: 'id' } } },
  };
  const tables = {
    pg1: [
      {
        table: 'a',
        remote_relationships: [toOne('far', 'v', { id: 'id' })],
        object_relationships: [local],
      },
      { table: 'v' },
    ],
    pg2: [{ table: 'v', configuration: { custom_name: 'v2' } }],
  };
  lane = await TestLane.open({ pg1, pg2 }, tables);
  await lane.fillCaches();
  big = await TestLane.open({ pg1, pg2 }, tables, { stringifyNumbers: true });
  bigTemp = await TestLane.open({ pg1, pg2 }, tables, { stringifyNumbers: true, liveInlineRows: 0 });
});

afterAll(async () => {
  await Promise.all([lane?.close(), big?.close(), bigTemp?.close()]);
  await Promise.all([pg1?.drop(), pg2?.drop()]);
});

async function read(
  which: TestLane,
  field: string,
  live: boolean,
  columns = NAMES.join(' '),
): Promise<string> {
  const query = `{ a(order_by: {id: asc}) { row: ${field} { ${columns} } } }`;
  const { text } = await which.query(query, { freshness: { noCache: live, fallback: 'stale' } });
  return text;
}

test('values are written as to_json writes them', async () => {
  const members = NAMES.map((name) => `'${name}', ${name}`);
  const halves = [members.slice(0, 22), members.slice(22)].map(
    (part) => `jsonb_build_object(${part.join(', ')})`,
  );
  const { rows } = await pg1
    .query<{ j: string }>(`set timezone = 'UTC'; select 1`)
    .then(() =>
      pg1.query<{ j: string }>(
        `select set_config('TimeZone', 'UTC', false), (${halves.join(' || ')})::text as j from v order by id`,
      ),
    );
  const own = JSON.parse(await read(lane, 'near', false)) as { a: { row: unknown }[] };
  expect(own.a.map(({ row }) => row)).toEqual(rows.map(({ j }) => JSON.parse(j)));
});

test('cache, live rows in parameters and live rows in a table give the same bytes as the table itself', async () => {
  const here = await read(lane, 'near', false);
  expect(await read(lane, 'far', false)).toBe(here);
  expect(await read(lane, 'far', true)).toBe(here);
});

test('big numbers become strings when asked for, by every route', async () => {
  const here = await read(big, 'near', false);
  // As in Hasura, not those in arrays: which digits they have JavaScript does not keep.
  expect(here).toContain('"bigs":[9223372036854775807]');
  const [first] = (JSON.parse(here) as { a: { row: Record<string, unknown> }[] }).a;
  expect(first?.row).toMatchObject({
    i2: -32768,
    i4: 7,
    i8: '9223372036854775807',
    num: '123456789012345678901234567890.123456789',
    num_nan: 'NaN',
    f4: 1.1,
    f8: '0.1',
    ints: [1, null, 3],
  });
  expect(await read(big, 'far', false)).toBe(here);
  expect(await read(big, 'far', true)).toBe(here);
  expect(await read(bigTemp, 'far', true)).toBe(here);
});

test('what is made of big numbers becomes a string too, of others it does not', async () => {
  const query =
    '{ v: v_aggregate { aggregate { avg { i4 i8 num_scaled } sum { i4 num_scaled } stddev_pop { f8 } } } }';
  const { text: here } = await big.query(query);
  expect(JSON.parse(here).v.aggregate).toEqual({
    avg: { i4: 7, i8: '9223372036854775807', num_scaled: expect.stringMatching(/^1\.50+$/) },
    sum: { i4: 7, num_scaled: '1.50' },
    stddev_pop: { f8: '0' },
  });
});

test('types that only the target has are read as text, the same by both routes', async () => {
  const columns = 'e es c p ps';
  const cached = await read(lane, 'far', false, columns);
  expect(JSON.parse(cached)).toEqual({
    a: [
      { row: { e: 'happy', es: ['sad'], c: '(1,"x y")', p: 5, ps: [5, 6] } },
      { row: { e: null, es: null, c: null, p: null, ps: null } },
    ],
  });
  expect(await read(lane, 'far', true, columns)).toBe(cached);
  const where = `{ a(where: {far: {e: {_in: ["happy"]}, p: {_gt: 4}, ps: {_gt: [4], _in: [[5, 6]]}}}) { id } }`;
  expect((await lane.query(where, { freshness: { fallback: 'stale' } })).text).toBe('{"a":[{"id":1}]}');
  expect((await lane.query(where, { freshness: { noCache: true } })).text).toBe('{"a":[{"id":1}]}');
});

const OPERATORS: readonly [where: string, ids: readonly number[]][] = [
  ['{t: {_like: "q%"}}', [1]],
  ['{t: {_nilike: "Z%"}}', [1]],
  ['{vc: {_similar: "a(b|x)c"}}', [1]],
  ['{vc: {_iregex: "^AB"}}', [1]],
  ['{ch: {_ilike: "AB%"}}', [1]],
  ['{vc: {_eq: "abcdefgh"}}', []],
  ['{num_scaled: {_eq: "1.501"}}', []],
  ['{jb: {_contains: {b: 1}}}', [1]],
  ['{jb: {_has_key: "a"}}', [1]],
  ['{jb: {_has_keys_all: ["a", "z"]}}', []],
  ['{jb: {_has_keys_any: ["a", "z"]}}', [1]],
  ['{jb: {_cast: {String: {_like: "%12345%"}}}}', [1]],
  ['{texts: {_contains: ["a,b"]}}', [1]],
  ['{ints: {_contained_in: [1, 3]}}', []],
  ['{u: {_eq: "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}}', [1]],
  ['{i8: {_in: ["9223372036854775807", 1]}}', [1]],
  ['{i8: {_in: []}}', []],
  ['{i8: {_nin: []}}', [1, 2]],
  ['{by: {_eq: "\\\\x00ff"}}', [1]],
  ['{tstz: {_gte: "2015-10-17T12:42:43Z"}}', [1]],
  ['{span: {_gt: "1 year"}}', [1]],
  ['{_not: {flag: {_eq: true}}}', []],
  ['{_or: [{flag: {_is_null: true}}, {i4: {_neq: 8}}]}', [1, 2]],
];

test.each(OPERATORS)('%s finds the same rows here, cached and live', async (where, ids) => {
  const expected = JSON.stringify({ a: ids.map((id) => ({ id })) });
  const ask = async (field: string, live: boolean): Promise<string> => {
    const query = `{ a(where: {${field}: ${where}}, order_by: {id: asc}) { id } }`;
    return (await lane.query(query, { freshness: { noCache: live, fallback: 'stale' } })).text;
  };
  expect([await ask('near', false), await ask('far', false), await ask('far', true)]).toEqual([
    expected,
    expected,
    expected,
  ]);
});
