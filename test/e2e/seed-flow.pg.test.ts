import { afterAll, beforeAll, expect, test } from 'vitest';
import { leadingTo } from '../support/leading-to.ts';
import { type Nearjoin, startNearjoin } from '../support/nearjoin.ts';
import { createDatabase, insertPosition, type TestDatabase } from '../support/postgres.ts';

// The document the project began from: order.user_id -> user.id, in two databases, registered through Hasura's own API.

const REGISTER = {
  type: 'pg_create_remote_relationship',
  args: {
    name: 'user',
    source: 'pg1',
    table: { name: 'order', schema: 'public' },
    definition: leadingTo('pg2', { name: 'user', schema: 'public' }, { user_id: 'id' }),
  },
};

let pg1: TestDatabase;
let pg2: TestDatabase;
let meta: TestDatabase;
let nearjoin: Nearjoin;

beforeAll(async () => {
  [pg1, pg2, meta] = await Promise.all([
    createDatabase('source', [
      'create table "order" (id int primary key, user_id int, note text)',
      `insert into "order" values (1, 10, 'first'), (2, 20, 'second'), (3, null, 'nobody'), (4, 99, 'dangling')`,
    ]),
    createDatabase('target', [
      'create table "user" (id int primary key, name text not null)',
      `insert into "user" values (10, 'Ada'), (20, 'Bob')`,
    ]),
    createDatabase('source', []),
  ]);
  nearjoin = await startNearjoin(serveEnv());
  for (const [name, database] of Object.entries({ pg1, pg2 })) {
    const added = await nearjoin.metadata('pg_add_source', {
      name,
      configuration: { connection_info: { database_url: database.url } },
    });
    expect(added.body).toEqual({ message: 'success' });
  }
  await nearjoin.metadata('pg_track_table', { source: 'pg1', table: { schema: 'public', name: 'order' } });
  await nearjoin.metadata('pg_track_table', { source: 'pg2', table: 'user' });
  const registered = await nearjoin.post('/v1/metadata', REGISTER, { 'X-Hasura-Role': 'admin' });
  expect({ status: registered.status, body: registered.body }).toEqual({
    status: 200,
    body: { message: 'success' },
  });
});

afterAll(async () => {
  await nearjoin?.stop();
  await Promise.all([pg1?.drop(), pg2?.drop(), meta?.drop()]);
});

function serveEnv(): Record<string, string> {
  return { NEARJOIN_METADATA_DATABASE_URL: meta.url, NEARJOIN_WAIT_TIMEOUT_MS: '60000' };
}

const QUERY = '{ order(order_by: {id: asc}) { id note user { id name } } }';
const EXPECTED = {
  data: {
    order: [
      { id: 1, note: 'first', user: { id: 10, name: 'Ada' } },
      { id: 2, note: 'second', user: { id: 20, name: 'Bob' } },
      { id: 3, note: 'nobody', user: null },
      { id: 4, note: 'dangling', user: null },
    ],
  },
};

test('the relationship answers at once after it is registered, and from the cache when the copy is ready', async () => {
  const first = await nearjoin.graphql(QUERY);
  expect(first.body).toEqual(EXPECTED);
  const cached = await nearjoin.untilHit(QUERY);
  expect(cached.headers.get('cache-status')).toMatch(
    /^nearjoin-pg2;hit;detail="staleness_ms=\d+ lsn=[0-9A-F]+\/[0-9A-F]+"$/,
  );
  expect(cached.headers.get('x-nearjoin-token')).toMatch(/^pg2:[0-9A-F]+\/[0-9A-F]+$/);
  expect(cached.text).toBe(first.text);
});

test('the live route gives the same bytes as the cache', async () => {
  const cached = await nearjoin.untilHit(QUERY);
  const live = await nearjoin.graphql(QUERY, { headers: { 'cache-control': 'no-cache' } });
  expect(live.headers.get('cache-status')).toContain('nearjoin-pg2;fwd=request');
  expect(live.text).toBe(cached.text);
});

test('parents can be filtered and ordered by the remote row, cached and live', async () => {
  await nearjoin.untilReady();
  const query =
    '{ order(where: {user: {name: {_in: ["Ada", "Bob"]}}}, order_by: {user: {name: desc}}) { id } }';
  const cached = await nearjoin.untilHit(query);
  expect(cached.body).toEqual({ data: { order: [{ id: 2 }, { id: 1 }] } });
  const live = await nearjoin.graphql(query, { headers: { 'cache-control': 'no-cache' } });
  expect(live.text).toBe(cached.text);
});

test('a write on the target is in the answer that asks for its position', async () => {
  await nearjoin.untilHit(QUERY);
  await pg2.query(`update "user" set name = 'Ada Lovelace' where id = 10`);
  const lsn = await insertPosition(pg2);
  const answer = await nearjoin.graphql('{ order_by_pk(id: 1) { user { name } } }', {
    headers: { 'x-nearjoin-token': `pg2:${lsn}` },
  });
  expect(answer.body).toEqual({ data: { order_by_pk: { user: { name: 'Ada Lovelace' } } } });
  const waited = await nearjoin.graphql('{ order_by_pk(id: 1) { user { name } } }', {
    headers: { 'x-nearjoin-token': `pg2:${lsn}`, 'x-nearjoin-fallback': 'wait' },
  });
  expect(waited.headers.get('cache-status')).toContain('nearjoin-pg2;hit');
  expect(waited.body).toEqual(answer.body);
});

test('changes made while nearjoin is down are in the cache after it is back', async () => {
  await nearjoin.untilHit(QUERY);
  await nearjoin.kill();
  await pg2.query(`insert into "user" values (99, 'Late')`);
  await pg2.query(`delete from "user" where id = 20`);
  const lsn = await insertPosition(pg2);
  nearjoin = await startNearjoin(serveEnv());
  const answer = await nearjoin.graphql('{ order(order_by: {id: asc}) { user { name } } }', {
    headers: { 'x-nearjoin-fallback': 'wait', 'x-nearjoin-token': `pg2:${lsn}` },
  });
  expect(answer.headers.get('cache-status')).toContain('nearjoin-pg2;hit');
  expect(answer.body.data.order).toEqual([
    { user: { name: 'Ada Lovelace' } },
    { user: null },
    { user: null },
    { user: { name: 'Late' } },
  ]);
});

test('a node that starts while the target is down answers from the cache', async () => {
  await nearjoin.untilHit(QUERY);
  await nearjoin.stop();
  const beside = await createDatabase('target');
  try {
    await beside.query(`alter database ${pg2.name} allow_connections false`);
    await beside.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [
      pg2.name,
    ]);
    nearjoin = await startNearjoin(serveEnv());
    const { headers, body } = await nearjoin.graphql('{ order(limit: 1) { user { name } } }', {
      headers: { 'x-nearjoin-fallback': 'stale' },
    });
    expect(body).toEqual({ data: { order: [{ user: { name: 'Ada Lovelace' } }] } });
    expect(headers.get('cache-status')).toContain('nearjoin-pg2;hit');
  } finally {
    await beside.query(`alter database ${pg2.name} allow_connections true`);
    await beside.drop();
  }
});
