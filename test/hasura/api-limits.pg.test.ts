import { afterAll, beforeAll, expect, test } from 'vitest';
import { GraphqlSocket } from '../support/graphql-socket.ts';
import type { HttpAnswer } from '../support/http-answer.ts';
import { NearjoinHere } from '../support/nearjoin-here.ts';
import { poll } from '../support/poll.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

let database: TestDatabase;
let server: NearjoinHere;

const USERS = '{ user { id } }';

beforeAll(async () => {
  database = await createDatabase('source', [
    'create table "user" (id int primary key)',
    'insert into "user" values (1)',
    'create view slow as select id, pg_sleep(60)::text as slept from "user"',
  ]);
  server = await NearjoinHere.start({
    NEARJOIN_ROLES: 'api',
    NEARJOIN_CLOSE_WEBSOCKETS_ON_METADATA_CHANGE: 'false',
  });
  await server.addSources({ default: database });
  for (const table of ['user', 'slow']) {
    await server.command('pg_track_table', { table });
    await server.command('pg_create_select_permission', {
      table,
      role: 'user',
      permission: { columns: '*', filter: {} },
    });
  }
});

afterAll(async () => {
  await server?.stop();
  await database?.drop();
});

/** The error's code; undefined where there is none. */
async function code(query: string, role: string, headers: Record<string, string> = {}): Promise<unknown> {
  const { body } = await server.graphql(query, { 'x-hasura-role': role, ...headers });
  return body.errors?.[0].extensions.code;
}

const limit = (name: string, own: unknown, others: unknown = 100): Promise<void> =>
  server.command('set_api_limits', { [name]: { global: others, per_role: { user: own } } });

test('depth and nodes are limited for a role`s operations however they come', async () => {
  const socket = await GraphqlSocket.connect(server.url, { 'x-hasura-role': 'user' });
  for (const [name, refused] of [
    ['depth_limit', 'depth-limit-exceeded'],
    ['node_limit', 'node-limit-exceeded'],
  ] as const) {
    await limit(name, 0);
    expect(await code(USERS, 'user')).toBe(refused);
    expect(await code('{ __schema { queryType { name } } }', 'user')).toBeUndefined();
    expect(await code(USERS, 'admin')).toBeUndefined();
    socket.start(name, `subscription ${USERS}`);
    await poll('the refusal', async () => socket.heard.some((heard) => isRefusal(heard, name)));
  }
  socket.close();
  const path = '/v1alpha1/graphql';
  expect((await server.post(path, { query: USERS }, { 'x-hasura-role': 'user' })).status).toBe(400);
  await server.command('set_api_limits', { disabled: true, depth_limit: { global: 0 } });
  expect(await code(USERS, 'user')).toBeUndefined();
});

function isRefusal(heard: GraphqlSocket['heard'][number], id: string): boolean {
  return heard.id === id && heard.type === 'error';
}

function perUser(max_reqs_per_min: number): object {
  return { max_reqs_per_min, unique_params: ['x-hasura-user-id'] };
}

test('one operation too many in a batch refuses all of it', async () => {
  await limit('batch_limit', 2);
  const batch = (size: number, role: string): Promise<HttpAnswer> =>
    server.post('/v1/graphql', Array(size).fill({ query: USERS }), { 'x-hasura-role': role });
  expect((await batch(2, 'user')).body).toHaveLength(2);
  expect((await batch(3, 'user')).body.errors[0].extensions.code).toBe('batch-limit-exceeded');
  expect((await batch(3, 'admin')).body).toHaveLength(3);
});

test('every operation of a minute counts, a subscription when it begins', async () => {
  await limit('rate_limit', perUser(5), perUser(100));
  const one = { 'x-hasura-role': 'user', 'x-hasura-user-id': '1' };
  const { body } = await server.post('/v1/graphql', [{ query: USERS }, { query: USERS }], one);
  expect(body).toEqual([{ data: { user: [{ id: 1 }] } }, { data: { user: [{ id: 1 }] } }]);
  expect(await code('{ nope }', 'user', one)).toBe('validation-failed');
  const socket = await GraphqlSocket.connect(server.url, one);
  socket.start('a', `subscription ${USERS}`);
  await poll('rows', async () => socket.answers('a').length === 1);
  // It is planned anew with the metadata, and goes on.
  await limit('rate_limit', perUser(4), perUser(100));
  await database.query('insert into "user" values (2)');
  await poll('more rows', async () => socket.closed !== null || socket.answers('a').length === 2);
  socket.close();
  const accept = { accept: 'application/graphql-response+json' };
  expect(await server.post('/v1/graphql', { query: USERS }, { ...one, ...accept })).toMatchObject({
    status: 429,
    body: { errors: [{ extensions: { code: 'rate-limit-exceeded' } }] },
  });
  expect(await code(USERS, 'user', { 'x-hasura-user-id': '2' })).toBeUndefined();
  expect(await code(USERS, 'admin')).toBeUndefined();
});

test('an operation that takes too long is cancelled in its database', async () => {
  await limit('time_limit', 60);
  expect(await code(USERS, 'user')).toBeUndefined();
  await limit('time_limit', 0.2);
  expect(await code('{ slow { slept } }', 'user')).toBe('time-limit-exceeded');
  await poll('the statement to end', async () => {
    const { rows } = await database.query(
      `select from pg_stat_activity where state = 'active' and datname = current_database() and pid <> pg_backend_pid()`,
    );
    return rows.length === 0;
  });
});

test('without them everything is as before', async () => {
  await server.command('remove_api_limits', {});
  const batch = Array(20).fill({ query: USERS });
  const { body } = await server.post('/v1/graphql', batch, {
    'x-hasura-role': 'user',
    'x-hasura-user-id': '1',
  });
  expect(body.every((answer: object) => 'data' in answer)).toBe(true);
});
