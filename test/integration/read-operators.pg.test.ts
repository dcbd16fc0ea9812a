import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Asking, TestLane } from '../support/lane.ts';
import { toOne } from '../support/leading-to.ts';
import { createDatabase } from '../support/postgres.ts';
import { ThreeWays, type World } from '../support/three-ways.ts';

// Every operator of every kind of column, in requests and in rules, on rows of another database: what one plain SQL
// condition finds, by every route.

const COLUMNS =
  'id int primary key, t text, vc varchar(9), ch char(4), ci citext, n int, big bigint, num numeric, f float8, flag boolean, d date, ts timestamptz, span interval, u uuid, jb jsonb, j json, tags text[], nums int[], path ltree, mood mood, by bytea, ip inet, cash money, rng int4range, tm time, moods mood[], bx box';
const ROWS = `
  (1, 'alpha', 'one', 'ab', 'Hello', 1, 10, 1.5, 0.5, true, '2024-01-01', '2024-01-01T00:00:00Z', '1 day', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a": 1, "b": [1, 2]}', '{"a": 1}', '{x,y}', '{1,2}', 'top.science', 'sad', '\\x00', '10.0.0.1', 1.5, '[1,5)', '10:00', '{sad,happy}', '(1,1),(0,0)'),
  (2, 'Alpha', 'two', 'cd', 'hELLO', 2, 20, 2.5, 1.5, false, '2024-02-29', '2024-06-01T12:00:00Z', '2 hours', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12', '{"b": {"c": "d"}}', '[1]', '{y}', '{3}', 'top.science.physics', 'ok', '\\xff', '10.0.0.2', 2.5, '[3,9)', '11:30', '{ok}', '(3,3),(1,1)'),
  (3, 'be%ta', null, 'ab', 'world', 3, 30, -1, 2.5, null, '2025-01-01', '2025-01-01T00:00:00Z', '1 month', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a13', '[1, "a"]', 'null', '{}', '{}', 'top.hobby', 'happy', '\\x01', '192.168.0.1', -3, 'empty', '00:00', '{}', '(9,9),(0,0)'),
  (4, '', 'four', '', '', 4, 40, 0, 'NaN', true, 'infinity', 'infinity', '0', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a14', '"text"', '"x"', '{x}', '{1,2,3}', 'top', 'ok', '', '::1', 0, '[,3)', '23:59:59.5', '{ok,NULL}', null),
  (5, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null)`;

