import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Asking, TestLane } from '../support/lane.ts';
import { crosses, MODEL, TABLES, type TableName } from '../support/orders-model.ts';
import { write } from '../support/orders-writes.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

// Where tables are must not matter: the same operations over one database and over two, cached and live.

type Permission = readonly [role: string, permission: Record<string, unknown>];

const REVIEWS_OF_DONE_ORDERS = { order: { status: { _eq: 'done' } } };
const PERMISSIONS: Partial<Record<TableName, readonly Permission[]>> = {
  orders: [
    [
      'clerk',
      {
        columns: ['id', 'status', 'user_id'],
        filter: { user: { active: { _eq: true } } },
        allow_aggregations: true,
      },
    ],
    ['owner', { columns: '*', filter: { user_id: { _eq: 'X-Hasura-User-Id' } }, limit: 3 }],
  ],
  users: [
    [
      'clerk',
      {
        columns: ['id', 'name'],
        filter: { _or: [{ country: { code: { _eq: 'de' } } }, { name: { _is_null: false } }] },
        allow_aggregations: true,
      },
    ],
    ['owner', { columns: '*', filter: { id: { _eq: 'X-Hasura-User-Id' } } }],
  ],
  reviews: [
    [
      'clerk',
      {
        columns: ['id', 'stars', 'order_id'],
        filter: REVIEWS_OF_DONE_ORDERS,
        limit: 2,
        allow_aggregations: true,
      },
    ],
    [
      'owner',
      {
        columns: '*',
        filter: {
          _exists: {
            _table: { schema: 'public', name: 'users' },
            _where: { id: { _ceq: ['$', 'user_id'] } },
          },
        },
      },
    ],
  ],
};

let databases: Record<'pg1' | 'pg2' | 'all', TestDatabase>;
let dealt: TestLane;
let cramped: TestLane;
let together: TestLane;

beforeAll(async () => {
  const ddl = (tables: readonly TableName[]): string[] => tables.map((table) => MODEL[table].ddl);
  const [pg1, pg2, all] = await Promise.all([
    createDatabase('source', ddl(inDatabase('pg1'))),
    createDatabase('target', ddl(inDatabase('pg2'))),
    createDatabase('source', ddl(TABLES)),
  ]);
  databases = { pg1, pg2, all };
  for (const { database, statements } of fc.sample(write, { numRuns: 200, seed: 20 })) {
    const kept = statements.filter((text) => !/^(truncate|delete)/.test(text)).join(';\n');
    for (const to of [databases[database], all]) await to.query(kept);
  }
  const tables = {
    pg1: inDatabase('pg1').map((table) => metadataOf(table, true)),
    pg2: inDatabase('pg2').map((table) => metadataOf(table, true)),
  };
  dealt = await TestLane.open({ pg1, pg2 }, tables);
  await dealt.fillCaches();
  cramped = await TestLane.open({ pg1, pg2 }, tables, { liveInlineRows: 0, liveProbeRows: 1 });
  together = await TestLane.open({ pg1: all }, { pg1: TABLES.map((table) => metadataOf(table, false)) });
});

afterAll(async () => {
  await Promise.all([dealt?.close(), cramped?.close(), together?.close()]);
  await Promise.all(Object.values(databases ?? {}).map((database) => database.drop()));
});

function inDatabase(database: 'pg1' | 'pg2'): readonly TableName[] {
  return TABLES.filter((table) => MODEL[table].database === database);
}

function metadataOf(table: TableName, isDealt: boolean): unknown {
  const local = { object: [] as unknown[], array: [] as unknown[] };
  const remote: unknown[] = [];
  for (const [name, to] of Object.entries(MODEL[table].relationships)) {
    if (isDealt && crosses(table, to)) {
      const to_source = {
        relationship_type: to.kind,
        source: MODEL[to.to].database,
        table: to.to,
        field_mapping: to.on,
        nearjoin: { follow: 'all' },
      };
      remote.push({ name, definition: { to_source } });
    } else {
      local[to.kind].push({
        name,
        using: { manual_configuration: { remote_table: to.to, column_mapping: to.on } },
      });
    }
  }
  return {
    table,
    object_relationships: local.object,
    array_relationships: local.array,
    remote_relationships: remote,
    select_permissions: (PERMISSIONS[table] ?? []).map(([role, permission]) => ({ role, permission })),
  };
}

async function agree(query: string, asking: Asking = {}): Promise<unknown> {
  const expected = await together.query(query, asking);
  const cached = await dealt.query(query, { ...asking, freshness: { fallback: 'stale' } });
  const live = await dealt.query(query, { ...asking, freshness: { noCache: true } });
  const other = await cramped.query(query, { ...asking, freshness: { noCache: true } });
  expect(cached.text).toBe(expected.text);
  expect(live.text).toBe(expected.text);
  expect(other.text).toBe(expected.text);
  return JSON.parse(expected.text);
}

const AGGREGATE =
  'aggregate { count any: count(columns: stars) different: count(columns: [stars, body], distinct: true) sum { stars } avg { stars } max { body stars } min { stars } stddev { stars } }';

