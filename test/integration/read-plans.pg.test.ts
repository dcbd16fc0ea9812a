import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { indexSql } from '../../src/cache/table/ddl.ts';
import { NO_TYPES } from '../../src/catalog/type/held-type.ts';
import type { Param, Predicate, QueryPlan, RootField, Select } from '../../src/plan/plan.ts';
import { gapsOf } from '../../src/read/live/find-gaps.ts';
import { settingsQuery } from '../../src/read/wire/connect.ts';
import { fetchStatement } from '../../src/sql/live/fetch-rows.ts';
import { fillStatement } from '../../src/sql/live/fill-gaps.ts';
import { keysStatement } from '../../src/sql/live/join-keys.ts';
import { ownTables } from '../../src/sql/place/leaf.ts';
import { type Gap, placeOf } from '../../src/sql/shape/gap.ts';
import type { Statement, Together } from '../../src/sql/statement.ts';
import { toStatement } from '../../src/sql/to-statement.ts';
import { TestLane } from '../support/lane.ts';
import { toMany, toOne } from '../support/leading-to.ts';
import { poll } from '../support/poll.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { rowsRead, type Scan, scansOf } from '../support/query-plan.ts';
import { planFor } from '../unit/plan/plan-for.ts';

// Statements over tables that punish a wrong shape: what Postgres read, by its own account, under the generic plans we use.

const COUNTRY = { user: { country: { _eq: 'X-Hasura-Country' } } };

const SEEN = { columns: '*', filter: {}, allow_aggregations: true };
const LISTED = { _or: [{ stars: { _in: 'X-Hasura-Stars' } }, { id: { _lt: 0 } }] };

const local = (name: string, remote_table: string, column_mapping: Record<string, string>): unknown => ({
  name,
  using: { manual_configuration: { remote_table, column_mapping } },
});
const TABLES = {
  pg1: [
    {
      table: 'orders',
      remote_relationships: [toOne('user', 'users', { user_id: 'id' })],
      select_permissions: [{ role: 'clerk', permission: { columns: '*', filter: COUNTRY } }],
    },
    {
      table: 'products',
      remote_relationships: [toMany('reviews', 'reviews', { id: 'product_id' })],
      select_permissions: [{ role: 'lister', permission: SEEN }],
    },
  ],
  pg2: [
    { table: 'users', select_permissions: [{ role: 'clerk', permission: { columns: '*', filter: {} } }] },
    {
      table: 'reviews',
      object_relationships: [local('user', 'users', { user_id: 'id' })],
      select_permissions: [{ role: 'lister', permission: { ...SEEN, filter: LISTED } }],
    },
  ],
};

const ORDERS = `insert into orders select i, 1 + i * 7919 % 40000, (array['open', 'paid'])[1 + i % 2], i % 100, 'note'
  from generate_series(1, 100000) i`;
const PRODUCTS = `insert into products select i, 'product ' || i from generate_series(1, 20000) i`;
const users = (table: string): string =>
  `insert into ${table} (id, name, country) select i, 'user ' || md5(i::text), 'c' || i % 200 from generate_series(1, 40000) i`;
const reviews = (table: string): string =>
  `insert into ${table} (id, product_id, user_id, stars, created_at) select i, 1 + i * 31 % 20000, 1 + i * 17 % 40000, 1 + i % 5,
     timestamptz '2024-01-01' + i * 13 % 50000 * interval '1 minute' from generate_series(1, 200000) i`;

let pg1: TestDatabase;
let pg2: TestDatabase;
let lane: TestLane;
const relations = new Map<string, string>();
const relationOf = (table: string): string => relations.get(table) ?? '';

beforeAll(async () => {
  [pg1, pg2] = await Promise.all([
    createDatabase('source', [
      'create table orders (id int primary key, user_id int not null, status text not null, total int, note text)',
      'create table products (id int primary key, name text not null)',
    ]),
    createDatabase('target', [
      'create table users (id int primary key, name text not null, country text not null)',
      'create table reviews (id int primary key, product_id int, user_id int, stars int, created_at timestamptz)',
      'create index on users (country, name)',
      'create index on reviews (product_id)',
    ]),
  ]);
  lane = await TestLane.open({ pg1, pg2 }, TABLES);
  await lane.fillCaches();
  await Promise.all([fillSource(), fillTarget()]);
});