const CASES: readonly (readonly [condition: string, sql: string])[] = [
  ['{t: {_eq: "alpha"}}', "t = 'alpha'"],
  ['{t: {_neq: "alpha"}}', "t <> 'alpha'"],
  ['{t: {_eq: alpha}}', "t = 'alpha'"],
  ['{t: {_like: "%l%"}}', "t like '%l%'"],
  ['{t: {_nlike: "a%"}}', "t not like 'a%'"],
  ['{t: {_ilike: "A%"}}', "t ilike 'A%'"],
  ['{t: {_nilike: "a%"}}', "t not ilike 'a%'"],
  ['{t: {_like: "be\\\\%ta"}}', "t like 'be\\%ta'"],
  ['{t: {_similar: "(a|A)lpha"}}', "t similar to '(a|A)lpha'"],
  ['{t: {_nsimilar: "(a|b)%"}}', "t not similar to '(a|b)%'"],
  ['{t: {_regex: "^a"}}', "t ~ '^a'"],
  ['{t: {_nregex: "^a"}}', "t !~ '^a'"],
  ['{t: {_iregex: "^a"}}', "t ~* '^a'"],
  ['{t: {_niregex: "^a"}}', "t !~* '^a'"],
  ['{vc: {_in: ["one", "two", "a longer one"]}}', "vc in ('one', 'two')"],
  ['{vc: {_nin: ["one"]}}', "vc not in ('one')"],
  ['{ch: {_eq: "ab"}}', "ch = 'ab'"],
  ['{ci: {_eq: "HELLO"}}', "ci = 'HELLO'"],
  ['{ci: {_in: ["WORLD", "x"]}}', "ci = 'world'"],
  ['{ci: {_like: "H%"}}', "ci like 'H%'"],
  ['{ci: {_gt: "I"}}', "ci > 'I'"],
  ['{n: {_gt: 1, _lte: 3}}', 'n > 1 and n <= 3'],
  ['{n: {_in: []}}', 'false'],
  ['{n: {_nin: []}}', 'true'],
  ['{n: {_in: ["1", 3]}}', 'n in (1, 3)'],
  ['{n: {_is_null: true}}', 'n is null'],
  ['{n: {_is_null: false, _neq: 2}}', 'n is not null and n <> 2'],
  ['{n: {_cast: {String: {_like: "%2%"}}}}', "n::text like '%2%'"],
  ['{big: {_gte: "30"}}', 'big >= 30'],
  ['{num: {_lt: 1.5}}', 'num < 1.5'],
  ['{f: {_eq: "NaN"}}', "f = 'NaN'"],
  ['{f: {_lt: 2}}', 'f < 2'],
  ['{flag: {_eq: true}}', 'flag'],
  ['{flag: {_eq: "yes"}}', 'flag'],
  ['{flag: {_neq: true}}', 'flag <> true'],
  ['{_not: {flag: {_eq: true}}}', 'not flag'],
  ['{d: {_gt: "2024-02-28"}}', "d > '2024-02-28'"],
  ['{ts: {_lte: "2024-06-01T14:00:00+02:00"}}', "ts <= '2024-06-01T12:00:00Z'"],
  ['{span: {_lt: "1 week"}}', "span < '1 week'"],
  ['{u: {_in: ["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A12"]}}', "u = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12'"],
  ['{bx: {_in: ["(5,5),(3,3)", "(1,0),(0,1)"]}}', "bx = '(1,1),(0,0)' or bx = '(3,3),(1,1)'"],
  ['{jb: {_contains: {a: 1}}}', `jb @> '{"a": 1}'`],
  ['{jb: {_contained_in: [1, "a", 2]}}', `jb <@ '[1, "a", 2]'`],
  ['{jb: {_eq: "text"}}', `jb = '"text"'`],
  ['{jb: {_has_key: "b"}}', "jb ? 'b'"],
  ['{jb: {_has_keys_any: ["a", "zz"]}}', "jb ?| array['a', 'zz']"],
  ['{jb: {_has_keys_all: ["a", "b"]}}', "jb ?& array['a', 'b']"],
  ['{jb: {_jsonb_path_exists: "$.b[*] ? (@ > 1)"}}', "jb @? '$.b[*] ? (@ > 1)'"],
  ['{jb: {_jsonb_path_match: "$.a == 1"}}', "jb @@ '$.a == 1'"],
  ['{jb: {_cast: {String: {_ilike: "%TEXT%"}}}}', "jb::text ilike '%TEXT%'"],
  ['{j: {_cast: {String: {_like: "%1%"}}}}', "j::text like '%1%'"],
  ['{tags: {_contains: ["x"]}}', "tags @> '{x}'"],
  ['{tags: {_contains: "{x}"}}', "tags @> '{x}'"],
  ['{tags: {_contained_in: ["x", "y", null]}}', "tags <@ '{x,y,null}'"],
  ['{tags: {_eq: []}}', "tags = '{}'"],
  ['{nums: {_in: [[1, 2], [3]]}}', "nums = '{1,2}' or nums = '{3}'"],
  ['{nums: {_gt: [1, 2]}}', "nums > '{1,2}'"],
  ['{path: {_ancestor: "top.science.physics"}}', "path @> 'top.science.physics'"],
  ['{path: {_descendant: "top.science"}}', "path <@ 'top.science'"],
  ['{path: {_descendant_any: ["top.hobby", "nowhere"]}}', "path <@ array['top.hobby', 'nowhere']::ltree[]"],
  ['{path: {_ancestor_any: ["top.hobby.chess"]}}', "path @> array['top.hobby.chess']::ltree[]"],
  ['{path: {_matches: "*.science.*"}}', "path ~ '*.science.*'"],
  ['{path: {_matches_any: ["*.hobby", "top"]}}', "path ? array['*.hobby', 'top']::lquery[]"],
  ['{path: {_matches_fulltext: "science & !physics"}}', "path @ 'science & !physics'"],
  ['{mood: {_eq: "ok"}}', "mood = 'ok'"],
  ['{mood: {_in: ["sad", "happy"]}}', "mood in ('sad', 'happy')"],
  ['{mood: {_gt: "sad"}}', "mood > 'sad'"],
  ['{mood: {_lte: "ok"}}', "mood <= 'ok'"],
  ['{mood: {_cast: {String: {_gt: "ok"}}}}', "mood::text > 'ok'"],
  ['{moods: {_contains: ["happy"]}}', "moods @> '{happy}'"],
  ['{moods: {_eq: ["ok"]}}', "moods = '{ok}'"],
  ['{by: {_eq: "\\\\xff"}}', "by = '\\xff'"],
  ['{ip: {_lt: "11.0.0.0"}}', "ip < '11.0.0.0'"],
  ['{cash: {_gt: "$1.00"}}', "cash > '1'::money"],
  ['{rng: {_eq: "[1,5)"}}', "rng = '[1,5)'"],
  ['{tm: {_gte: "11:30"}}', "tm >= '11:30'"],
  ['{_or: []}', 'false'],
  ['{_and: []}', 'true'],
  [
    '{_or: [{n: {_eq: 1}}, {t: {_is_null: true}}], _not: {n: {_eq: 1}}}',
    '(n = 1 or t is null) and not n = 1',
  ],
];

