import { SignJWT } from 'jose';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { GraphqlSocket, type SocketAsking } from '../support/graphql-socket.ts';
import { leadingTo } from '../support/leading-to.ts';
import { NearjoinHere } from '../support/nearjoin-here.ts';
import { poll } from '../support/poll.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { type Proxy, startProxy } from '../support/proxy.ts';

const SECRET = 'admin-secret';
const admin = { 'x-hasura-admin-secret': SECRET };
const KEY = 'a key of more than thirty-two characters';

let pg1: TestDatabase;
let pg2: TestDatabase;
let proxy: Proxy;
/** Reads live queries again only when a feed brings something: whatever comes later is pushed. */
let pushing: NearjoinHere;
/** Another API node, which reads them every 50 ms and lets sockets live through new metadata. */
let polling: NearjoinHere;
const sockets: GraphqlSocket[] = [];

beforeAll(async () => {
  [pg1, pg2] = await Promise.all([
    createDatabase('source', [
      'create table orders (id int primary key, user_id int, total numeric not null)',
      'insert into orders select g, 10 * g, g + 0.50 from generate_series(1, 3) g',
      'create table big (id int primary key, body text)',
      `insert into big values (1, repeat('a', 1000000))`,
    ]),
    createDatabase('target', [
      'create table users (id int primary key, name text not null)',
      `insert into users select 10 * g, 'user ' || g from generate_series(1, 3) g`,
    ]),
  ]);
  proxy = await startProxy(pg2.server);
  const env = {
    NEARJOIN_ADMIN_SECRET: SECRET,
    NEARJOIN_JWT_SECRET: JSON.stringify({ type: 'HS256', key: KEY }),
    NEARJOIN_WEBSOCKET_KEEPALIVE: '1',
    NEARJOIN_WEBSOCKET_OPERATION_LIMIT: '50',
  };
  pushing = await NearjoinHere.start({
    ...env,
    NEARJOIN_LIVE_QUERIES_MULTIPLEXED_REFETCH_INTERVAL: '3600000',
  });
  polling = await pushing.another({
    ...env,
    NEARJOIN_ROLES: 'api',
    NEARJOIN_LIVE_QUERIES_MULTIPLEXED_REFETCH_INTERVAL: '50',
    NEARJOIN_CLOSE_WEBSOCKETS_ON_METADATA_CHANGE: 'false',
  });
  await register();
  await poll('the cache to answer', async () => (await cacheStatus(pushing)).includes(';hit'));
  await poll('the other node to know', async () => (await cacheStatus(polling)).includes(';hit'));
});

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.close();
});

afterAll(async () => {
  await polling?.stop();
  await pushing?.stop();
  await proxy?.close();
  await Promise.all([pg1?.drop(), pg2?.drop()]);
});

async function register(): Promise<void> {
  await pushing.addSources({ pg1, pg2: { url: proxy.through(pg2.url) } });
  for (const [source, table] of [
    ['pg1', 'orders'],
    ['pg1', 'big'],
    ['pg2', 'users'],
  ])
    await pushing.command('pg_track_table', { source, table });
  await pushing.command('pg_create_remote_relationship', {
    source: 'pg1',
    table: 'orders',
    name: 'user',
    definition: leadingTo('pg2', 'users', { user_id: 'id' }),
  });
  const own = { columns: ['id', 'user_id'], filter: { user_id: { _eq: 'X-Hasura-User-Id' } } };
  await pushing.command('pg_create_select_permission', {
    source: 'pg1',
    table: 'orders',
    role: 'clerk',
    permission: own,
  });
}

const JOINED = '{ orders(order_by: {id: asc}) { id total user { name } } }';

async function cacheStatus(server: NearjoinHere): Promise<string> {
  const { headers } = await server.graphql(JOINED);
  return headers.get('cache-status') ?? '';
}

/** What the query itself answers, as its bytes. */
async function queried(query: string, server = pushing, headers = {}): Promise<string> {
  return (await server.graphql(query, { ...admin, ...headers })).text;
}

async function connect(
  server = pushing,
  headers: Record<string, string> = admin,
  asking: SocketAsking = {},
): Promise<GraphqlSocket> {
  const socket = await GraphqlSocket.connect(server.url, headers, asking);
  sockets.push(socket);
  return socket;
}