afterAll(async () => {
  await lane?.close();
  await Promise.all([pg1?.drop(), pg2?.drop()]);
});

async function fillSource(): Promise<void> {
  for (const statement of [
    ORDERS,
    PRODUCTS,
    'create index on orders (user_id)',
    'create index on orders (status, id)',
  ])
    await pg1.query(statement);
  const { rows } = await pg1.query<{ table_name: string; relation: string; columns: Held[] }>(
    'select table_name, relation, columns from nearjoin.cache_table',
  );
  for (const { table_name, relation, columns } of rows) {
    relations.set(table_name, relation);
    await pg1.query((table_name === 'users' ? users : reviews)(`nearjoin.${pg.escapeIdentifier(relation)}`));
    const lookups = lane.catalog.wanted.find(({ table }) => table.ref.name === table_name)?.lookups ?? [];
    const mirrored = table_name === 'users' ? [['country', 'name']] : [['product_id']];
    const wishes = { lookups, mirrored: mirrored.map((index) => index.map(ascending)) };
    const shape = { relation, columns: columns.map((column) => ({ ...column, oid: 0 })), key: ['id'] };
    for (const statement of indexSql(shape, wishes, [])) await pg1.query(statement);
  }
  await pg1.query('vacuum analyze');
}

interface Held {
  readonly name: string;
  readonly type: string;
}

const ascending = (name: string) => ({ name, descending: false, nullsFirst: false });

async function fillTarget(): Promise<void> {
  for (const statement of [users('users'), reviews('reviews'), 'vacuum analyze']) await pg2.query(statement);
}

/** Runs a statement under its generic plan, and returns what it scanned. */
async function scanned(
  database: TestDatabase,
  text: string,
  values: readonly string[],
): Promise<readonly Scan[]> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    await client.query(settingsQuery(60_000));
    await client.query(`prepare q as ${text}`);
    const list = values.length === 0 ? '' : `(${values.map((value) => pg.escapeLiteral(value)).join(', ')})`;
    const { rows } = await client.query(`explain (analyze, timing off, format json) execute q${list}`);
    return scansOf(rows[0]['QUERY PLAN'][0].Plan);
  } finally {
    await client.end();
  }
}

interface Asked {
  readonly query: string;
  readonly role?: string;
  readonly session?: Readonly<Record<string, string>>;
}

async function scannedFromCache({ query, role = 'admin', session = {} }: Asked): Promise<readonly Scan[]> {
  const [root] = await lane.explain(query, { role, session, freshness: { fallback: 'stale' } });
  const { params } = planFor({ query, role, session, catalog: lane.catalog });
  const values = params.map(({ from }) =>
    from.kind === 'value' ? from.value : from.kind === 'session' ? (session[from.name] ?? '') : '',
  );
  return scanned(pg1, root?.sql ?? '', values);
}

const W1 = '{ orders_by_pk(id: 77) { id total user { id name } } }';
const W2 =
  '{ orders(where: {status: {_eq: "open"}}, order_by: {id: asc}, limit: 50) { id user { id name } } }';
const W3 =
  '{ products(where: {id: {_gt: 700}}, order_by: {id: asc}, limit: 20) { id reviews(order_by: [{created_at: desc}, {id: asc}], limit: 5) { id stars user { name } } } }';
const W4 =
  '{ orders(where: {id: {_gt: 70}}, order_by: {id: asc}, limit: 2000) { id note user { id name } } }';
const W5 =
  '{ orders(where: {user: {country: {_eq: "c7"}}}, order_by: [{user: {name: asc}}, {id: asc}], limit: 20) { id user { id name } } }';