const RULES: readonly (readonly [rule: object, sql: string])[] = [
  [{ n: { _ceq: 'id' } }, 'n = id'],
  [{ num: { _cgt: ['f'] } }, 'num > f'],
  [{ t: { _cne: 'ci' } }, 't <> ci'],
  [{ big: { _clte: 'n' } }, 'big <= n'],
  [{ $or: [{ n: { $in: ['1', '4'] } }, { flag: false }] }, 'n in (1, 4) or flag = false'],
  [{ t: 'X-Hasura-Text' }, "t = 'alpha'"],
  [{ n: { _in: 'X-Hasura-Numbers' } }, 'n in (2, 3)'],
  [{ n: { _nin: ['x-hasura-one', 3] } }, 'n not in (1, 3)'],
  [{ tags: { _contains: 'X-Hasura-Tags' } }, "tags @> '{y}'"],
  [{ jb: { _has_keys_any: 'X-Hasura-Tags' } }, "jb ?| '{y}'"],
  [{ t: { _neq: 'alpha' } }, "t <> 'alpha'"],
  [{ _not: { t: { _eq: 'alpha' } } }, "t <> 'alpha'"],
  [{ t: { _eq: null } }, 't is null'],
  [
    { _or: [{ t: { _neq: null }, n: { _gt: 1 } }, { _not: { n: { _gt: null } } }] },
    't is not null and n > 1',
  ],
  [{ _not: { t: null } }, 'false'],
  [{ _not: { id: { _neq: null } } }, 'false'],
  [{ tags: { _contains: '{"x"}' } }, "tags @> '{x}'"],
  [{ n: { _gt: 'REQ_USER_ID' } }, 'n > 1'],
  [{ jb: { _cast: { text: { _like: '%1%' } } } }, "jb::text like '%1%'"],
  [{ mood: { _gt: 'sad' } }, "mood > 'sad'"],
  [{ mood: { _eq: 'X-Hasura-Mood' } }, "mood = 'ok'"],
  [{ mood: { _in: 'X-Hasura-Moods' } }, "mood in ('sad', 'ok')"],
  [{ mood: { _nin: ['X-Hasura-Mood', 'sad'] } }, "mood not in ('ok', 'sad')"],
  [{ moods: { _contains: 'X-Hasura-Moods' } }, "moods @> '{sad,ok}'"],
  [{ ci: { _ilike: 'he%' } }, "ci ilike 'he%'"],
  [{ path: { _descendant: 'top.science' } }, "path <@ 'top.science'"],
  [{ jb: { _cast: { String: { _like: '%1%' } } } }, "jb::text like '%1%'"],
  [{ twin: { n: { _ceq: ['$', 'id'] } } }, 'n = id'],
  [{ _not: { holders: { _not: { id: { _gt: 2 } } } } }, 'id > 2'],
];
const SESSION = {
  'x-hasura-text': 'alpha',
  'x-hasura-user-id': '1',
  'x-hasura-numbers': '{2,3}',
  'x-hasura-one': '1',
  'x-hasura-tags': '{y}',
  'x-hasura-mood': 'ok',
  'x-hasura-moods': '{sad,"ok"}',
};