const QUERIES: Readonly<Record<string, string>> = {
  'aggregates of related rows': `{ orders(order_by: {id: asc}) { id reviews_aggregate(order_by: {id: asc}) { ${AGGREGATE} nodes { id } } } }`,
  'aggregates with arguments': `{ orders(order_by: {id: asc}) { id reviews_aggregate(where: {stars: {_gt: 2}}, order_by: [{stars: desc}, {id: asc}], limit: 2) { ${AGGREGATE} nodes { id stars user { name } } } } }`,
  'aggregates at the root, filtered through another database': `{ orders_aggregate(where: {user: {country: {code: {_eq: "de"}}}}, order_by: {id: asc}) { aggregate { count sum { amount } max { placed } } nodes { id } } }`,
  'rows below a list that is cut for each parent': `{ orders(order_by: {id: asc}) { reviews(order_by: [{stars: desc}, {id: asc}], limit: 1) { id user { name country { code } } } all: reviews(order_by: {body: asc, id: asc}, limit: 2, offset: 1) { user { id } } } }`,
  'aggregates of aggregates': `{ orders(order_by: {id: asc}) { user { id reviews_aggregate(order_by: {id: asc}) { aggregate { count } nodes { order { id items_aggregate { aggregate { count sum { qty } } } } } } } } }`,
  'ordering by a count': `{ orders(order_by: [{reviews_aggregate: {count: desc}}, {id: asc}]) { id } }`,
  'ordering by a maximum': `{ orders(order_by: [{reviews_aggregate: {max: {stars: desc_nulls_last}}}, {id: asc}], limit: 4) { id reviews(order_by: {id: asc}) { stars } } }`,
  'ordering by a relationship of a relationship': `{ orders(order_by: [{user: {country: {code: asc}}}, {id: desc}]) { id user { country { code } } } }`,
  'a filter on a count': `{ orders(where: {reviews_aggregate: {count: {predicate: {_gte: 2}}}}, order_by: {id: asc}) { id } }`,
  'a filter on a count of some': `{ orders(where: {_not: {reviews_aggregate: {count: {filter: {stars: {_gt: 3}}, distinct: true, arguments: [user_id], predicate: {_gt: 0}}}}}, order_by: {id: asc}) { id } }`,
  'the first of each': `{ orders(distinct_on: status, order_by: [{status: asc}, {id: desc}]) { id reviews(distinct_on: stars, order_by: [{stars: asc}, {id: asc}]) { id stars } } }`,
  'aggregates of which only the type is shown': `{ orders(order_by: {id: asc}) { id reviews_aggregate { __typename aggregate { __typename count @skip(if: true) } } } orders_aggregate { aggregate { max { __typename } } } }`,
  'there and back again': `{ orders(where: {user: {orders: {items: {qty: {_gt: 1}}}}}, order_by: {id: asc}) { id user { orders(order_by: {id: asc}) { id items(order_by: {id: asc}) { qty order { user { name } } } } } } }`,
  'two databases at the root, and a type name': `{ orders(limit: 2, order_by: {id: asc}) { id } __typename users(limit: 2, order_by: {id: asc}) { id orders(order_by: {id: asc}) { id } } one: orders_by_pk(id: 1) { id user { name } } none: orders_by_pk(id: -1) { id } }`,
  'a filter used again for ordering and selection': `{ orders(where: {user: {active: {_eq: true}}}, order_by: [{user: {name: asc}}, {id: asc}], limit: 5, offset: 1) { id user { name country { code } reviews_aggregate { aggregate { count } } } } }`,
  'aliases of one relationship with different arguments': `{ orders(order_by: {id: asc}) { a: reviews(where: {stars: {_gt: 2}}, order_by: {id: asc}) { id } b: reviews(where: {stars: {_lte: 2}}, order_by: {id: asc}) { id } } }`,
};

test.each(Object.entries(QUERIES))('%s', async (_, query) => {
  await agree(query);
});

const TIES: Readonly<Record<string, string>> = {
  'ties in a remote list': `{ orders(order_by: {id: asc}) { reviews(order_by: {stars: asc}, limit: 2) { id } } }`,
  'ties in a list filtered through another database': `{ orders(where: {user: {}}, limit: 3) { id status } }`,
};

test.each(Object.entries(TIES))('%s are broken the same way by every route', async (_, query) => {
  const cached = await dealt.query(query, { freshness: { fallback: 'stale' } });
  const live = await dealt.query(query, { freshness: { noCache: true } });
  const other = await cramped.query(query, { freshness: { noCache: true } });
  expect([live.text, other.text]).toEqual([cached.text, cached.text]);
});

const CLERK: Asking = { role: 'clerk' };
const owner = (id: number): Asking => ({ role: 'owner', session: { 'x-hasura-user-id': String(id) } });

test('a permission rule that leads through another database is kept by every route', async () => {
  const found = await agree(
    `{ orders(order_by: {id: asc}) { id user { id name } } orders_aggregate { aggregate { count } } }`,
    CLERK,
  );
  expect(found).toMatchObject({ orders: expect.any(Array) });
  await agree(
    `{ orders(order_by: {id: asc}) { reviews(order_by: {id: asc}) { id stars } reviews_aggregate(order_by: {id: asc}) { aggregate { count } nodes { id } } } }`,
    CLERK,
  );
  await agree(
    `{ orders(where: {reviews: {stars: {_gt: 1}}}, order_by: [{user: {name: asc}}, {id: asc}]) { id } }`,
    CLERK,
  );
  await agree(`{ orders(order_by: [{reviews_aggregate: {count: desc}}, {id: asc}]) { id } }`, CLERK);
});

test.each([1, 2, 3, 5, 8])(
  'rules with session variables, limits and other tables agree for user %i',
  async (id) => {
    await agree(
      `{ orders(order_by: {id: asc}) { id user { name reviews(order_by: {id: asc}) { id body } } } users { name } }`,
      owner(id),
    );
    await agree(`{ reviews(order_by: {id: asc}) { id order { id } user { name } } }`, owner(id));
  },
);

test('nothing is fetched for parents without a key', async () => {
  const query = '{ orders(where: {user_id: {_is_null: true}}, order_by: {id: asc}) { user { name } } }';
  await agree(query);
});
