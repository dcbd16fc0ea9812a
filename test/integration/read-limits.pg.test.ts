import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestLane } from '../support/lane.ts';
import { toMany, toOne } from '../support/leading-to.ts';
import { poll } from '../support/poll.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

// Live answers whose filters lead through other databases, with far more parents than keys are allowed.

const KEYS = 8;

const [IN_PG1, IN_PG2, IN_PG3] = ['pg1', 'pg2', 'pg3'].map((source) => ({
  source,
  nearjoin: { follow: 'all' },
}));
const HEAVY = {
  _exists: { _table: { source: 'pg2', schema: 'public', name: 'mass' }, _where: { id: { _gt: 2400 } } },
};
const readableIf = (filter: object): object => ({
  select_permissions: [{ role: 'reader', permission: { columns: '*', computed_fields: [], filter } }],
});
const TABLES = {
  pg1: [
    {
      table: 'sale',
      ...readableIf({}),
      remote_relationships: [
        toOne('buyer', 'person', { person_id: 'id' }, IN_PG2),
        toMany('members', 'person', { shop_id: 'club_id' }, IN_PG2),
        toOne('shop', 'shop', { shop_id: 'id' }, IN_PG3),
      ],
    },
    { table: 'visit', remote_relationships: [toOne('mass', 'mass', { mass_id: 'id' }, IN_PG2)] },
  ],
  pg2: [
    {
      table: 'person',
      computed_fields: [{ name: 'label', definition: { function: 'label' } }],
      select_permissions: [
        { role: 'reader', permission: { columns: '*', computed_fields: ['label'], filter: {} } },
      ],
      object_relationships: [
        {
          name: 'club',
          using: { manual_configuration: { remote_table: 'club', column_mapping: { club_id: 'id' } } },
        },
      ],
      remote_relationships: [
        toOne('town', 'town', { town_id: 'id' }, IN_PG3),
        toMany('sales', 'sale', { id: 'person_id' }, IN_PG1),
      ],
    },
    { table: 'mass', ...readableIf({}) },
    { table: 'club', remote_relationships: [toOne('town', 'town', { town_id: 'id' }, IN_PG3)] },
  ],
  pg3: [
    { table: 'town', ...readableIf({ _or: [{ id: { _lt: 6 } }, HEAVY] }) },
    { table: 'shop', remote_relationships: [toMany('sales', 'sale', { id: 'shop_id' }, IN_PG1)] },
  ],
};

let databases: readonly TestDatabase[] = [];
let lane: TestLane;
let cramped: TestLane;

beforeAll(async () => {
  databases = await Promise.all([
    createDatabase('source', [
      'create table sale (id int primary key, person_id int, shop_id int, total int not null)',
      'insert into sale select i, nullif(i % 41, 0), nullif(i % 31, 0), i from generate_series(1, 200) i',
      'create table visit (id int primary key, mass_id int not null)',
      'insert into visit select i, i from generate_series(1, 2500) i',
    ]),
    createDatabase('target', [
      'create table mass (id int primary key, note text not null)',
      `insert into mass values (7, 'b'), (2400, 'a')`,
      'create table club (id int primary key, town_id int)',
      'insert into club select i, i % 21 from generate_series(1, 20) i',
      'create table person (id int primary key, town_id int, club_id int, active boolean not null)',
      'insert into person select i, nullif(i % 21, 0), i % 20, i % 2 = 0 from generate_series(1, 40) i',
      `create function label(person) returns text stable language sql as $$ select 'person ' || $1.id $$`,
    ]),
    createDatabase('source', [
      'create table town (id int primary key, name text not null)',
      `insert into town select i, 'town ' || i from generate_series(1, 20) i`,
      'create table shop (id int primary key, name text not null)',
      `insert into shop select i, 'shop ' || i from generate_series(1, 30) i`,
    ]),
  ]);
  const [pg1, pg2, pg3] = databases as [TestDatabase, TestDatabase, TestDatabase];
  lane = await TestLane.open({ pg1, pg2, pg3 }, TABLES);
  await lane.fillCaches();
  cramped = await TestLane.open({ pg1, pg2, pg3 }, TABLES, { liveKeyLimit: KEYS, liveProbeRows: 4 });
});