const HELD = '{ holder(where: {thing: {}}, order_by: {id: asc}) { id thing { id } } }';

const WORLD: World = {
  sql: [
    `create extension citext; create extension ltree; create type mood as enum ('sad', 'ok', 'happy');
     create table thing (${COLUMNS}, grp int default 1); insert into thing values ${ROWS};
     create table holder (id int primary key, thing_id int, grp int default 1); insert into holder select id, id from thing;`,
  ],
  tables: {
    holder: {
      database: 'pg1',
      relationships: {
        thing: { kind: 'object', to: 'thing', on: { thing_id: 'id' } },
        all: { kind: 'array', to: 'thing', on: { grp: 'grp' } },
      },
    },
    thing: {
      database: 'pg2',
      relationships: {
        holders: { kind: 'array', to: 'holder', on: { id: 'thing_id' } },
        twin: { kind: 'object', to: 'thing', on: { id: 'id' } },
      },
      permissions: Object.fromEntries(
        RULES.map(([filter], i) => [`r${i}`, { columns: ['id'], filter, allow_aggregations: true }]),
      ),
    },
  },
};

let ways: ThreeWays;

beforeAll(async () => {
  for (const role of RULES.keys()) {
    const holder = WORLD.tables['holder'] as { permissions?: Record<string, object> };
    holder.permissions = { ...holder.permissions, [`r${role}`]: { columns: ['id'], filter: {} } };
  }
  ways = await ThreeWays.open(WORLD);
});

afterAll(() => ways?.close());

/** The ids for which each condition holds, by plain SQL. */
async function found(conditions: readonly string[]): Promise<unknown[]> {
  const lists = conditions.map(
    (sql, i) => `(select coalesce(json_agg(id order by id), '[]') from thing where ${sql}) as c${i}`,
  );
  const { rows } = await ways.all.query<Record<string, unknown>>(`select ${lists.join(', ')}`);
  return conditions.map((_, i) => rows[0]?.[`c${i}`]);
}

const idsOf = (list: unknown): readonly number[] => (list as { id: number }[]).map(({ id }) => id);

test('conditions of a request', async () => {
  const fields = CASES.map(
    ([condition], i) => `c${i}: holder(where: {thing: ${condition}}, order_by: {id: asc}) { id }`,
  );
  const answer = await ways.agree(`{ ${fields.join(' ')} }`);
  const wanted = await found(CASES.map(([, sql]) => sql));
  const told = (ids: (i: number) => unknown): unknown => CASES.map(([condition], i) => [condition, ids(i)]);
  expect(told((i) => idsOf(answer[`c${i}`]))).toEqual(told((i) => wanted[i]));
});

