import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readCacheStatus } from '../../src/cache/status/status.ts';
import { GraphqlSocket } from '../support/graphql-socket.ts';
import type { HttpAnswer } from '../support/http-answer.ts';
import { leadingTo } from '../support/leading-to.ts';
import { NearjoinHere } from '../support/nearjoin-here.ts';
import { poll } from '../support/poll.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

const SECRET = 'admin-secret';
const admin = { 'x-hasura-admin-secret': SECRET };

let pg1: TestDatabase;
let pg2: TestDatabase;
let server: NearjoinHere;

beforeAll(async () => {
  [pg1, pg2] = await Promise.all([
    createDatabase('source', [
      'create table orders (id int primary key, user_id int, total numeric not null)',
      'insert into orders values (1, 10, 5.50), (2, 20, 1e20), (3, null, 0)',
      'create function since(n int) returns setof orders language sql stable as $$ select * from orders where id >= n $$',
    ]),
    createDatabase('target', [
      'create table users (id int primary key, name text not null, email text)',
      `insert into users values (10, 'Ada', 'ada@example.com'), (20, 'Bob', null)`,
    ]),
  ]);
  // Only the API: nothing is cached, every remote row comes live.
  server = await NearjoinHere.start({
    NEARJOIN_ADMIN_SECRET: SECRET,
    NEARJOIN_UNAUTHORIZED_ROLE: 'anonymous',
    NEARJOIN_METRICS_SECRET: 'metrics-secret',
    NEARJOIN_ROLES: 'api',
    HASURA_GRAPHQL_INFER_FUNCTION_PERMISSIONS: 'false',
  });
  await server.addSources({ pg1, pg2 });
  await server.command('pg_track_table', { source: 'pg1', table: 'orders' });
  await server.command('pg_track_table', { source: 'pg2', table: 'users' });
  await server.command('pg_create_remote_relationship', {
    source: 'pg1',
    table: 'orders',
    name: 'user',
    definition: leadingTo('pg2', 'users', { user_id: 'id' }),
  });
  const permission = { filter: {}, columns: ['id', 'name'] };
  await server.command('pg_create_select_permission', {
    source: 'pg2',
    table: 'users',
    role: 'clerk',
    permission,
  });
  await server.command('pg_create_select_permission', {
    source: 'pg1',
    table: 'orders',
    role: 'clerk',
    permission: { filter: { user_id: { _eq: 'X-Hasura-User-Id' } }, columns: ['id'] },
  });
});

afterAll(async () => {
  await server?.stop();
  await Promise.all([pg1?.drop(), pg2?.drop()]);
});

