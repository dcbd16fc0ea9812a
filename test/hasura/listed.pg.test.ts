import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GraphqlSocket } from '../support/graphql-socket.ts';
import { answerOf, type HttpAnswer } from '../support/http-answer.ts';
import { NearjoinHere } from '../support/nearjoin-here.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

/** What Hasura's own tests of query collections and the allow list check, of one server that enforces the list. */
let database: TestDatabase;
let server: NearjoinHere;

const USERS = '{ user(order_by: {id: asc}) { id name company } }';
const BY_PK = 'query ($id: Int!) { user_by_pk(id: $id) { id __typename name company } }';
const FRAGMENT =
  'fragment details on user { id name company } query { user(order_by: {id: asc}) { ...details } }';
const LIVE = 'subscription { user(order_by: {id: asc}) { id } }';

beforeAll(async () => {
  database = await createDatabase('source', [
    'create table "user" (id int primary key, name text not null, company text, born date, key uuid)',
    `insert into "user" values (1, 'clarke', 'Symons', '2000-01-01', '81f1bfea-c169-44b5-b4c8-37e9a071abd8'), (2, 'X%20Y', null, null, null)`,
    'create table other (id int primary key)',
    'create function grown() returns setof "user" language sql stable as $$ select * from "user" where born is not null $$',
  ]);
  server = await NearjoinHere.start({
    NEARJOIN_ROLES: 'api',
    HASURA_GRAPHQL_ENABLE_ALLOWLIST: 'true',
  });
  await server.addSources({ default: database });
  await server.command('pg_track_table', { table: 'user' });
  await server.command('pg_track_table', { table: 'other' });
  const permission = { columns: '*', filter: {} };
  for (const role of ['user', 'guest'])
    await server.command('pg_create_select_permission', { table: 'user', role, permission });
  const queries = Object.entries({ users: USERS, by_pk: BY_PK, fragment: FRAGMENT, live: LIVE });
  await server.command('create_query_collection', {
    name: 'first',
    comment: 'the first collection',
    definition: { queries: queries.map(([name, query]) => ({ name, query })) },
  });
});

afterAll(async () => {
  await server?.stop();
  await database?.drop();
});

/** A command that may be refused. */
const metadata = (type: string, args: unknown): Promise<HttpAnswer> =>
  server.post('/v1/metadata', { type, args });

async function asked(query: string, role: string, variables: object = {}): Promise<unknown> {
  const answer = await server.graphql(query, { 'x-hasura-role': role }, { variables });
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
    await server.command('add_collection_to_allowlist', { collection: 'first' });
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
    await server.command('drop_query_from_collection', { collection_name: 'first', query_name: 'users' });
    expect(await asked(USERS, 'user')).toEqual(REFUSED);
    await server.command('add_query_to_collection', {
      collection_name: 'first',
      query_name: 'users',
      query: USERS,
    });
    expect(await asked(USERS, 'user')).toMatchObject({ data: {} });
    const scope = { global: false, roles: ['user', 'editor'] };
    await server.command('update_scope_of_collection_in_allowlist', { collection: 'first', scope });
    expect(await asked(USERS, 'user')).toMatchObject({ data: {} });
    expect(await asked(USERS, 'guest')).toEqual(REFUSED);
    await server.command('rename_query_collection', { name: 'first', new_name: 'one' });
    expect(await asked(USERS, 'user')).toMatchObject({ data: {} });
    await server.command('rename_query_collection', { name: 'one', new_name: 'first' });
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
    expect((await server.get('/v1alpha1/config')).body).toMatchObject({ is_allow_list_enabled: true });
    const explained = { query: { query: '{ user { born } }' }, user: { 'x-hasura-role': 'user' } };
    expect((await server.post('/v1/graphql/explain', explained)).status).toBe(200);
  });
});

test('reload_metadata refuses the name of a source that is not there', async () => {
  await server.command('reload_metadata', { reload_sources: ['default'] });
  expect(await metadata('reload_metadata', { reload_sources: ['default', 'typo'] })).toMatchObject({
    status: 400,
    body: { path: '$.args', error: 'source with name "typo" does not exist', code: 'not-exists' },
  });
});

test('what a collection asks for is not taken away, and told where it is gone', async () => {
  const query = { name: 'others', query: '{ other { id } }' };
  await server.command('create_query_collection', { name: 'second', definition: { queries: [query] } });
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
  await server.command('drop_inconsistent_metadata', {});
  const left = await metadata('export_metadata', {});
  expect(left.body.query_collections[1]).toEqual({ name: 'second', definition: { queries: [] } });
});