test('a pattern is declared as its column is, and several queries of a path as texts', async () => {
  const query = `query ($ci: citext, $ch: bpchar, $paths: [String!]) {
    a: holder(where: {thing: {ci: {_ilike: $ci}}}) { id }
    b: holder(where: {thing: {ch: {_like: $ch}}}) { id }
    c: holder(where: {thing: {path: {_matches_any: $paths}}}) { id }
  }`;
  const variables = { ci: 'he%', ch: 'a%', paths: ['top.science.physics'] };
  const answer = await ways.agree(query, { variables });
  const wanted = await found(["ci ilike 'he%'", "ch like 'a%'", "path ~ 'top.science.physics'"]);
  expect(['a', 'b', 'c'].map((key) => idsOf(answer[key]))).toEqual(wanted);
});

test('rules of a role', async () => {
  const wanted = await found(RULES.map(([, sql]) => sql));
  for (const [i, [rule]] of RULES.entries()) {
    const answer = await ways.agree(HELD, {
      role: `r${i}`,
      session: SESSION,
    });
    expect({ rule, ids: idsOf(answer['holder']) }).toEqual({ rule, ids: wanted[i] });
  }
});

test('an enum value of the session that the type does not have is refused by every route', async () => {
  const moods = RULES.flatMap(([rule], i) => (JSON.stringify(rule).includes('X-Hasura-Mood') ? [i] : []));
  expect(moods).toHaveLength(4);
  const bad = { ...SESSION, 'x-hasura-mood': 'glum', 'x-hasura-moods': '{ok, glum}' };
  for (const i of moods) {
    await refusedEverywhere(
      HELD,
      { role: `r${i}`, session: bad },
      'invalid input value for enum mood: "glum"',
    );
  }
});

async function refusedEverywhere(query: string, asked: Asking, message: string): Promise<void> {
  const ask = [
    ways.together.query(query, asked),
    ways.dealt.query(query, { ...asked, freshness: { fallback: 'stale' } }),
    ways.dealt.query(query, { ...asked, freshness: { noCache: true } }),
  ];
  for (const answer of await Promise.allSettled(ask)) {
    expect(answer).toMatchObject({ reason: { code: 'data-exception', message } });
  }
}

const NO_ID = 'invalid input syntax for type uuid: "no id"';

test.each([
  ['holder(where: {id: {_gt: 100}}) { all(where: {u: {_eq: "no id"}}) { id } }', NO_ID],
  [
    'holder(where: {id: {_gt: 100}}) { thing { id } all(where: {n: {_in: []}, u: {_eq: "no id"}}) { id } }',
    NO_ID,
  ],
  ['holder(where: {id: {_gt: 100}, thing: {u: {_in: ["no id"]}}}) { id }', NO_ID],
  ['holder(where: {thing: {n: {_in: []}, u: {_neq: "no id"}}}) { id }', NO_ID],
  [
    'holder(where: {id: {_gt: 100}}) { all(where: {jb: {_jsonb_path_exists: "$.("}}) { id } }',
    expect.stringMatching('^syntax error .* of jsonpath input$'),
  ],
  ...['{_matches: "a..b"}', '{_matches_any: ["top", "a..b"]}'].map((path) => [
    `holder(where: {id: {_gt: 100}}) { all(where: {path: ${path}}) { id } }`,
    expect.stringMatching('^lquery syntax error'),
  ]),
  [
    'holder(where: {id: {_gt: 100}}) { all(where: {path: {_matches_fulltext: "a &"}}) { id } }',
    'operand syntax error',
  ],
])(
  'a value that its type cannot read is refused by every route, whatever rows there are: %s',
  async (root, message) => {
    await refusedEverywhere(`{ ${root} }`, {}, message);
  },
);

test('so is one of the session', async () => {
  const session = { ...SESSION, 'x-hasura-numbers': '{one}', 'x-hasura-one': 'one' };
  const rules = RULES.flatMap(([rule], i) => (/numbers|one/i.test(JSON.stringify(rule)) ? [i] : []));
  expect(rules).toHaveLength(2);
  for (const i of rules) {
    const asked = { role: `r${i}`, session };
    const query = '{ holder(where: {id: {_gt: 100}}) { id thing { id } } }';
    await refusedEverywhere(query, asked, 'invalid input syntax for type integer: "one"');
  }
});