function send(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<HttpAnswer> {
  return body === undefined ? server.get(path, headers) : server.post(path, body, headers);
}

async function graphql(
  query: string,
  headers: Record<string, string> = admin,
  more: object = {},
): Promise<string> {
  return (await server.graphql(query, headers, more)).text;
}

describe('queries', () => {
  test('a query over both databases is answered with the bytes of Postgres', async () => {
    expect(await graphql('{ orders(order_by: {id: asc}) { id total user { name } } }')).toBe(
      '{"data":{"orders":[{"id":1,"total":5.50,"user":{"name":"Ada"}},{"id":2,"total":100000000000000000000,"user":{"name":"Bob"}},{"id":3,"total":0,"user":null}]}}',
    );
  });

  test('the route is reported in the headers', async () => {
    const answer = await send('/v1/graphql', { query: '{ orders { user { id } } }' }, admin);
    expect(answer.headers.get('cache-status')).toBe('nearjoin-pg2;fwd=miss');
    expect(answer.headers.get('x-nearjoin-token')).toMatch(/^pg2:[0-9A-F]+\/[0-9A-F]+$/);
  });

  test('the token names its history when asked to', async () => {
    const headers = { ...admin, 'x-nearjoin-token-history': 'true' };
    const answer = await send('/v1/graphql', { query: '{ orders { user { id } } }' }, headers);
    expect(answer.headers.get('x-nearjoin-token')).toMatch(/^pg2:[0-9A-F]+\/[0-9A-F]+@\d+\.1$/);
  });

  test('an endpoint answers with the same headers and bytes', async () => {
    const queries = [
      { name: 'q', query: 'query ($id: Int!) { orders_by_pk(id: $id) { total user { name } } }' },
    ];
    const definition = { query: { collection_name: 'c', query_name: 'q' } };
    await server.command('create_query_collection', { name: 'c', definition: { queries } });
    await server.command('create_rest_endpoint', {
      name: 'e',
      url: 'orders/:id',
      methods: ['GET'],
      definition,
    });
    const answer = await send('/api/rest/orders/2', undefined, admin);
    expect(answer.text).toBe('{"orders_by_pk":{"total":100000000000000000000,"user":{"name":"Bob"}}}');
    expect(answer.headers.get('cache-status')).toBe('nearjoin-pg2;fwd=miss');
    expect(answer.headers.get('x-nearjoin-token')).toMatch(/^pg2:[0-9A-F]+\/[0-9A-F]+$/);
    const strange = await send('/api/rest/orders/2', undefined, { ...admin, 'x-hasura-role': 'clerk' });
    expect({ status: strange.status, ...JSON.parse(strange.text) }).toEqual({
      status: 400,
      path: '$.selectionSet.orders_by_pk.selectionSet.total',
      error: "field 'total' not found in type: 'orders'",
      code: 'validation-failed',
    });
    expect((await send('/api/rest/orders/2', undefined, { 'x-hasura-admin-secret': 'no' })).status).toBe(401);
    await server.command('drop_rest_endpoint', { name: 'e' });
    await server.command('drop_query_collection', { collection: 'c' });
  });

  test('the older path answers the same, and errors with their own status', async () => {
    const old = (query: string, headers: Record<string, string> = admin): Promise<HttpAnswer> =>
      send('/v1alpha1/graphql', { query }, headers);
    const query = '{ orders(limit: 1) { id } }';
    expect(await old(query)).toMatchObject({ status: 200, text: await graphql(query) });
    const refused = await old('{ nope }');
    expect(refused).toMatchObject({ status: 400, text: await graphql('{ nope }') });
    expect(refused.headers.get('content-type')).toBe('application/json; charset=utf-8');
    const secret = { 'x-hasura-admin-secret': 'no' };
    expect(await old(query, secret)).toMatchObject({ status: 401, text: await graphql(query, secret) });
    expect((await send('/v1alpha1/graphql')).status).toBe(404);
  });

  test('at the hash of a query that is not there clients are told to send the query', async () => {
    const extensions = { persistedQuery: { version: 1, sha256Hash: 'ab' } };
    const search = `extensions=${encodeURIComponent(JSON.stringify(extensions))}`;
    const refusal = {
      message: 'PersistedQueryNotSupported',
      extensions: { path: '$', code: 'not-supported' },
    };
    for (const answer of [
      await send('/v1/graphql', { extensions }, admin),
      await send(`/v1/graphql?${search}`, undefined, admin),
    ]) {
      expect({ status: answer.status, ...JSON.parse(answer.text) }).toEqual({
        status: 200,
        errors: [refusal],
      });
    }
  });

  test('nothing remote, nothing reported', async () => {
    const answer = await send('/v1/graphql', { query: '{ orders(limit: 1) { id } }' }, admin);
    expect(answer.headers.get('cache-status')).toBeNull();
  });

  test('variables, operation names and introspection work together', async () => {
    const query =
      'query A ($id: Int!) { orders_by_pk(id: $id) { id } __type(name: "orders") { name } } query B { __typename }';
    expect(JSON.parse(await graphql(query, admin, { operationName: 'A', variables: { id: 2 } }))).toEqual({
      data: { orders_by_pk: { id: 2 }, __type: { name: 'orders' } },
    });
    expect(await graphql(query, admin, { operationName: 'B' })).toBe('{"data":{"__typename":"query_root"}}');
  });

  test('a role sees only its own, whatever database it is in', async () => {
    const clerk = { ...admin, 'x-hasura-role': 'clerk', 'X-Hasura-User-Id': '20' };
    expect(await graphql('{ orders { id user { id name } } }', clerk)).toBe(
      '{"data":{"orders":[{"id":2,"user":{"id":20,"name":"Bob"}}]}}',
    );
    expect(JSON.parse(await graphql('{ orders { user { email } } }', clerk)).errors[0]).toEqual({
      message: "field 'email' not found in type: 'users'",
      extensions: {
        path: '$.selectionSet.orders.selectionSet.user.selectionSet.email',
        code: 'validation-failed',
      },
    });
    expect(
      JSON.parse(await graphql('{ orders { id } }', { ...admin, 'x-hasura-role': 'clerk' })).errors[0],
    ).toEqual({
      message: 'missing session variables: "x-hasura-user-id"',
      extensions: { path: '$', code: 'not-found' },
    });
  });

  describe('what a database said of an error is told to administrators alone', () => {
    const clerk = { ...admin, 'x-hasura-role': 'clerk', 'x-hasura-user-id': 'nobody' };
    const refused = {
      message: 'invalid input syntax for type integer: "nobody"',
      extensions: { path: '$', code: 'data-exception' },
    };
    const query = '{ orders { id } }';
    const own = '{ orders(where: {total: {_eq: "nobody"}}) { id } }';
    const internal = { database: 'pg1', error: { status_code: '22P02' } };

    test('over HTTP', async () => {
      expect(JSON.parse(await graphql(query, clerk))).toEqual({ errors: [refused] });
      const { text } = await send('/v1/graphql', [{ query }], clerk);
      expect(JSON.parse(text)).toEqual([{ errors: [refused] }]);
      expect(JSON.parse(await graphql(own))).toMatchObject({ errors: [{ extensions: { internal } }] });
    });

    test('over a socket', async () => {
      const theirs = await GraphqlSocket.connect(server.url, clerk);
      theirs.start('1', query);
      theirs.start('2', `subscription ${query}`);
      expect((await theirs.untilHeard('error', '1')).payload).toEqual([refused]);
      await theirs.untilAnswer('2', { errors: [refused] });
      theirs.close();
      const ours = await GraphqlSocket.connect(server.url, admin);
      ours.start('1', own);
      expect((await ours.untilHeard('error', '1')).payload).toMatchObject([{ extensions: { internal } }]);
      ours.close();
    });
  });

  test('a role calls a function by a permission for it, where none is inferred', async () => {
    const clerk = { ...admin, 'x-hasura-role': 'clerk', 'x-hasura-user-id': '20' };
    const place = { source: 'pg1', function: 'since' };
    const query = '{ since(args: {n: 1}) { id user { name } } }';
    await server.command('pg_track_function', place);
    expect(await graphql(query, clerk)).toContain("field 'since' not found in type: 'query_root'");
    await server.command('pg_create_function_permission', { ...place, role: 'clerk' });
    expect(await graphql(query, clerk)).toBe('{"data":{"since":[{"id":2,"user":{"name":"Bob"}}]}}');
    const { text } = await send('/v1alpha1/config', undefined, admin);
    expect(text).toContain('"is_function_permissions_inferred":false');
    await server.command('pg_untrack_function', place);
  });

  test('without the secret there is only the unauthorized role', async () => {
    expect(JSON.parse(await graphql('{ __schema { queryType { fields { name } } } }', {})).data).toEqual({
      __schema: { queryType: { fields: [{ name: 'no_queries_available' }] } },
    });
  });

  test('with fallback error a cold cache is an error, by header and by directive', async () => {
    for (const [query, headers] of [
      [
        '{ orders { user { id } } }',
        { ...admin, 'x-nearjoin-fallback': 'error', 'x-nearjoin-token': 'pg2:FFFFFFFF/0' },
      ],
      ['query @freshness(token: "pg2:FFFFFFFF/0", fallback: error) { orders { user { id } } }', admin],
    ] as const) {
      const { errors } = JSON.parse(await graphql(query, headers));
      expect(errors[0].extensions.code).toMatch(/^(not-fresh|position-unknown)$/);
    }
  });

  test('explain gives SQL, plan and the route of each target', async () => {
    const answer = await send(
      '/v1/graphql/explain',
      { query: { query: '{ orders { user { name } } }' } },
      admin,
    );
    expect(JSON.parse(answer.text)).toEqual([
      {
        field: 'orders',
        sql: expect.stringContaining('select'),
        plan: expect.arrayContaining([expect.stringMatching(/Seq Scan|Index/)]),
        targets: [
          {
            target: 'pg2',
            route: 'live',
            reason: expect.any(String),
            sql: expect.stringContaining('from "public"."users"'),
            plan: expect.arrayContaining([expect.stringMatching(/Scan.* on users/)]),
          },
        ],
      },
    ]);
    const clerk = {
      query: { query: '{ orders { total } }' },
      user: { 'x-hasura-role': 'clerk', 'x-hasura-user-id': '1' },
    };
    expect(JSON.parse((await send('/v1/graphql/explain', clerk, admin)).text)).toMatchObject({
      code: 'validation-failed',
    });
    expect((await send('/v1/graphql/explain', clerk)).status).toBe(400);
  });
});

test('of the API only the parts that are enabled are there', async () => {
  const partial = await server.another({
    NEARJOIN_ROLES: 'api',
    HASURA_GRAPHQL_ENABLED_APIS: 'graphql,metrics',
  });
  try {
    expect((await partial.graphql('{ __typename }')).status).toBe(200);
    for (const path of ['/v1/metadata', '/v1/query', '/v2/query', '/v1/graphql/explain'])
      expect({ path, status: (await partial.post(path, {})).status }).toEqual({ path, status: 404 });
    expect((await partial.get('/v1alpha1/config')).status).toBe(404);
    expect((await partial.get('/v1/version')).status).toBe(200);
  } finally {
    await partial.stop();
  }
});

describe('administration', () => {
  const refused = { path: '$.args', error: 'restricted access : admin only', code: 'access-denied' };

  test.each([
    ['GET', '/v1/replication'],
    ['GET', '/metrics'],
    ['GET', '/v1alpha1/config'],
    ['POST', '/v1/replication/pg2/pause'],
    ['POST', '/v1/graphql/explain'],
    ['POST', '/v2/query'],
  ])('%s %s is for administrators', async (method, path) => {
    const answer = await send(path, method === 'POST' ? {} : undefined);
    expect({ status: answer.status, body: JSON.parse(answer.text) }).toEqual({ status: 400, body: refused });
  });

  test('metadata is for administrators, and a wrong secret is told so', async () => {
    const body = { type: 'export_metadata', args: {} };
    expect(JSON.parse((await send('/v1/metadata', body)).text)).toEqual(refused);
    const wrong = await send('/v1/metadata', body, { 'x-hasura-admin-secret': 'nope' });
    expect({ status: wrong.status, body: JSON.parse(wrong.text) }).toEqual({
      status: 401,
      body: {
        path: '$',
        error: 'invalid "x-hasura-admin-secret"/"x-hasura-access-key"',
        code: 'access-denied',
      },
    });
  });

  test.each([
    ['/v2/query', 'nearjoin runs no SQL for its callers'],
    ['/v1alpha1/pg_dump', 'use pg_dump itself'],
    ['/v1beta1/relay', 'nearjoin has no schema for Relay'],
  ])('%s is refused with its reason', async (path, why) => {
    const answer = await send(path, {}, admin);
    expect({ status: answer.status, ...JSON.parse(answer.text) }).toMatchObject({
      status: 400,
      error: `${path} is not supported: ${why}`,
      code: 'not-supported',
    });
  });

  test('what the stock command line asks first is answered as it expects', async () => {
    expect(JSON.parse((await send('/v1/version')).text)).toMatchObject({
      version: 'v2.48.0',
      server_type: 'nearjoin',
    });
    expect(JSON.parse((await send('/v1alpha1/config', undefined, admin)).text)).toMatchObject({
      is_admin_secret_set: true,
      is_jwt_set: false,
      jwt: [],
    });
    const exported = await send('/v1/query', { type: 'export_metadata', args: {} }, admin);
    expect(JSON.parse(exported.text).version).toBe(3);
    expect(
      JSON.parse((await send('/v1/metadata', { type: 'get_catalog_state', args: {} }, admin)).text).id,
    ).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('malformed JSON is refused with a code everywhere', async () => {
    for (const path of ['/v1/metadata', '/v1/query', '/v1/graphql/explain']) {
      const answer = await send(path, '{"type":', admin);
      expect({ status: answer.status, code: JSON.parse(answer.text).code }).toEqual({
        status: 400,
        code: 'invalid-json',
      });
    }
  });

  test.each([
    [1_000, { path: '$', error: 'the request is nested deeper than 500 levels', code: 'parse-failed' }],
    [20_000, { path: '$', error: 'the body is nested deeper than 2000 levels', code: 'bad-request' }],
  ])('metadata commands nested %i deep are refused, not run out of stack', async (depth, body) => {
    const filter = `${'{"_not":'.repeat(depth)}{}${'}'.repeat(depth)}`;
    const answer = await send('/v1/metadata', `{"type":"bulk","args":[${filter}]}`, admin);
    expect({ status: answer.status, body: JSON.parse(answer.text) }).toEqual({ status: 400, body });
  });

  test('the feeds that metadata asks for are listed before any replicator has run', async () => {
    const { feeds } = JSON.parse((await send('/v1/replication', undefined, admin)).text);
    expect(feeds).toEqual([
      {
        target: 'pg2',
        source: 'pg1',
        connector: 'postgres',
        state: 'starting',
        reason: 'no replicator has set up this feed yet',
        slot: null,
        position: null,
        target_position: null,
        staleness_ms: null,
        lag_bytes: null,
        retained_wal_bytes: null,
        transactions_applied: 0,
        changes_applied: 0,
        early_transactions: 0,
        early_changes: 0,
        early_age_ms: null,
        verified_at: null,
        rows_differing: null,
        tables: [{ schema: 'public', name: 'users', state: 'pending', rows_copied: 0, rows_estimated: null }],
        last_error: null,
      },
    ]);
  });

  test.each(['pause', 'resume', 'resync', 'verify'])(
    '%s of such a feed says that it is not set up',
    async (action) => {
      const answer = await send(`/v1/replication/pg2/${action}`, '', admin);
      const error = { path: '$', error: 'no replicator has set up this feed yet', code: 'not-found' };
      expect({ status: answer.status, body: JSON.parse(answer.text) }).toEqual({ status: 404, body: error });
    },
  );

  test('a database without feeds is asked for none, which would fail and fill its log', async () => {
    const failed: string[] = [];
    const query = (text: string) =>
      pg1.query(text).catch((error: unknown) => {
        failed.push(text);
        throw error;
      });
    const { feeds } = await readCacheStatus({ query });
    expect({ feeds: feeds.size, failed }).toEqual({ feeds: 0, failed: [] });
  });

  test('a source that is dropped from the metadata is let go', async () => {
    const other = await createDatabase('source', ['create table things (id int primary key)']);
    await server.addSources({ other });
    await server.command('pg_track_table', { source: 'other', table: 'things' });
    expect(await graphql('{ things { id } }')).toBe('{"data":{"things":[]}}');
    await server.command('pg_drop_source', { name: 'other', cascade: true });
    await poll('its sessions to end', async () => {
      await graphql('{ orders { id } }');
      const { rowCount } = await pg1.query(
        `select from pg_stat_activity where datname = $1 and application_name like 'nearjoin%'`,
        [other.name],
      );
      return rowCount === 0;
    });
    await other.drop();
  });

  test('requests to feeds that do not exist are not found', async () => {
    for (const path of [
      '/v1/replication/pg9/pause',
      '/v1/replication/pg2/resume?source=pg7',
      '/v1/replication/pg9/verify',
    ]) {
      const answer = await send(path, '', admin);
      expect({ status: answer.status, code: JSON.parse(answer.text).code }).toEqual({
        status: 404,
        code: 'not-found',
      });
    }
  });

  test('metrics count operations and routes, and open with their own secret too', async () => {
    await graphql('{ orders { user { id } } }');
    const answer = await send('/metrics', undefined, { authorization: 'Bearer metrics-secret' });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toContain('text/plain');
    expect(answer.text).toMatch(
      /hasura_graphql_requests_total\{operation_type="query",response_status="success"\} \d+/,
    );
    expect(answer.text).toMatch(/nearjoin_route_total\{target="pg2",route="live",reason="[a-z-]+"\} \d+/);
    expect(answer.text).toContain('nearjoin_feed_state{source="pg1",target="pg2",state="starting"} 1');
    expect((await send('/metrics', undefined, { authorization: 'Bearer wrong' })).status).toBe(400);
  });

  test('health says OK', async () => {
    expect(await send('/healthz')).toMatchObject({ status: 200, text: 'OK' });
    expect(await send('/hasura/healthz?strict=true')).toMatchObject({ status: 200, text: 'OK' });
  });

  test('what does not exist is not found in the shape of Hasura', async () => {
    expect(await send('/v1beta1/nothing')).toMatchObject({
      status: 404,
      text: '{"path":"$","error":"resource does not exist","code":"not-found"}',
    });
  });
});