describe('an endpoint', () => {
  const GUARDED = 'query ($name: String!) { user(where: {name: {_eq: $name}}) { id name } }';

  async function called(path: string, init: RequestInit = {}): Promise<HttpAnswer> {
    return answerOf(await fetch(`${server.url}/api/rest/${path}`, init));
  }

  function creation(name: string, url: string, query: string, methods = ['GET']): object {
    return { name, url, methods, definition: { query: { collection_name: 'rest', query_name: query } } };
  }

  beforeAll(async () => {
    const queries = {
      simple: 'query @cached(ttl: 5) { user(order_by: {id: asc}) { id name } }',
      arg: GUARDED,
      args: 'query ($id: Int, $on: Boolean = false) { user(limit: $id, order_by: {id: asc}) { id name @include(if: $on) } }',
      keys: 'query ($keys: [uuid!]!) { user(where: {key: {_in: $keys}}) { id } }',
      key: 'query ($key: uuid!, $born: date!) { user(where: {key: {_neq: $key}, born: {_gt: $born}}) { id } }',
      typed: 'query { user { id } __schema { queryType { name } } }',
      live: 'subscription { user { id } }',
    };
    await server.command('create_query_collection', {
      name: 'rest',
      definition: { queries: Object.entries(queries).map(([name, query]) => ({ name, query })) },
    });
    await server.command('create_rest_endpoint', creation('simple', 'simple', 'simple'));
    await server.command('create_rest_endpoint', creation('arg', 'arg', 'arg', ['GET', 'POST']));
    await server.command('create_rest_endpoint', creation('template', 'users/named/:name', 'arg'));
    await server.command(
      'create_rest_endpoint',
      creation('args', 'args', 'args', ['GET', 'PUT', 'PATCH', 'DELETE']),
    );
    await server.command('create_rest_endpoint', creation('keys', 'keys', 'keys', ['POST']));
    await server.command('create_rest_endpoint', creation('key', 'key/:key/:born', 'key'));
    await server.command('create_rest_endpoint', creation('typed', 'typed', 'typed'));
  });

  test('answers the operation`s data alone', async () => {
    const simple = await called('simple?');
    expect(simple).toMatchObject({ status: 200, body: { user: [{ id: 1, name: 'clarke' }, { id: 2 }] } });
    expect(simple.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect((await called('typed')).body).toMatchObject({ __schema: { queryType: { name: 'query_root' } } });
    expect((await server.get('/api/swagger/json')).body).toMatchObject({
      paths: { '/api/rest/users/named/{name}': { get: { summary: 'template' } } },
    });
    const [row] = (await called('arg?name=clarke')).body.user;
    expect(row).toEqual({ id: 1, name: 'clarke' });
  });

  test('takes variables from the path, the query string, a form and a JSON body', async () => {
    const two = { user: [{ id: 2, name: 'X%20Y' }] };
    expect((await called('arg?name=X%2520Y')).body).toEqual(two);
    expect((await called('users/named/X%2520Y')).body).toEqual(two);
    const form = { method: 'POST', body: new URLSearchParams({ name: 'X%20Y' }) };
    expect((await called('arg', form)).body).toEqual(two);
    const json = (method: string, body: object): RequestInit => ({ method, body: JSON.stringify(body) });
    expect((await called('arg', json('POST', { name: 'X%20Y' }))).body).toEqual(two);
    expect((await called('args?id=1&on')).body).toEqual({ user: [{ id: 1, name: 'clarke' }] });
    for (const method of ['PUT', 'PATCH', 'DELETE'])
      expect((await called('args', json(method, { id: 1 }))).body).toEqual({ user: [{ id: 1 }] });
    expect((await called('args?id=')).body).toEqual({ user: [{ id: 1 }, { id: 2 }] });
    const keys = ['81F1BFEA-C169-44B5-B4C8-37E9A071ABD8', '80F1BFEA-C169-44B5-B4C8-37E9A071ABD0'];
    expect((await called('keys', json('POST', { keys }))).body).toEqual({ user: [{ id: 1 }] });
    expect((await called(`key/${keys[1]}/1999-12-31`)).body).toEqual({ user: [{ id: 1 }] });
    expect((await called(`users/named/${'n'.repeat(2000)}`)).body).toEqual({ user: [] });
  });

  test.each([
    ['void', 'GET', 404, 'not-found', 'Endpoint not found'],
    ['simple/', 'GET', 404, 'not-found', 'Endpoint not found'],
    ['simple', 'DELETE', 405, 'method-not-allowed', 'Allowed methods: GET'],
    ['arg', 'PUT', 405, 'method-not-allowed', 'Allowed methods: GET, POST'],
    ['arg', 'GET', 400, 'validation-failed', 'expecting a value for non-nullable variable: "name"'],
    ['arg?name=a&x=1', 'GET', 400, 'bad-request', 'Unexpected variable x'],
    ['users/named/%E0%A4%A', 'GET', 400, 'bad-request', expect.any(String)],
  ])('%s by %s is refused with %i', async (path, method, status, ...[code, error]) => {
    expect(await called(path, { method })).toMatchObject({ status, body: { path: '$', code, error } });
  });

  test('shows a role what it may see, and only what the allow list has', async () => {
    const headers = { 'x-hasura-role': 'user' };
    expect(await called('simple', { headers })).toMatchObject({
      status: 400,
      body: { path: '$', error: 'query is not allowed', code: 'validation-failed' },
    });
    await server.command('add_collection_to_allowlist', { collection: 'rest' });
    expect((await called('simple', { headers })).body).toMatchObject({ user: [{}, {}] });
    expect(await called('simple', { headers: { 'x-hasura-role': 'nobody' } })).toMatchObject({
      status: 400,
      body: { error: "field 'user' not found in type: 'query_root'", path: '$.selectionSet.user' },
    });
    const asked = { headers: { 'x-nearjoin-max-staleness': 'soon' } };
    expect(await called('simple', asked)).toMatchObject({ status: 400, body: { code: 'invalid-headers' } });
  });

  test.each([
    [
      creation('dup', 'foo/:id/bar/:id', 'simple'),
      'Duplicate variables found in endpoint path: foo/:id/bar/:id',
    ],
    [creation('foo', 'foo/', 'simple'), 'Empty segments or unnamed variables are not allowed: foo/'],
    [
      creation('foo', 'foo', 'live'),
      'Inconsistent object: in endpoint foo: query with name live is a subscription',
    ],
    [creation('conflicting', ':any', 'simple'), 'Ambiguous URL paths: arg, args, :any, simple, typed'],
  ])('%j is refused', async (args, error) => {
    const answer = await metadata('create_rest_endpoint', args);
    expect(answer.status).toBe(400);
    expect(JSON.stringify(answer.body)).toContain(error);
    expect((await called('foo')).status).toBe(404);
  });

  test('keeps its collection, and is closed by its name', async () => {
    const drop = { collection: 'rest', cascade: true };
    expect(await metadata('drop_query_collection', drop)).toMatchObject({
      status: 400,
      body: { code: 'unexpected', error: 'cannot continue due to new inconsistent metadata' },
    });
    await server.command('drop_rest_endpoint', { name: 'simple' });
    expect((await called('simple')).status).toBe(404);
    const { body } = await metadata('export_metadata', {});
    expect(body.rest_endpoints[0]).toEqual(creation('arg', 'arg', 'arg', ['GET', 'POST']));
  });
});

describe('a document of Hasura 1', () => {
  const replace = (args: unknown): Promise<HttpAnswer> => metadata('replace_metadata', args);

  test.each([
    [1, ['grown']],
    [undefined, [{ schema: 'public', name: 'grown' }]],
    [2, [{ function: 'grown' }]],
  ])('of version %j speaks of the default source', async (version, functions) => {
    await replace({ version: 3, sources: [] });
    const configuration = { connection_info: { database_url: database.url } };
    for (const name of ['default', 'more']) await server.command('pg_add_source', { name, configuration });
    const tables = [{ table: 'user' }, { table: { schema: 'public', name: 'other' } }];
    const document = { version, tables, functions, allowlist: [{ collection: 'gone' }] };
    expect(await replace(document)).toMatchObject({ status: 200, body: { is_consistent: true } });
    const { body } = await metadata('export_metadata', {});
    expect(body).toMatchObject({
      version: 3,
      sources: [
        {
          name: 'default',
          tables: [{ table: { name: 'user' } }, { table: { name: 'other' } }],
          functions: [{ function: { schema: 'public', name: 'grown' } }],
          configuration,
        },
      ],
      allowlist: [{ collection: 'gone', scope: { global: true } }],
    });
    expect(body.sources).toHaveLength(1);
    expect(await asked('{ grown { id } }', 'admin')).toEqual({ data: { grown: [{ id: 1 }] } });
  });

  test('is checked like any other, and needs the source', async () => {
    expect(await replace({ tables: [{ table: 'gone' }] })).toMatchObject({
      status: 400,
      body: { path: '$.args', error: 'cannot continue due to inconsistent metadata' },
    });
    const wrapped = { metadata: { version: 2 }, allow_inconsistent_metadata: true };
    expect(await replace(wrapped)).toMatchObject({
      status: 400,
      body: { code: 'parse-failed', error: 'key "tables" not found' },
    });
    await replace({ version: 3, sources: [] });
    expect(await replace({ version: 1, tables: [] })).toMatchObject({
      status: 400,
      body: {
        path: '$.args',
        error: 'cannot import metadata without sources since no default source is defined',
        code: 'not-supported',
      },
    });
    expect((await metadata('list_source_kinds', {})).body).toEqual({
      sources: [{ kind: 'pg', display_name: 'pg', builtin: true, available: true }],
    });
  });
});