test('of several values that cannot be read the first is told, whichever database comes upon it', async () => {
  const date = 'thing(where: {d: {_eq: "no date"}}) { holders(where: {id: {_in: ["no number"]}}) { id } }';
  const id = 'holder(where: {thing: {u: {_eq: "no id"}}}) { all(where: {t: {_regex: "("}}) { id } }';
  const noDate = 'invalid input syntax for type date: "no date"';
  await refusedEverywhere(`{ a: ${date} b: ${id} }`, {}, noDate);
  await expect(ways.dealt.explain(`{ a: ${date} b: ${id} }`)).rejects.toMatchObject({ message: noDate });
  await refusedEverywhere(`{ a: ${id} b: ${date} }`, {}, NO_ID);
});

test.each([
  '{ holder(order_by: [{thing: {mood: desc_nulls_last}}, {id: asc}]) { id thing { mood } } }',
  '{ holder(order_by: [{thing: {mood: asc}}, {id: desc}], limit: 3) { id } }',
  '{ holder(order_by: {id: asc}) { thing { ci path by ip cash rng tm j jb mood } } }',
  '{ holder(order_by: {id: asc}) { thing { a: jb(path: "b[1]") b: jb(path: "$.b.c") c: jb(path: "$") d: j(path: "a") e: jb(path: "nope") } } }',
  '{ holder(limit: 2, order_by: {id: asc}) { all_aggregate { aggregate { max { mood t d num cash span ip tm } min { mood ci ts } count(columns: [mood, flag], distinct: true) any: count(columns: flag) sum { n big num f cash } avg { n num } stddev { n } stddev_pop { n } stddev_samp { num } variance { n } var_pop { num } var_samp { n } } nodes { id } } } }',
  '{ holder(limit: 1, order_by: {id: asc}) { all(distinct_on: mood, order_by: [{mood: desc}, {id: asc}]) { id mood } } }',
  '{ holder(order_by: [{all_aggregate: {max: {mood: desc}}}, {all_aggregate: {var_samp: {n: asc}}}, {id: desc}]) { id } }',
  '{ holder(where: {all: {mood: {_gte: "ok"}, holders: {id: {_gt: 3}}}}, order_by: [{thing: {mood: desc}}, {id: asc}]) { id all(where: {mood: {_lt: "happy"}, holders: {id: {_lt: 3}}}, order_by: [{mood: desc}, {id: asc}], limit: 1) { id } } }',
])('%s', async (query) => {
  const text = JSON.stringify(await ways.agree(query));
  expect(text.length).toBeGreaterThan(30);
});

test('several columns are counted as one value, which is there where none of theirs is', async () => {
  const aggregate = 'aggregate { count several: count(columns: [mood, flag]) one: count(columns: mood) }';
  const { holder } = await ways.agree(
    `{ holder(limit: 1, order_by: {id: asc}) { all_aggregate { ${aggregate} } } }`,
  );
  const [first] = holder as { all_aggregate: { aggregate: Record<string, number> } }[];
  const { count = 0, several, one } = first?.all_aggregate.aggregate ?? {};
  expect(several).toBe(count);
  expect(one).toBeLessThan(count);
});

test.each(['_st_contains', '_st_d_within', '_st_intersects'])(
  'without PostGIS %s is no operator',
  async (name) => {
    const query = `{ holder(where: {thing: {by: {${name}: "x"}}}) { id } }`;
    for (const lane of [ways.dealt, ways.together]) {
      await expect(lane.query(query)).rejects.toMatchObject({
        code: 'validation-failed',
        message: `field '${name}' not found in type: 'bytea_comparison_exp'`,
      });
    }
  },
);