const CACHED: readonly (readonly [what: string, asked: Asked, mostRows: number])[] = [
  ['a row by its key', { query: W1 }, 3],
  ['a page', { query: W2 }, 160],
  ['a later page', { query: W2.replace('limit: 50', 'limit: 50, offset: 500') }, 610],
  ['the newest of each', { query: W3 }, 400],
  [
    'the first of each in the default order',
    { query: '{ products(order_by: {id: asc}, limit: 20) { reviews(limit: 3) { id } } }' },
    100,
  ],
  ['a long list', { query: W4 }, 4_010],
  ['a filter, an order and a selection through one relationship', { query: W5 }, 1_000],
  [
    'aggregates of related rows',
    {
      query:
        '{ products(order_by: {id: asc}, limit: 20) { reviews_aggregate { aggregate { count avg { stars } } } } }',
    },
    300,
  ],
  [
    'an order by a count of related rows',
    {
      query:
        '{ products(where: {id: {_in: [1, 2, 3, 4, 5]}}, order_by: [{reviews_aggregate: {count: desc}}, {id: asc}]) { id } }',
    },
    100,
  ],
  [
    'a filter by related rows',
    { query: '{ products(where: {reviews: {stars: {_eq: 5}}}, order_by: {id: asc}, limit: 20) { id } }' },
    3_000,
  ],
  [
    'a filter by a count of related rows',
    {
      query:
        '{ products(where: {reviews_aggregate: {count: {predicate: {_gt: 3}}}}, order_by: {id: asc}, limit: 20) { id } }',
    },
    1_000,
  ],
  [
    'a row rule through another database',
    {
      query: '{ orders(order_by: {id: asc}, limit: 20) { id } }',
      role: 'clerk',
      session: { 'x-hasura-country': 'c7' },
    },
    10_000,
  ],
  [
    'an aggregate of rows found through another database',
    {
      query:
        '{ orders_aggregate(where: {user: {country: {_eq: "c7"}, name: {_eq: "nobody"}}}) { aggregate { count sum { total } } } }',
    },
    10,
  ],
];

test('a list that is the whole answer is made at the top of the plan, where nothing copies its text', async () => {
  const query = '{ orders(order_by: {id: asc}, limit: 2000) { id note user { id name } } }';
  const [root] = await lane.explain(query, { role: 'admin', freshness: { fallback: 'stale' } });
  const { rows } = await pg1.query<Explained>(`explain (format json) ${root?.sql}`);
  expect(rows[0]?.['QUERY PLAN'][0]?.Plan['Node Type']).toBe('Aggregate');
});

interface Explained {
  readonly 'QUERY PLAN': readonly { readonly Plan: { readonly 'Node Type': string } }[];
}

test.each(CACHED)('from the cache, %s', async (_, asked, mostRows) => {
  const scans = await scannedFromCache(asked);
  expect(scans.filter(({ node, rows }) => node === 'Seq Scan' && rows > 100)).toEqual([]);
  expect(rowsRead(scans)).toBeLessThanOrEqual(mostRows);
});

test.each([
  ['rows by their keys', W1, '{77,78,79,80}', 8],
  ['pages', W2, '{open,paid,open,paid}', 640],
  ['lists of lists', W3, '{70,700,7000,9}', 1_600],
  ['lists found through a relationship', W5, '{c7,c8,c9,c10}', 4_000],
])('%s asked for together are read as one is', async (_, query, values, mostRows) => {
  const together = togetherWith(query);
  const scans = await scanned(pg1, together?.text ?? '', [values]);
  expect(scans.filter(({ node, rows }) => node === 'Seq Scan' && rows > 100)).toEqual([]);
  expect(rowsRead(scans)).toBeLessThanOrEqual(mostRows);
  expect(together?.isLookUp).toBe(query === W1);
});

test.each([
  ['orders', '{total: {_in: $list}}', 60_000],
  ['orders', '{total: {_nin: $list}}', 40_000],
  ['products', '{reviews: {stars: {_in: $list}}}', 20_000],
])(
  'a row of %s is looked up in a long list, not compared with all of it: %s',
  async (table, where, count) => {
    const list = Array.from({ length: 60 }, (_, i) => i);
    const query = `query ($list: [Int!]) { ${table}_aggregate(where: ${where}) { aggregate { count } } }`;
    const asking = { variables: { list }, freshness: { fallback: 'stale' } } as const;
    const [root] = await lane.explain(query, asking);
    expect(root?.plan?.join('\n')).toMatch(/Hash.*Semi Join|hashed SubPlan/);
    expect(root?.plan?.join('\n')).not.toContain('ANY ($');
    expect(JSON.parse((await lane.query(query, asking)).text)).toEqual({
      [`${table}_aggregate`]: { aggregate: { count } },
    });
  },
);

