import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { createLog } from '../../src/ops/log.ts';
import { type RunningServer, startServer } from '../../src/serve.ts';
import { GraphqlSocket } from '../support/graphql-socket.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

/** What Hasura's own tests of query collections and the allow list check, of one server that enforces the list. */
let database: TestDatabase;
let meta: TestDatabase;
let server: RunningServer;

const USERS = '{ user(order_by: {id: asc}) { id name company } }';
const BY_PK = 'query ($id: Int!) { user_by_pk(id: $id) { id __typename name company } }';
const FRAGMENT =
  'fragment details on user { id name company } query { user(order_by: {id: asc}) { ...details } }';
const LIVE = 'subscription { user(order_by: {id: asc}) { id } }';

beforeAll(async () => {
  [database, meta] = await Promise.all([
    createDatabase('source', [
      'create table "user" (id int primary key, name text not null, company text, born date, key uuid)',
      `insert into "user" values (1, 'clarke', 'Symons', '2000-01-01', '81f1bfea-c169-44b5-b4c8-37e9a071abd8'), (2, 'X%20Y', null, null, null)`,
      'create table other (id int primary key)',
    ]),
    createDatabase('source', []),
  ]);
  const env = {
    NEARJOIN_METADATA_DATABASE_URL: meta.url,
    NEARJOIN_PORT: '0',
    NEARJOIN_ROLES: 'api',
    HASURA_GRAPHQL_ENABLE_ALLOWLIST: 'true',
  };
  server = await startServer(readConfig(env), createLog('silent'));
  const configuration = { connection_info: { database_url: database.url } };
  await ok('pg_add_source', { name: 'default', configuration });
  await ok('pg_track_table', { table: 'user' });
  await ok('pg_track_table', { table: 'other' });
  const permission = { columns: '*', filter: {} };
  for (const role of ['user', 'guest'])
    await ok('pg_create_select_permission', { table: 'user', role, permission });
  const queries = Object.entries({ users: USERS, by_pk: BY_PK, fragment: FRAGMENT, live: LIVE });
  await ok('create_query_collection', {
    name: 'first',
    comment: 'the first collection',
    definition: { queries: queries.map(([name, query]) => ({ name, query })) },
  });
});

afterAll(async () => {
  await server?.stop();
  await Promise.all([database?.drop(), meta?.drop()]);
});

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers freely
  readonly body: any;
}

async function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const answer = await fetch(server.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  return { status: answer.status, headers: answer.headers, body: await answer.json() };
}

const metadata = (type: string, args: unknown): Promise<Answer> => post('/v1/metadata', { type, args });

async function ok(type: string, args: unknown): Promise<void> {
  expect(await metadata(type, args)).toMatchObject({ status: 200, body: { message: 'success' } });
}

async function asked(query: string, role: string, variables: object = {}): Promise<unknown> {
  const answer = await post('/v1/graphql', { query, variables }, { 'x-hasura-role': role });
  expect(answer.status).toBe(200);
  return answer.body;
}

const REFUSED = {
  errors: [{ message: 'query is not allowed', extensions: { path: '$', code: 'validation-failed' } }],
};

