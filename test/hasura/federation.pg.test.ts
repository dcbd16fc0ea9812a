import { buildSchema } from 'graphql';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NearjoinHere } from '../support/nearjoin-here.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

/** A service of an Apollo federation over two databases, whose entities lead into one another. */
let pg1: TestDatabase;
let pg2: TestDatabase;
let server: NearjoinHere;

const V1 = { enable: 'v1' };

beforeAll(async () => {
  [pg1, pg2] = await Promise.all([
    createDatabase('source', [
      'create table orders (id int, part text, user_id int, primary key (id, part))',
      `insert into orders values (1, 'a', 10), (1, 'b', 20), (2, 'a', null)`,
      'create view seen as select * from orders',
    ]),
    createDatabase('target', [
      'create table users (id bigint primary key, name text, email text)',
      `insert into users values (10, 'Ada', 'ada@example.com'), (20, 'Bob', null), (30, 'Cyd', null)`,
    ]),
  ]);
  server = await NearjoinHere.start({
    NEARJOIN_ROLES: 'api',
    HASURA_GRAPHQL_ENABLE_APOLLO_FEDERATION: 'true',
  });
  await server.addSources({ pg1, pg2 });
  const [orders, users] = [
    { source: 'pg1', table: 'orders' },
    { source: 'pg2', table: 'users' },
  ];
  await server.command('pg_track_table', { ...orders, apollo_federation_config: V1 });
  await server.command('pg_track_table', { source: 'pg1', table: 'seen', apollo_federation_config: V1 });
  await server.command('pg_track_table', users);
  await server.command('pg_set_apollo_federation_config', { ...users, apollo_federation_config: V1 });
  const toUser = { ...users, relationship_type: 'object', field_mapping: { user_id: 'id' } };
  const toOrders = { ...orders, relationship_type: 'array', field_mapping: { id: 'user_id' } };
  for (const [from, name, to_source] of [
    [orders, 'user', toUser],
    [users, 'orders', toOrders],
  ] as const)
    await server.command('pg_create_remote_relationship', { ...from, name, definition: { to_source } });
  const permission = { columns: ['id', 'name'], filter: { id: { _neq: 'X-Hasura-Hidden' } } };
  await server.command('pg_create_select_permission', { ...users, role: 'clerk', permission });
  await server.command('pg_create_select_permission', {
    ...orders,
    role: 'clerk',
    permission: { columns: ['id'], filter: {} },
  });
});

afterAll(async () => {
  await server?.stop();
  await Promise.all([pg1?.drop(), pg2?.drop()]);
});

// oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers freely
async function asked(query: string, headers = {}, variables = {}): Promise<any> {
  return (await server.graphql(query, headers, { variables })).body;
}

const clerk = { 'x-hasura-role': 'clerk', 'x-hasura-hidden': '20' };
const ENTITIES = `query ($representations: [_Any!]!, $withMail: Boolean = true) {
  _entities(representations: $representations) {
    __typename
    ...u
    ... on orders { id part user { name } }
  }
}
fragment u on users { id name email @include(if: $withMail) orders(order_by: {id: asc}) { part } }`;

function entities(representations: unknown, query = ENTITIES, headers = {}): Promise<unknown> {
  return asked(query, headers, { representations });
}

const user = (id: unknown): object => ({ __typename: 'users', id });
const order = (id: number, part: string): object => ({ __typename: 'orders', part, other: 1, id });
const ADA = { __typename: 'users', id: 10, name: 'Ada', email: 'ada@example.com', orders: [{ part: 'a' }] };
const BOB = { __typename: 'users', id: 20, name: 'Bob', email: null, orders: [{ part: 'b' }] };
const FIRST = { __typename: 'orders', id: 1, part: 'a', user: { name: 'Ada' } };

test('entities are looked up by key, in the order in which they are asked for', async () => {
  expect(await entities([])).toEqual({ data: { _entities: [] } });
  expect(await entities([user(20), user('10'), user(99), user(20)])).toEqual({
    data: { _entities: [BOB, ADA, null, BOB] },
  });
  expect(await entities([order(1, 'a'), order(1, 'c')])).toEqual({ data: { _entities: [FIRST, null] } });
});

test('entities of several types and databases are one list', async () => {
  const mixed = [user(10), order(1, 'a'), order(9, 'a'), user(99), user(20), order(1, 'a')];
  const expected = [ADA, FIRST, null, null, BOB, FIRST];
  expect(await entities(mixed)).toEqual({ data: { _entities: expected } });
  const query = `{ __typename a: _entities(representations: [{__typename: "users", id: 10}, {__typename: "orders", id: 1, part: "b"}]) {
      ... on users { name } ... on orders { user { name } } }
    b: _entities(representations: [{__typename: "users", id: 20}]) { ... on users { name } } users { id } }`;
  expect(await asked(query)).toEqual({
    data: {
      __typename: 'query_root',
      a: [{ name: 'Ada' }, { user: { name: 'Bob' } }],
      b: [{ name: 'Bob' }],
      users: [{ id: 10 }, { id: 20 }, { id: 30 }],
    },
  });
});