test.each([
  ['reviews_aggregate', '', 120_000],
  ['products_aggregate', '(where: {reviews: {}})', 12_000],
])(
  'a row is looked up among many values of a session, and compared with few: %s',
  async (root, where, count) => {
    const query = `{ ${root}${where} { aggregate { count } } }`;
    const many = Array.from({ length: 5_000 }, (_, i) => 3 + i);
    for (const [list, isLookedUp] of [
      [many, true],
      [[3, 4, 5], false],
    ] as const) {
      const session = { 'x-hasura-stars': `{${list.join()}}` };
      const asking = { role: 'lister', session, freshness: { fallback: 'stale' } } as const;
      const [explained] = await lane.explain(query, asking);
      expect(explained?.plan?.join('\n').includes('hashed SubPlan')).toBe(isLookedUp);
      expect(explained?.sql?.includes('any(')).toBe(!isLookedUp);
      expect(JSON.parse((await lane.query(query, asking)).text)).toEqual({
        [root]: { aggregate: { count } },
      });
    }
  },
);

test('requests of one turn that share an execution have the answers they have alone', async () => {
  const freshness = { fallback: 'stale' } as const;
  const asking = Array.from({ length: 24 }, (_, i) => ({
    query: `{ orders(where: {id: {_gt: ${i * 1000}}}, order_by: {id: asc}, limit: 3) { id user { id country } } }`,
    role: i < 12 ? 'clerk' : 'admin',
    session: { 'x-hasura-country': `c${i % 5}` },
    freshness,
  }));
  const alone: string[] = [];
  for (const { query, ...asked } of asking) alone.push((await lane.query(query, asked)).text);
  expect(new Set(alone).size).toBe(24);
  await poll('an execution for several', async () => {
    // The planner takes lists found through a relationship for too much work: the others come last.
    for (const from of [0, 12]) {
      const turn = asking.slice(from, from + 12);
      const answers = await Promise.all(turn.map(({ query, ...asked }) => lane.query(query, asked)));
      expect(answers.map(({ text }) => text)).toEqual(alone.slice(from, from + 12));
      expect(answers.every(({ targets }) => targets[0]?.position === 1n)).toBe(true);
    }
    const { rows } = await pg1.query<{ query: string }>(
      `select query from pg_stat_activity where datname = current_database() and application_name = 'nearjoin'
         and query like 'select%"orders"%asked.p1%'`,
    );
    return rows.length > 0;
  });
});

test('what brings lists or patterns, or nothing, is asked for alone', () => {
  for (const where of ['id: {_in: [1, 2]}', 'status: {_like: "o%"}', ''])
    expect(togetherWith(`{ orders(where: {${where}}) { id } }`)).toBeNull();
});

/** What answers several requests at once. */
function togetherWith(query: string): Together | null {
  const { roots, params } = planFor({ query, catalog: lane.catalog });
  const statement = toStatement({
    source: 'pg1',
    roots,
    result: 'answer',
    params,
    known: NO_TYPES,
    leaves: (table) => {
      if (table.source === 'pg1') return { kind: 'table' };
      return { kind: 'cache', relation: relationOf(table.ref.name), columns: [] };
    },
    gaps: new Set(),
    stringifyNumbers: false,
    watermarks: [],
  });
  return statement.together;
}

interface LivePlan {
  readonly plan: QueryPlan;
  readonly gaps: readonly Gap[];
  readonly final: Statement;
  readonly fill: Statement;
}