afterAll(async () => {
  await Promise.all([lane?.close(), cramped?.close()]);
  await Promise.all(databases.map((database) => database.drop()));
});

const LIVE = { freshness: { noCache: true } };
const ask = (where: string): string => `{ sale(where: ${where}, order_by: {id: asc}) { id } }`;

test.each([
  ['through two databases in a row', '{buyer: {town: {name: {_eq: "town 3"}}}}'],
  ['through two tables of one database to another', '{buyer: {club: {town: {name: {_eq: "town 3"}}}}}'],
  ['out and back again', '{buyer: {sales: {total: {_eq: 77}}}}'],
  [
    'through two databases, of which only the second says little enough',
    '{buyer: {active: {_eq: true}}, shop: {name: {_eq: "shop 5"}}}',
  ],
  [
    'the same the other way round',
    '{_and: [{shop: {name: {_eq: "shop 5"}}}, {buyer: {active: {_eq: true}}}]}',
  ],
  [
    'where neither is enough but both together with a third',
    '{buyer: {active: {_eq: true}, town: {name: {_eq: "town 4"}}}, shop: {name: {_neq: "shop 4"}}}',
  ],
  ['on either side', '{_or: [{buyer: {town: {name: {_eq: "town 3"}}}}, {shop: {name: {_eq: "shop 9"}}}]}'],
  ['to what must not be', '{_not: {buyer: {town: {name: {_eq: "town 3"}}}}}'],
])('a filter %s is answered within the limit', async (_, where) => {
  const cached = await lane.query(ask(where), { freshness: { fallback: 'stale' } });
  const live = await cramped.query(ask(where), LIVE);
  expect(live.text).toBe(cached.text);
  expect(JSON.parse(live.text).sale.length).toBeGreaterThan(0);
});

test('rows that were filtered where their fields are computed are ordered, and show others, by rows of a third database', async () => {
  const query = (field: string): string => `{ sale(where: {id: {_lt: 9}}, order_by: {id: asc}) {
    members(where: {town: {}}, order_by: [{town: {name: desc}}, {id: asc}]) { ${field} town { name } }
  } }`;
  const reader = { role: 'reader', freshness: { fallback: 'stale' } } as const;
  const cached = await lane.query(query('label: id'), reader);
  expect(cached.targets.map(({ route }) => route)).not.toContain('live');
  const computed = await lane.query(query('label'), { ...reader, ...LIVE });
  expect(computed.text).toBe(cached.text.replaceAll(/"label":(\d+)/g, '"label":"person $1"'));
  expect(computed.text).toContain('"person 22","town":{"name":"town 1"}');
});

test.each([
  ['{buyer: {active: {_eq: true}}}', '"person" of "pg2" for relationship "buyer"'],
  ['{shop: {}, buyer: {active: {_eq: false}}}', '"shop" of "pg3" for relationship "shop"'],
  ['{buyer: {town: {name: {_neq: "town 3"}}}}', '"person" of "pg2" for relationship "buyer"'],
])('a filter that nothing bounds is refused, never cut: %s', async (where, what) => {
  await expect(cramped.query(ask(where), LIVE)).rejects.toMatchObject({
    code: 'live-limit-exceeded',
    message: `a live answer would need more than ${KEYS} rows or different keys in ${what}: filter or limit the rows, or allow the cache to answer`,
  });
});

test('rows are looked up by thousands of keys, some at a time, and refused where they are too many together, never cut', async () => {
  const [pg1, pg2, pg3] = databases as [TestDatabase, TestDatabase, TestDatabase];
  const query = '{ visit(order_by: [{mass: {note: asc_nulls_last}}, {id: asc}], limit: 3) { id } }';
  const within = async (liveRowLimit: number): Promise<string> => {
    const limited = await TestLane.open({ pg1, pg2, pg3 }, TABLES, { liveRowLimit });
    try {
      return (await limited.query(query, LIVE)).text;
    } finally {
      await limited.close();
    }
  };
  expect(await within(2)).toBe('{"visit":[{"id":2400},{"id":7},{"id":1}]}');
  await expect(within(1)).rejects.toMatchObject({
    code: 'live-limit-exceeded',
    message: expect.stringContaining('more than 1 rows in "mass" of "pg2" for relationship "mass"'),
  });
});