test('what lies behind an entity may lead back', async () => {
  const query = `query ($representations: [_Any!]!) { _entities(representations: $representations) {
    ... on users { orders(where: {user: {name: {_eq: "Ada"}}}, order_by: {user: {name: asc}}) { part user { id orders { id } } } } } }`;
  expect(await entities([user(20), user(10), user(99)], query)).toEqual({
    data: {
      _entities: [{ orders: [] }, { orders: [{ part: 'a', user: { id: 10, orders: [{ id: 1 }] } }] }, null],
    },
  });
});

test('one plan serves any number of keys', async () => {
  const many = Array.from({ length: 1000 }, (_, i) => user(i));
  const query = `query ($representations: [_Any!]!) { _entities(representations: $representations) { ... on users { name } } }`;
  const { data } = (await entities(many, query)) as { data: { _entities: unknown[] } };
  expect(data._entities).toHaveLength(1000);
  expect(data._entities.filter(Boolean)).toEqual([{ name: 'Ada' }, { name: 'Bob' }, { name: 'Cyd' }]);
  expect(await entities([user(30)], query)).toEqual({ data: { _entities: [{ name: 'Cyd' }] } });
});

test('a role sees its rows and columns, of entities whose keys it sees', async () => {
  const query = ENTITIES.replace(/\.\.\. on orders.*/, '').replace(/email.*/, '}');
  expect(await entities([user(20), user(10)], query, clerk)).toEqual({
    data: { _entities: [null, { __typename: 'users', id: 10, name: 'Ada' }] },
  });
  expect(await entities([order(1, 'a')], query, clerk)).toMatchObject({
    errors: [{ message: expect.stringContaining('orders is not found in selection set') }],
  });
  expect(await entities([user(10)], ENTITIES, clerk)).toMatchObject({
    errors: [{ message: "field 'email' not found in type: 'users'" }],
  });
});

test.each<[unknown, string]>([
  [['users'], 'representations is expecting a list of objects only'],
  [[{ id: 1 }], '__typename key not found'],
  [[{ __typename: 1 }], '__typename can only be a string value'],
  [[{ __typename: 'seen', id: 1 }], 'seen is not found in selection set or apollo federation is not enabled'],
  [[user(1), { __typename: 'users' }], 'cannot find id in _Any type'],
  [[user(null)], "unexpected null value for type 'bigint'"],
])('representations %j are refused', async (given, message) => {
  expect(await entities(given)).toMatchObject({
    errors: [{ message: expect.stringContaining(message), extensions: { code: 'validation-failed' } }],
  });
});

test.each(['id', '... @include(if: true) { id }'])('%s is asked for of no type', async (field) => {
  expect(await entities([user(10)], ENTITIES.replace('__typename', field))).toMatchObject({
    errors: [{ message: "field 'id' not found in type: '_Entity'" }],
  });
});

test('a gateway is told the schema with its keys, and without what it adds itself', async () => {
  const query = '{ _service { __typename sdl } }';
  const { data } = await asked(query);
  expect(data._service.__typename).toBe('_Service');
  const sdl: string = data._service.sdl;
  expect(sdl).toContain('type orders @key(fields: "id part") {\n');
  expect(sdl).toContain('type users @key(fields: "id") {\n');
  expect(sdl).toContain('type seen {\n');
  expect(sdl).not.toMatch(/_entities|_service|_Any|_Entity|_Service/);
  const schema = buildSchema(`directive @key(fields: String!) on OBJECT\n${sdl}`);
  expect(schema.getQueryType()?.name).toBe('query_root');
  const own = await asked(query, clerk);
  expect(own.data._service.sdl).toContain('type users @key(fields: "id") {\n');
  expect(own.data._service.sdl).toContain('type orders {\n');
  await server.command('set_graphql_schema_introspection_options', { disabled_for_roles: ['clerk'] });
  expect(await asked(query, clerk)).toMatchObject({
    errors: [{ message: 'introspection is disabled for role: "clerk"' }],
  });
});

test('introspection shows both fields, and the second only while there are entities', async () => {
  const query = `{ __type(name: "query_root") { fields { name type { kind ofType { name kind ofType { name kind } } } } }
    e: __type(name: "_Entity") { kind possibleTypes { name } } }`;
  const before = await asked(query);
  expect(before.data.e).toEqual({ kind: 'UNION', possibleTypes: [{ name: 'orders' }, { name: 'users' }] });
  const own = before.data.__type.fields.filter(({ name }: { name: string }) => name.startsWith('_'));
  expect(own).toEqual([
    {
      name: '_entities',
      type: {
        kind: 'NON_NULL',
        ofType: { name: null, kind: 'LIST', ofType: { name: '_Entity', kind: 'UNION' } },
      },
    },
    {
      name: '_service',
      type: { kind: 'NON_NULL', ofType: { name: '_Service', kind: 'OBJECT', ofType: null } },
    },
  ]);
  for (const place of [
    { source: 'pg1', table: 'orders' },
    { source: 'pg2', table: 'users' },
  ])
    await server.command('pg_set_apollo_federation_config', { ...place, apollo_federation_config: null });
  const after = await asked(query);
  expect(after.data.e).toBeNull();
  expect(await entities([user(10)])).toMatchObject({
    errors: [{ message: "field '_entities' not found in type: 'query_root'" }],
  });
});

test('the configuration says that this is a service of a federation', async () => {
  expect((await server.get('/v1alpha1/config')).body).toMatchObject({ is_apollo_federation_enabled: true });
});