/** The two statements of a live answer that leaves gaps. */
function livePlan(query: string): LivePlan {
  const plan = planFor({ query, catalog: lane.catalog });
  const gaps = gapsOf(plan.roots, ({ source }) => source === 'pg2') ?? [];
  const common = { source: 'pg1', params: plan.params, stringifyNumbers: false };
  const open = new Set(gaps.map(({ field }) => placeOf(field).id));
  const roots: readonly RootField[] = plan.roots;
  const final = toStatement({
    ...common,
    roots,
    known: NO_TYPES,
    result: 'answer',
    leaves: ownTables,
    gaps: open,
    watermarks: [],
  });
  return { plan, gaps, final, fill: fillStatement({ ...common, gaps }) };
}

interface Most {
  /** Keys that the target is asked for. */
  readonly keys: number;
  /** Rows read in each database. */
  readonly source: number;
  readonly target: number;
}

const LIVE: readonly (readonly [what: string, query: string, most: Most])[] = [
  ['a row by its key', W1, { keys: 1, source: 1, target: 1 }],
  ['a page', W2, { keys: 50, source: 110, target: 50 }],
  ['the newest of each', W3, { keys: 20, source: 20, target: 400 }],
  ['a long list', W4, { keys: 2_000, source: 2_000, target: 2_000 }],
];

test.each(LIVE)('live, %s', async (_, query, most) => {
  const { plan, gaps, final, fill } = livePlan(query);
  expect(gaps).toHaveLength(1);
  const value = (index: number): string => {
    const from = plan.params[index]?.from;
    return from?.kind === 'value' ? from.value : '';
  };
  const array = `{${Array.from({ length: most.keys }, (_key, i) => 1 + i).join()}}`;
  const bound = ({ parameters }: Statement): readonly string[] =>
    parameters.map((slot) => (slot.kind === 'plan' ? value(slot.index) : array));
  const source = await scanned(pg1, final.text, bound(final));
  const target = await scanned(pg2, fill.text, bound(fill));
  expect([...source, ...target].filter(({ node }) => node === 'Seq Scan')).toEqual([]);
  expect(rowsRead(source)).toBeLessThanOrEqual(most.source);
  expect(rowsRead(target)).toBeLessThanOrEqual(most.target);
});

interface Part {
  readonly select: Select;
  readonly exists: Extract<Predicate, { kind: 'exists' }>;
  readonly params: readonly Param[];
}

/** The first root of a plan, and the relationship that its filter follows. */
function filteredPart(query: string): Part {
  const { roots, params } = planFor({ query, catalog: lane.catalog });
  const [root] = roots;
  if (root?.kind !== 'list' || root.select.where.kind !== 'exists') throw new Error('not a filtered list');
  return { select: root.select, exists: root.select.where, params };
}

test('live, rows fetched by their filter or by keys are found by an index', async () => {
  const { exists, params } = filteredPart(W5);
  const { to, where, join } = exists;
  const columns = to.columns.map(({ name, type }) => ({ name, type: type.sql }));
  const common = { table: to, columns, where, about: null, marked: [], perKey: null, limit: 10_000, params };
  const byFilter = fetchStatement({ ...common, on: null });
  expect(await scanned(pg2, byFilter.text, ['c7'])).toEqual([
    { node: expect.stringContaining('Heap Scan'), relation: 'users', rows: 200 },
  ]);
  const byKeys = fetchStatement({ ...common, on: join.on });
  const bound = byKeys.parameters.map((slot) => (slot.kind === 'plan' ? 'c7' : '{1,2,3,4,5,6,7,8}'));
  const scans = await scanned(pg2, byKeys.text, bound);
  expect(scans.filter(({ node }) => node === 'Seq Scan')).toEqual([]);
  expect(rowsRead(scans)).toBeLessThanOrEqual(16);
});

test('live, the keys of few rows are asked for without reading more of them', async () => {
  const { select, exists, params } = filteredPart(W5);
  const statement = keysStatement({
    source: 'pg1',
    chain: [{ rows: { ...select, where: { kind: 'true' }, orderBy: [], limit: 50 }, join: null }],
    on: exists.join.on,
    marks: [],
    held: [],
    limit: 10_000,
    rowLimit: 1001,
    chunk: 1000,
    params,
    leaves: ownTables,
  });
  expect(rowsRead(await scanned(pg1, statement.text, []))).toBe(50);
});