async function metric(server: NearjoinHere, name: string): Promise<number> {
  const { text } = await server.get('/metrics', admin);
  const lines = text.split('\n').filter((line) => line.startsWith(name));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

/** Sockets of an earlier test may take a moment to be gone. */
async function untilMetric(server: NearjoinHere, name: string, value: number): Promise<void> {
  await poll(`${name} to be ${value}`, async () => (await metric(server, name)) === value);
}

const RAN_TOGETHER = `
  select from pg_stat_activity
  where datname = current_database() and query like '%with ordinality%' and pid <> pg_backend_pid()`;

let named = 0;

/** Gives a user a name nobody had before. */
async function rename(id: number): Promise<string> {
  named += 1;
  const name = `name ${named}`;
  await pg2.query('update users set name = $2 where id = $1', [id, name]);
  return name;
}

describe.each(['graphql-transport-ws', 'graphql-ws'] as const)('%s', (protocol) => {
  test('a query is answered with the bytes of HTTP and completed', async () => {
    const socket = await connect(pushing, admin, { protocol });
    socket.start('q', JOINED);
    await socket.untilHeard('complete', 'q');
    expect(socket.texts[1]).toContain(`"payload":${await queried(JOINED)}}`);
    expect(socket.heard.map(({ type }) => type).slice(2)).toEqual(['complete']);
  });

  test('a subscription over both databases is pushed when the target changes, and ends when stopped', async () => {
    const socket = await connect(pushing, admin, { protocol });
    const query = 'subscription ($id: Int!) { orders_by_pk(id: $id) { id user { name } } }';
    socket.start('s', query, { variables: { id: 1 } });
    await socket.untilHeard(protocol === 'graphql-ws' ? 'data' : 'next', 's');
    const name = await rename(10);
    await socket.untilAnswer('s', { data: { orders_by_pk: { id: 1, user: { name } } } });
    socket.stop('s');
    await untilMetric(pushing, 'nearjoin_active_subscriptions', 0);
    const heard = socket.answers('s').length;
    await rename(10);
    socket.start('q', JOINED);
    await socket.untilHeard('complete', 'q');
    expect(socket.answers('s').length).toBe(heard);
  });

  test('what is wrong with an operation is told under its id; the socket lives on', async () => {
    const socket = await connect(pushing, admin, { protocol });
    socket.start('1', 'subscription { orders { nothing } }');
    const { payload } = await socket.untilHeard('error', '1');
    const error = {
      message: "field 'nothing' not found in type: 'orders'",
      extensions: { path: '$.selectionSet.orders.selectionSet.nothing', code: 'validation-failed' },
    };
    expect(payload).toEqual(protocol === 'graphql-ws' ? { errors: [error] } : [error]);
    socket.start('1', '{ __typename }');
    await poll('an answer', () => socket.answers('1').length === 1);
    expect(socket.answers('1')).toEqual([{ data: { __typename: 'query_root' } }]);
  });

  test('the server shows that it is there', async () => {
    const socket = await connect(pushing, admin, { protocol });
    await poll('keep-alives', () => socket.keepAlives >= 2);
  });
});

describe('sharing', () => {
  test('equal subscriptions are read once for all, and each client hears of every change', async () => {
    const text = 'subscription Shared { orders(order_by: {id: asc}) { id user { name } } }';
    const clients = await Promise.all(Array.from({ length: 10 }, () => connect()));
    for (const client of clients) client.start('s', text);
    await Promise.all(clients.map((client) => client.untilHeard('next', 's')));
    await untilMetric(pushing, 'nearjoin_active_subscriptions', 10);
    await untilMetric(pushing, 'nearjoin_live_queries', 1);
    await untilMetric(pushing, 'nearjoin_websocket_connections', 10);
    const before = await metric(pushing, 'nearjoin_live_query_runs_total');
    const name = await rename(20);
    const rows = [1, 2, 3].map((id) => ({ id, user: { name: id === 2 ? name : expect.any(String) } }));
    for (const client of clients) {
      await poll('the change', () => JSON.stringify(client.answers('s').at(-1)).includes(name));
      expect(client.answers('s').at(-1)).toEqual({ data: { orders: rows } });
    }
    // One commit may be seen in two steps of the watermark; ten clients would be ten readings at least.
    expect((await metric(pushing, 'nearjoin_live_query_runs_total')) - before).toBeLessThan(8);
  });

  test('roles and session variables are kept apart', async () => {
    const clerk = (id: string) => ({ ...admin, 'x-hasura-role': 'clerk', 'X-Hasura-User-Id': id });
    const text = 'subscription { orders { id } }';
    const [a, b, c] = await Promise.all([
      connect(polling, clerk('10')),
      connect(polling, clerk('20')),
      connect(polling),
    ]);
    for (const client of [a, b, c]) client.start('s', text);
    await a.untilAnswer('s', { data: { orders: [{ id: 1 }] } });
    await b.untilAnswer('s', { data: { orders: [{ id: 2 }] } });
    await c.untilAnswer('s', { data: { orders: [{ id: 1 }, { id: 2 }, { id: 3 }] } });
    a.start('hidden', 'subscription { orders { total } }');
    expect((await a.untilHeard('error', 'hidden')).payload[0].message).toContain("'total' not found");
  });

  test('clients that are read by one execution are told of their own rows, errors and changes alone', async () => {
    const users = Array.from({ length: 40 }, (_, i) => String(i)).with(7, 'nobody');
    const clerks = await Promise.all(
      users.map((user) => connect(polling, { ...admin, 'x-hasura-role': 'clerk', 'X-Hasura-User-Id': user })),
    );
    for (const clerk of clerks) clerk.start('s', 'subscription { orders { id user_id } }');
    const answers = (user: string) => clerks[users.indexOf(user)]?.answers('s') ?? [];
    const data = (...orders: readonly object[]) => ({ data: { orders } });
    await Promise.all(clerks.map((clerk) => clerk.untilHeard('next', 's')));
    await poll('an execution for many', async () => (await pg1.query(RAN_TOGETHER)).rowCount !== 0);
    await pg1.query('insert into orders values (5, 39, 0)');
    await poll('the new row', () => answers('39').length === 2);
    clerks[38]?.close();
    await pg1.query('delete from orders where id = 5');
    await poll('its end', () => answers('39').length === 3);
    const others = users.filter((user) => user !== 'nobody' && user !== '39');
    expect(others.map(answers)).toEqual(
      others.map((user) => {
        const id = Number(user) / 10;
        return [[1, 2, 3].includes(id) ? data({ id, user_id: Number(user) }) : data()];
      }),
    );
    expect(answers('39')).toEqual([data(), data({ id: 5, user_id: 39 }), data()]);
    expect(answers('nobody')).toMatchObject([{ errors: [{ extensions: { code: 'data-exception' } }] }]);
  });
});

test('rows of the source itself are polled for, and only changes are sent', async () => {
  const socket = await connect(polling);
  socket.start('s', 'subscription { orders_aggregate { aggregate { count } } }');
  const count = (n: number) => ({ data: { orders_aggregate: { aggregate: { count: n } } } });
  await socket.untilAnswer('s', count(3));
  await pg1.query('insert into orders values (4, null, 0)');
  await socket.untilAnswer('s', count(4));
  await pg1.query('delete from orders where id = 4');
  await socket.untilAnswer('s', count(3));
  expect(socket.answers('s')).toEqual([count(3), count(4), count(3)]);
});

test('a subscription is explained like a query', async () => {
  const query = { query: 'subscription { orders { id user { id } } }' };
  const { body } = await pushing.post('/v1/graphql/explain', { query }, admin);
  expect(body[0]).toMatchObject({ field: 'orders', targets: [{ target: 'pg2' }] });
});

test('routes are reported when asked for, and a directive chooses them', async () => {
  const socket = await connect(polling, { ...admin, 'X-Nearjoin-Extensions': 'true' });
  const joined = JOINED.slice(1);
  // However slow the machine, the cache is young enough for the first.
  socket.start('cached', `subscription @freshness(max_staleness_ms: 600000) {${joined}`);
  socket.start('live', `subscription @freshness(max_staleness_ms: 0) {${joined}`);
  const answers = await Promise.all(['cached', 'live'].map((id) => socket.untilHeard('next', id)));
  const routes = answers.map(({ payload }) => payload.extensions.nearjoin.pg2.route);
  expect(routes).toEqual(['cache', 'live']);
  expect(answers[0]?.payload.data).toEqual(answers[1]?.payload.data);
  const name = await rename(30);
  for (const id of ['cached', 'live'])
    await poll(`the change ${id}`, () => JSON.stringify(socket.answers(id).at(-1)).includes(name));
});

test('after random writes to both databases every subscriber has what the query answers', async () => {
  const texts = [
    JOINED,
    '{ orders(where: {user: {name: {_gt: "m"}}}, order_by: [{user: {name: desc}}, {id: asc}]) { id total } }',
    '{ orders_aggregate(where: {user_id: {_is_null: false}}) { aggregate { count sum { total } } nodes { user { id } } } }',
  ];
  const clients = await Promise.all([connect(polling), connect(polling, admin, { protocol: 'graphql-ws' })]);
  for (const client of clients)
    for (const [at, text] of texts.entries()) client.start(`${at}`, `subscription ${text}`);
  for (let step = 0; step < 40; step += 1) {
    const [id, n] = [1 + (step % 5), (step * 7919) % 1000];
    await pg1.query(
      `insert into orders values ($1, $2, $3) on conflict (id) do update set user_id = $2, total = $3`,
      [id, step % 3 === 0 ? null : 10 * (1 + (n % 4)), n / 10],
    );
    await pg2.query(`insert into users values ($1, $2) on conflict (id) do update set name = excluded.name`, [
      10 * (1 + (n % 4)),
      `${String.fromCharCode(97 + (n % 26))} ${step}`,
    ]);
  }
  for (const client of clients) {
    for (const [at, text] of texts.entries()) {
      const wanted = JSON.parse(await queried(text, polling, { 'cache-control': 'no-cache' }));
      await client.untilAnswer(`${at}`, wanted);
    }
  }
});

test('a target that is down is told, and its rows come again by themselves', async () => {
  const socket = await connect(polling);
  socket.start('s', `subscription ${JOINED}`);
  const { payload: before } = await socket.untilHeard('next', 's');
  proxy.setMode('refuse');
  proxy.reset();
  const told = () => socket.answers('s').at(-1) as { errors?: { extensions: { code: string } }[] };
  await poll('the error', () => told().errors?.[0]?.extensions.code === 'target-unavailable');
  proxy.setMode('forward');
  await socket.untilAnswer('s', before);
});

test('subscriptions whose target keeps them waiting hold up no others', async () => {
  const holder = new pg.Client({ connectionString: pg2.url });
  await holder.connect();
  try {
    await holder.query('begin; lock table users in access exclusive mode');
    const socket = await connect(polling);
    const held = ['a', 'b', 'c'];
    for (const id of held) socket.start(id, `subscription ${id} @freshness(max_staleness_ms: 0) ${JOINED}`);
    const waits = `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
    await poll('one to wait', async () => (await pg2.query(waits)).rowCount !== 0);
    // Its first reading: where one was late before, as any is on a busy machine, the next leaves the places to others.
    socket.start('own', 'subscription own { orders { id } }');
    await socket.untilHeard('next', 'own');
    expect(held.flatMap((id) => socket.answers(id))).toEqual([]);
    await holder.query('rollback');
    await Promise.all(held.map((id) => poll('the rows', () => socket.answers(id).length > 0)));
  } finally {
    await holder.end();
  }
});

test('a client that does not read gets the newest answer once it does, not every one', async () => {
  const query = 'subscription { big_by_pk(id: 1) { id body } }';
  const [fast, slow] = await Promise.all([connect(polling), connect(polling)]);
  fast.start('s', query);
  slow.start('s', query);
  await Promise.all([fast.untilHeard('next', 's'), slow.untilHeard('next', 's')]);
  slow.socket.pause();
  // Few and large: one who has read nothing for a minute is taken for gone.
  for (let at = 0; at < 8; at += 1) {
    const letter = String.fromCharCode(98 + (at % 2));
    await pg1.query('update big set body = repeat($1, 4000000)', [letter]);
    await poll('the change', () => bodyOf(fast).startsWith(letter));
  }
  await pg1.query(`update big set body = 'the end'`);
  await poll('the end', () => bodyOf(fast) === 'the end');
  slow.socket.resume();
  await poll('the slow client to catch up', () => bodyOf(slow) === 'the end');
  expect(fast.answers('s').length).toBe(10);
  // What fits into the buffers of the two kernels was sent, and no more than one kept beside.
  expect(slow.answers('s').length).toBeLessThan(8);
});

function bodyOf(socket: GraphqlSocket): string {
  const answer = socket.answers('s').at(-1) as { data: { big_by_pk: { body: string } } };
  return answer.data.big_by_pk.body;
}

describe('who comes in', () => {
  test('credentials are read from the handshake and from connection_init', async () => {
    const socket = await connect(pushing, {}, { headers: admin });
    socket.start('q', '{ __typename }');
    await socket.untilHeard('complete', 'q');
    const refused = await GraphqlSocket.open(pushing.url);
    refused.say({ type: 'connection_init', payload: { headers: { 'x-hasura-admin-secret': 'wrong' } } });
    expect((await refused.untilClosed()).code).toBe(4403);
    const legacy = await GraphqlSocket.open(pushing.url, { protocol: null });
    legacy.say({ type: 'connection_init' });
    expect(await legacy.untilHeard('connection_error')).toMatchObject({
      payload: "Missing 'Authorization' or 'Cookie' header in JWT authentication mode",
    });
    expect((await legacy.untilClosed()).code).toBe(4400);
  });

  test('a socket ends with its token', async () => {
    const tokenFor = (seconds: number): Promise<string> =>
      new SignJWT({
        'https://hasura.io/jwt/claims': {
          'x-hasura-default-role': 'clerk',
          'x-hasura-allowed-roles': ['clerk'],
          'x-hasura-user-id': '10',
        },
      })
        .setProtectedHeader({ alg: 'HS256' })
        .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
        .sign(Buffer.from(KEY));
    /** Whether there was an answer before the end; a slow machine may not come to it in time. */
    const isServed = async (seconds: number): Promise<boolean> => {
      const socket = await GraphqlSocket.open(polling.url);
      sockets.push(socket);
      const headers = { Authorization: `Bearer ${await tokenFor(seconds)}` };
      socket.say({ type: 'connection_init', payload: { headers } });
      await poll('an answer', () => socket.heard.length > 0 || socket.closed !== null);
      socket.start('s', 'subscription { orders { user_id } }');
      expect(await socket.untilClosed()).toMatchObject({ code: 4403 });
      return socket.answers('s').length > 0;
    };
    expect((await isServed(3)) || (await isServed(30))).toBe(true);
  });
});

test('new metadata closes sockets, or plans their subscriptions anew', async () => {
  const closed = await connect(pushing);
  const kept = await connect(polling, { ...admin, 'x-hasura-role': 'clerk', 'x-hasura-user-id': '30' });
  kept.start('s', 'subscription { orders { id } }');
  kept.start('by_pk', 'subscription { orders_by_pk(id: 3) { id user_id } }');
  await Promise.all(['s', 'by_pk'].map((id) => kept.untilHeard('next', id)));
  await pushing.command('pg_drop_select_permission', { source: 'pg1', table: 'orders', role: 'clerk' });
  expect((await closed.untilClosed()).code).toBe(1012);
  expect((await kept.untilHeard('error', 's')).payload[0].message).toBe(
    "field 'orders' not found in type: 'subscription_root'",
  );
  await kept.untilHeard('error', 'by_pk');
  await untilMetric(polling, 'nearjoin_active_subscriptions', 0);
});

test('a query that waits for its turn is answered by the permissions of then', async () => {
  const permission = { source: 'pg1', table: 'big', role: 'reader' };
  const query = '{ big { id } }';
  const reader = { ...admin, 'x-hasura-role': 'reader' };
  const isSeen = async (): Promise<boolean> =>
    (await polling.graphql('{ __schema { queryType { fields { name } } } }', reader)).text.includes('"big"');
  await pushing.command('pg_create_select_permission', {
    ...permission,
    permission: { columns: ['id'], filter: {} },
  });
  await poll('the permission to be known', isSeen);
  const holder = new pg.Client({ connectionString: pg1.url });
  await holder.connect();
  await holder.query('begin; lock big');
  const socket = await connect(polling, reader);
  for (const id of ['1', '2', '3', '4', 'last']) socket.start(id, query);
  socket.say({ type: 'ping' });
  await socket.untilHeard('pong'); // so all have been read
  await pushing.command('pg_drop_select_permission', permission);
  await poll('the permission to be gone', async () => !(await isSeen()));
  await holder.end();
  const refused = await socket.untilHeard('error', 'last');
  expect(refused.payload).toMatchObject([{ message: "field 'big' not found in type: 'query_root'" }]);
});

test('a server that stops asks its clients to come again', async () => {
  const server = await pushing.another({ NEARJOIN_ROLES: 'api' });
  const socket = await connect(server, {});
  socket.start('s', `subscription ${JOINED}`);
  await socket.untilHeard('next', 's');
  await server.stop();
  expect(await socket.untilClosed()).toEqual({ code: 1012, reason: 'the server is shutting down' });
});