test('enums sort as they were declared', async () => {
  const { holder } = await ways.agree(
    '{ holder(order_by: [{thing: {mood: asc}}, {id: asc}]) { thing { mood } } }',
  );
  const moods = (holder as { thing: { mood: string | null } }[]).map(({ thing }) => thing.mood);
  expect(moods).toEqual(['sad', 'ok', 'ok', 'happy', null]);
  const bad = '{ holder(where: {thing: {mood: {_eq: "glum"}}}) { id } }';
  for (const freshness of [{ noCache: true }, { fallback: 'stale' as const }]) {
    await expect(ways.dealt.query(bad, { freshness })).rejects.toMatchObject({
      code: 'data-exception',
      message: 'invalid input value for enum mood: "glum"',
    });
  }
});

test('a source without the extension compares what a text can tell, and asks the target for the rest', async () => {
  const rows = `create table far (id int primary key, ci citext, other citext, path ltree, n int);
    create index on far (n); insert into far values (1, 'Ann', 'ANN', 'a.b', 1), (2, 'bob', 'Ann', 'a', 1)`;
  const [pg1, pg2] = await Promise.all([
    createDatabase('source', ['create table near (id int primary key); insert into near values (1), (2)']),
    createDatabase('target', [`create extension citext; create extension ltree; ${rows}`]),
  ]);
  const using = (on: object) => ({ manual_configuration: { remote_table: 'far', column_mapping: on } });
  const inside = [
    { name: 'same', using: using({ ci: 'ci' }) },
    { name: 'all', using: using({ n: 'n' }) },
  ];
  const alike = { role: 'alike', permission: { columns: '*', filter: { ci: { _ceq: 'other' } } } };
  const lane = await TestLane.open(
    { pg1, pg2 },
    {
      pg1: [
        {
          table: 'near',
          remote_relationships: [toOne('far', 'far', { id: 'id' })],
          select_permissions: [{ role: 'alike', permission: { columns: '*', filter: {} } }],
        },
      ],
      pg2: [{ table: 'far', array_relationships: inside, select_permissions: [alike] }],
    },
  );
  const found = (where: string): string => `{ near(where: {far: ${where}}) { id far { ci path } } }`;
  const ask = (query: string, freshness: object, role = 'admin'): Promise<unknown> =>
    lane.query(query, { freshness, role });
  const cached = { maxStalenessMs: 3_600_000 };
  const first = '{"near":[{"id":1,"far":{"ci":"Ann","path":"a.b"}}]}';
  try {
    await lane.fillCaches();
    expect(await ask(found('{path: {_eq: "a.b"}}'), cached)).toMatchObject({
      text: first,
      targets: [{ route: 'cache' }],
    });
    for (const [query, text, role] of [
      [found('{ci: {_eq: "ANN"}}'), first],
      [found('{path: {_descendant: "a.b"}}'), first],
      [found('{path: {_gt: "a"}}'), first],
      [found('{same: {path: {_eq: "a.b"}}}'), first],
      [found('{}'), first, 'alike'],
      [
        '{ near(where: {id: {_eq: 1}}) { far { all_aggregate { aggregate { count(columns: other, distinct: true) } } } } }',
        '{"near":[{"far":{"all_aggregate":{"aggregate":{"count":1}}}}]}',
      ],
    ] as const) {
      const live = {
        text,
        targets: [{ target: 'pg2', route: 'live', reason: 'bypass', detail: 'type-unknown' }],
      };
      for (const fallback of ['live', 'stale', 'wait', 'error'])
        expect(await ask(query, { ...cached, fallback }, role)).toMatchObject(live);
      expect(await ask(query, { noCache: true }, role)).toMatchObject({ text });
      const [root] = await lane.explain(query, {
        freshness: cached,
        ...(role === undefined ? {} : { role }),
      });
      expect(root?.targets).toMatchObject([{ route: 'live', reason: 'type-unknown' }]);
    }
    for (const freshness of [{ ...cached, fallback: 'wait' }, { noCache: true }])
      await expect(ask(found('{ci: {_gt: "a"}}'), freshness)).rejects.toMatchObject({
        code: 'not-supported',
        message: expect.stringContaining('create the extension of "citext"'),
      });
  } finally {
    await lane.close();
    await Promise.all([pg1.drop(), pg2.drop()]);
  }
});