const MANY_CONDITIONS = Array.from({ length: 16 }, (_, i) => `{buyer: {id: {_gt: ${-i}}}}`).join(', ');

/** A table that is locked, and the statements of answers that wait for it. */
async function locked(database: TestDatabase, table: string) {
  const WAITING = `pg_stat_activity where datname = current_database() and application_name = 'nearjoin' and wait_event_type = 'Lock'`;
  const holder = new pg.Client({ connectionString: database.url });
  await holder.connect();
  await holder.query('begin');
  await holder.query(`lock table ${table} in access exclusive mode`);
  return {
    waiting: async () => (await database.query(`select from ${WAITING}`)).rows.length > 0,
    cancel: () => database.query(`select pg_cancel_backend(pid) from ${WAITING}`),
    free: () => holder.end(),
  };
}

test.each([
  [
    'relationships into several databases',
    '{ sale(order_by: {id: asc}, limit: 3) { buyer { active } shop { name } } }',
    { at: 1, table: 'person', other: 'shop' },
  ],
  [
    'root fields of several databases',
    '{ sale(limit: 3) { id } town(limit: 3) { id } }',
    { at: 0, table: 'sale', other: 'town' },
  ],
  [
    'relationships whose rows are fetched',
    '{ sale(limit: 3) { members(where: {town: {}}) { id } shop { sales(limit: 1) { id } } } }',
    { at: 1, table: 'person', other: 'shop' },
  ],
  [
    'orderings',
    '{ sale(order_by: [{buyer: {active: asc}}, {shop: {name: asc}}], limit: 3) { id } }',
    { at: 1, table: 'person', other: 'shop' },
  ],
  [
    'alternatives of a filter',
    `{ sale(where: {_or: [{buyer: {active: {_eq: true}}}, {shop: {id: {_gt: 0}}}]}) { id } }`,
    { at: 1, table: 'person', other: 'shop' },
  ],
  [
    'conditions behind very many others',
    `{ sale(where: {_and: [${MANY_CONDITIONS}, {buyer: {club: {id: {_gt: 0}}}}, {shop: {id: {_gt: 0}}}]}) { id } }`,
    { at: 1, table: 'club', other: 'shop' },
  ],
])(
  'what a failed answer asked of the others is cancelled there: %s',
  async (_what, text, { at, table, other }) => {
    const [first, second] = [databases[at], databases[2]] as [TestDatabase, TestDatabase];
    const failing = await locked(first, table);
    const needless = await locked(second, other);
    try {
      const refused = expect(lane.query(text, LIVE)).rejects.toMatchObject({ code: 'timed-out' });
      await poll('both to wait', async () => (await failing.waiting()) && (await needless.waiting()));
      await failing.cancel();
      await refused;
      await poll('nothing to wait any more', async () => !(await needless.waiting()));
    } finally {
      await failing.free();
      await needless.free();
    }
  },
);

test('an aborted live answer is cancelled on the target', async () => {
  const [, pg2] = databases as [TestDatabase, TestDatabase];
  const { waiting, free } = await locked(pg2, 'person');
  try {
    const abort = new AbortController();
    const asked = cramped.query(ask('{buyer: {town: {name: {_eq: "town 3"}}}}'), {
      ...LIVE,
      signal: abort.signal,
    });
    await poll('the live answer to wait for the table', waiting);
    abort.abort(new Error('client gone'));
    await expect(asked).rejects.toMatchObject({ message: 'client gone' });
    await poll('nothing to wait for it any more', async () => !(await waiting()));
  } finally {
    await free();
  }
  await expect(cramped.query(ask('{shop: {name: {_eq: "shop 5"}}}'), LIVE)).resolves.toBeDefined();
});