describe('the allow list', () => {
  test('lets nobody but the administrator ask for what is not in it', async () => {
    for (const role of ['user', 'guest']) expect(await asked(USERS, role)).toEqual(REFUSED);
    expect(await asked(USERS, 'admin')).toMatchObject({ data: { user: [{ id: 1 }, { id: 2 }] } });
    expect(await asked('{ __typename }', 'user')).toEqual(REFUSED);
    expect(await asked('{ __schema { queryType { name } } }', 'user')).toEqual(REFUSED);
    await ok('add_collection_to_allowlist', { collection: 'first' });
    const rows = [
      { id: 1, name: 'clarke', company: 'Symons' },
      { id: 2, name: 'X%20Y', company: null },
    ];
    expect(await asked(USERS, 'user')).toEqual({ data: { user: rows } });
    expect(await asked(USERS.replace('{ id', '{ id __typename'), 'guest')).toMatchObject({
      data: { user: [{ __typename: 'user' }, { __typename: 'user' }] },
    });
    expect(await asked(FRAGMENT, 'user')).toEqual({ data: { user: rows } });
    expect(await asked(BY_PK.replace('__typename ', ''), 'user', { id: 1 })).toEqual({
      data: { user_by_pk: rows[0] },
    });
    expect(await asked(USERS.replace('company', 'born'), 'user')).toEqual(REFUSED);
    // Who is admitted is told what is wrong all the same, and sees no more than before.
    expect(await asked(BY_PK, 'user')).toMatchObject({
      errors: [{ extensions: { code: 'validation-failed' } }],
    });
    expect(await asked(BY_PK, 'nobody', { id: 1 })).toMatchObject({
      errors: [{ message: "field 'user_by_pk' not found in type: 'query_root'" }],
    });
  });

  test('changes with its collections and their scope', async () => {
    await ok('drop_query_from_collection', { collection_name: 'first', query_name: 'users' });
    expect(await asked(USERS, 'user')).toEqual(REFUSED);
    await ok('add_query_to_collection', { collection_name: 'first', query_name: 'users', query: USERS });
    expect(await asked(USERS, 'user')).toMatchObject({ data: {} });
    const scope = { global: false, roles: ['user', 'editor'] };
    await ok('update_scope_of_collection_in_allowlist', { collection: 'first', scope });
    expect(await asked(USERS, 'user')).toMatchObject({ data: {} });
    expect(await asked(USERS, 'guest')).toEqual(REFUSED);
    await ok('rename_query_collection', { name: 'first', new_name: 'one' });
    expect(await asked(USERS, 'user')).toMatchObject({ data: {} });
    await ok('rename_query_collection', { name: 'one', new_name: 'first' });
    expect(await metadata('add_collection_to_allowlist', { collection: 'first' })).toMatchObject({
      status: 200,
      body: {
        message:
          'collection "first" already exists in the allowlist, scope ignored; to change scope, use update_scope_of_collection_in_allowlist',
      },
    });
    const { body } = await metadata('export_metadata', {});
    expect(body.allowlist).toEqual([{ collection: 'first', scope }]);
    expect(body.query_collections[0].definition.queries.map((query: { name: string }) => query.name)).toEqual(
      ['by_pk', 'fragment', 'live', 'users'],
    );
  });

  test('holds over sockets', async () => {
    const socket = await GraphqlSocket.connect(server.url, { 'x-hasura-role': 'user' });
    try {
      socket.start('1', LIVE);
      expect(await socket.untilHeard('next')).toMatchObject({ payload: { data: { user: [{}, {}] } } });
      socket.start('2', LIVE.replace('id }', 'name }'));
      expect(await socket.untilHeard('error')).toMatchObject({
        id: '2',
        payload: [{ message: 'query is not allowed', extensions: { path: '$', code: 'validation-failed' } }],
      });
    } finally {
      socket.close();
    }
  });

  test('is told to whoever asks for the settings, and hides nothing from explain', async () => {
    const config = await fetch(`${server.url}/v1alpha1/config`);
    expect(await config.json()).toMatchObject({ is_allow_list_enabled: true });
    const explained = { query: { query: '{ user { born } }' }, user: { 'x-hasura-role': 'user' } };
    expect((await post('/v1/graphql/explain', explained)).status).toBe(200);
  });
});

test('what a collection asks for is not taken away, and told where it is gone', async () => {
  const query = { name: 'others', query: '{ other { id } }' };
  await ok('create_query_collection', { name: 'second', definition: { queries: [query] } });
  const reason =
    'Inconsistent object: In query collection "second" the query "others" is invalid with the following error(s): "$.other: field \'other\' not found in object \'query_root\'"';
  const broken = {
    definition: query,
    name: 'query_collections others in second',
    reason,
    type: 'query_collections',
  };
  for (const cascade of [false, true]) {
    expect(await metadata('pg_untrack_table', { table: 'other', cascade })).toMatchObject({
      status: 400,
      body: { code: 'unexpected', internal: [broken] },
    });
  }
  expect(
    await metadata('add_query_to_collection', {
      collection_name: 'second',
      query_name: 'gone',
      query: '{ gone }',
    }),
  ).toMatchObject({ status: 400, body: { code: 'unexpected' } });
  const { body } = await metadata('export_metadata', {});
  for (const source of body.sources)
    source.tables = source.tables.filter(
      (entry: { table: { name: string } }) => entry.table.name !== 'other',
    );
  const replaced = { metadata: body, allow_inconsistent_metadata: true };
  expect(await metadata('replace_metadata', replaced)).toMatchObject({
    body: { is_consistent: false, inconsistent_objects: [broken] },
  });
  await ok('drop_inconsistent_metadata', {});
  const left = await metadata('export_metadata', {});
  expect(left.body.query_collections[1]).toEqual({ name: 'second', definition: { queries: [] } });
});
