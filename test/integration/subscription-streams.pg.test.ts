import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { GraphqlSocket } from '../support/graphql-socket.ts';
import { leadingTo } from '../support/leading-to.ts';
import { NearjoinHere } from '../support/nearjoin-here.ts';
import { poll } from '../support/poll.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

type Row = Readonly<Record<string, unknown>>;

let pg1: TestDatabase;
let pg2: TestDatabase;
/** Reads every 50 ms, and its sockets live through new metadata. */
let polling: NearjoinHere;
/** Reads again only when a feed brings something, or a batch was sent. */
let pushing: NearjoinHere;
const sockets: GraphqlSocket[] = [];

beforeAll(async () => {
  [pg1, pg2] = await Promise.all([
    createDatabase('source', [
      'create table event (id int primary key, user_id int, note text)',
      `insert into event select g, g % 3 + 1, 'note ' || g from generate_series(1, 100) g`,
      'create table log (id int primary key)',
      `create type mood as enum ('e', 'd', 'c', 'b', 'a', 'z')`,
      `create table typed (
        id int primary key, big bigint, num numeric, at timestamptz, day date, uid uuid, txt text, dbl float8,
        flt real, span interval, arr int[], cash money, code char(9), mood mood
      )`,
      TYPED_ROWS,
      'create table tied (id int primary key, at int not null)',
      'insert into tied values (1, 10), (2, 20), (3, 20), (4, 20), (5, 30)',
    ]),
    createDatabase('target', [
      'create table users (id int primary key, name text not null)',
      `insert into users select g, 'user ' || g from generate_series(1, 4) g`,
    ]),
  ]);
  polling = await NearjoinHere.start({
    NEARJOIN_LIVE_QUERIES_MULTIPLEXED_REFETCH_INTERVAL: '50',
    NEARJOIN_CLOSE_WEBSOCKETS_ON_METADATA_CHANGE: 'false',
  });
  pushing = await polling.another({
    NEARJOIN_ROLES: 'api',
    NEARJOIN_LIVE_QUERIES_MULTIPLEXED_REFETCH_INTERVAL: '3600000',
  });
  await polling.command('replace_metadata', METADATA());
  for (const server of [polling, pushing])
    await poll('the cache to answer', async () => (await cacheStatus(server)).includes(';hit'));
});

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.close();
});

afterAll(async () => {
  await pushing?.stop();
  await polling?.stop();
  await Promise.all([pg1?.drop(), pg2?.drop()]);
});

/** Neighbours differ by the least their type can tell. */
const TYPED_ROWS = `insert into typed
  select g, 9007199254740992 + g, 12345678901234567890.123456789 + g * 0.000000001,
    timestamptz '2026-01-02 03:04:05.678901+00' + g * interval '1 microsecond', date '2026-01-01' + g,
    ('00000000-0000-0000-0000-00000000000' || g)::uuid, 'it''s "{\\ö' || g, 1 + g * 2.220446049250313e-16,
    1 + g * 1.1920929e-7, g * interval '1 microsecond', array[7, g],
    (g / 100.0)::numeric::money, 'c' || g, (enum_range(null::mood))[g + 1]
  from generate_series(1, 4) g`;

const METADATA = () => ({
  version: 3,
  sources: [
    {
      name: 'pg1',
      kind: 'postgres',
      configuration: { connection_info: { database_url: pg1.url } },
      tables: [
        {
          table: 'event',
          remote_relationships: [
            {
              name: 'user',
              definition: leadingTo('pg2', 'users', { user_id: 'id' }),
            },
          ],
          select_permissions: [
            {
              role: 'clerk',
              permission: {
                columns: ['id', 'user_id'],
                filter: { user: { id: { _eq: 'X-Hasura-User-Id' } } },
                limit: 4,
              },
            },
          ],
        },
        ...['log', 'typed', 'tied'].map((table) => ({ table })),
      ],
    },
    {
      name: 'pg2',
      kind: 'postgres',
      configuration: { connection_info: { database_url: pg2.url } },
      tables: [
        {
          table: 'users',
          select_permissions: [{ role: 'clerk', permission: { columns: ['id'], filter: {} } }],
        },
      ],
    },
  ],
});

async function cacheStatus(server: NearjoinHere): Promise<string> {
  const { headers } = await server.graphql('{ event(limit: 1) { user { name } } }');
  return headers.get('cache-status') ?? '';
}

async function connect(server = polling, headers: Record<string, string> = {}): Promise<GraphqlSocket> {
  const socket = await GraphqlSocket.connect(server.url, headers);
  sockets.push(socket);
  return socket;
}

/** The batches of a stream so far. */
function batches(socket: GraphqlSocket, id = 's'): readonly (readonly Row[])[] {
  return socket.answers(id).map((answer) => {
    const { data } = answer as { data: Readonly<Record<string, readonly Row[]>> };
    return Object.values(data)[0] ?? [];
  });
}

function ids(socket: GraphqlSocket, id = 's'): readonly unknown[] {
  return batches(socket, id).flatMap((rows) => rows.map((row) => row['id']));
}

async function untilIds(socket: GraphqlSocket, wanted: readonly number[], id = 's'): Promise<void> {
  await poll(`${wanted.length} rows of ${id}`, () => ids(socket, id).length >= wanted.length).catch(
    (error: unknown) => {
      throw new Error(`${String(error)}: ${JSON.stringify([ids(socket, id), socket.heard.slice(-3)])}`);
    },
  );
  expect(ids(socket, id)).toEqual(wanted);
}

const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, at) => first + at);

test('every row comes once while rows are inserted, in batches of at most the size', async () => {
  const socket = await connect();
  socket.start('s', 'subscription { log_stream(batch_size: 7, cursor: {initial_value: {id: 0}}) { id } }');
  for (let last = 0; last < 60; last += 3) {
    await pg1.query('insert into log select generate_series($1::int, $1 + 2)', [last + 1]);
  }
  await untilIds(socket, upTo(60));
  await pg1.query('insert into log values (61)');
  await untilIds(socket, upTo(61));
  expect(batches(socket).every((rows) => rows.length > 0 && rows.length <= 7)).toBe(true);
});

test('a descending stream goes down, and later rows above its cursor are not its', async () => {
  const socket = await connect();
  const query = `subscription ($from: [event_stream_cursor_input]!) {
    event_stream(batch_size: 25, cursor: $from) { id }
  }`;
  const from = [{ initial_value: { id: 61 }, ordering: 'DESC' }];
  socket.start('s', query, { variables: { from } });
  await untilIds(socket, upTo(60).reverse());
  await pg1.query('insert into event values (900), (0), (-1)');
  await untilIds(socket, upTo(60, -1).reverse());
  expect(
    batches(socket)
      .map((rows) => rows.length)
      .slice(0, 3),
  ).toEqual([25, 25, 10]);
});

test('a cursor keeps every digit of its type', async () => {
  const begins = {
    big: '"9007199254740992"',
    num: '"12345678901234567890.123456789"',
    at: '"2026-01-02T03:04:05.678901Z"',
    day: '"2026-01-01"',
    uid: '"00000000-0000-0000-0000-000000000000"',
    txt: '""',
    dbl: '1',
    flt: '1',
    span: '"00:00:00"',
    arr: '[7]',
    cash: '"$0.00"',
    code: '"a"',
    mood: '"e"',
  };
  const socket = await connect();
  for (const [column, begin] of Object.entries(begins)) {
    const query = `subscription { typed_stream(batch_size: 1, cursor: {initial_value: {${column}: ${begin}}}) { id } }`;
    socket.start(column, query);
  }
  for (const column of Object.keys(begins)) await untilIds(socket, [1, 2, 3, 4], column);
  await pg1.query(`insert into typed
    select 5, big + 1, num + 1, at + interval '1 day', day + 1, 'ffffffff-0000-0000-0000-000000000000', txt || 'x', dbl + 1,
      flt + 1, span + interval '1 day', arr || 1, cash + 1::money, 'cx', 'z'
    from typed where id = 4`);
  for (const column of Object.keys(begins)) await untilIds(socket, [1, 2, 3, 4, 5], column);
});

test('rows that share a value with the last of a batch come with it, as in Hasura', async () => {
  const socket = await connect();
  socket.start(
    's',
    'subscription { tied_stream(batch_size: 2, cursor: {initial_value: {at: 0}}) { id at } }',
  );
  await poll('the last row', () => batches(socket).flat().at(-1)?.['at'] === 30);
  expect(batches(socket).map((rows) => rows.map((row) => row['at']))).toEqual([[10, 20, 20, 20], [30]]);
});

describe('across databases', () => {
  const joined = (directive: string) => `subscription ${directive} {
    event_stream(batch_size: 30, cursor: {initial_value: {id: 10}}, where: {id: {_lte: 100}}) { id user { name } }
  }`;
  const filtered = (directive: string) => `subscription ${directive} {
    event_stream(
      batch_size: 9, cursor: {initial_value: {id: 10}}, where: {id: {_lte: 100}, user: {name: {_eq: "user 2"}}}
    ) { id user { name } }
  }`;

  test('remote rows are shown and filtered by, from the cache and live, with the same rows', async () => {
    const socket = await connect(polling, { 'X-Nearjoin-Extensions': 'true' });
    // However slow the machine, the cache is young enough for the first.
    const [cached, live] = ['@freshness(max_staleness_ms: 600000)', '@freshness(max_staleness_ms: 0)'];
    const texts = {
      cached: joined(cached),
      live: joined(live),
      filtered: filtered(cached),
      filteredLive: filtered(live),
    };
    for (const [id, text] of Object.entries(texts)) socket.start(id, text);
    const ofUser2 = upTo(100, 11).filter((id) => id % 3 === 1);
    await untilIds(socket, upTo(100, 11), 'cached');
    await untilIds(socket, upTo(100, 11), 'live');
    await untilIds(socket, ofUser2, 'filtered');
    await untilIds(socket, ofUser2, 'filteredLive');
    for (const [id, text] of Object.entries(texts)) {
      const routes = socket.answers(id).map((answer) => {
        return (answer as { extensions: { nearjoin: { pg2: { route: string } } } }).extensions.nearjoin.pg2
          .route;
      });
      expect(new Set(routes)).toEqual(new Set([text.includes(live) ? 'live' : 'cache']));
      for (const row of batches(socket, id).flat())
        expect(row['user']).toEqual({ name: `user ${(Number(row['id']) % 3) + 1}` });
    }
  });

  test('rows that share a value come in the order of their key, from the cache and live', async () => {
    const socket = await connect();
    const ofUser = (user: number) => upTo(100).filter((id) => id % 3 === user - 1);
    for (const staleness of [600_000, 0]) {
      const id = `within ${staleness}`;
      socket.start(
        id,
        `subscription @freshness(max_staleness_ms: ${staleness}) {
          event_stream(
            batch_size: 20, cursor: {initial_value: {user_id: 0}}, where: {id: {_lte: 100}, user: {name: {_like: "user%"}}}
          ) { id }
        }`,
      );
      await poll('all rows', () => batches(socket, id).flat().length === 100);
      expect(batches(socket, id).map((rows) => rows.map((row) => row['id']))).toEqual([1, 2, 3].map(ofUser));
    }
  });

  test('a permission filters and limits every batch', async () => {
    const socket = await connect(polling, { 'x-hasura-role': 'clerk', 'x-hasura-user-id': '3' });
    const of = (column: string) =>
      `subscription { event_stream(batch_size: 50, cursor: {initial_value: {${column}}}, where: {id: {_lte: 40}}) { id } }`;
    socket.start('s', of('id: 0'));
    await untilIds(
      socket,
      upTo(40).filter((id) => id % 3 === 2),
    );
    expect(batches(socket).map((rows) => rows.length)).toEqual([4, 4, 4, 1]);
    socket.start('hidden', of('note: "a"'));
    expect((await socket.untilHeard('error', 'hidden')).payload[0].message).toBe(
      "field 'note' not found in type: 'event_stream_cursor_value_input'",
    );
  });

  test('a change of the other database is pushed to a stream wherever it has come to', async () => {
    const socket = await connect(pushing);
    const text = `subscription {
      event_stream(
        batch_size: 50, cursor: {initial_value: {id: 0}}, where: {id: {_lte: 101}, user: {name: {_like: "user%"}}}
      ) { id }
    }`;
    socket.start('s', text);
    await untilIds(socket, upTo(100));
    await pg1.query(`insert into event values (101, 5, 'later')`);
    await pg2.query(`insert into users values (5, 'user 5')`);
    await untilIds(socket, upTo(101));
  });
});

test('a stream is explained as any field is', async () => {
  const query = 'subscription { log_stream(batch_size: 2, cursor: {initial_value: {id: 0}}) { id } }';
  const { body } = await polling.post('/v1/graphql/explain', { query: { query } });
  const [field] = body as { field: string; plan: readonly string[] }[];
  expect(field).toMatchObject({ field: 'log_stream', sql: expect.stringContaining('as cursor from') });
  expect(field?.plan.join('\n')).toContain('Limit');
});

test('a stream that was stopped sends nothing more, and begins again where its client says', async () => {
  const socket = await connect();
  const from = (id: number) =>
    `subscription { event_stream(batch_size: 6, cursor: {initial_value: {id: ${id}}}, where: {id: {_lt: 50}}) { id } }`;
  socket.start('s', from(30));
  await poll('a batch', () => batches(socket).length > 0);
  socket.stop('s');
  const last = Number(ids(socket).at(-1));
  socket.start('again', from(last));
  await poll('the first of the others', () => batches(socket, 'again').length > 0);
  const heard = batches(socket).length;
  await untilIds(socket, upTo(49, last + 1), 'again');
  expect(batches(socket).length).toBe(heard);
});

test('new metadata plans a stream anew where it has come to, and ends one that no longer may', async () => {
  await pg1.query('insert into event select g, g % 3 + 1 from generate_series(1001, 1010) g');
  const socket = await connect();
  const clerk = await connect(polling, { 'x-hasura-role': 'clerk', 'x-hasura-user-id': '1' });
  const text = 'subscription { event_stream(batch_size: 6, cursor: {initial_value: {id: 1000}}) { id } }';
  socket.start('s', text);
  clerk.start('s', text);
  await untilIds(socket, upTo(1010, 1001));
  await untilIds(clerk, [1002, 1005, 1008]);
  await polling.command('pg_drop_select_permission', { source: 'pg1', table: 'event', role: 'clerk' });
  expect((await clerk.untilHeard('error', 's')).payload[0].message).toBe(
    "field 'event_stream' not found in type: 'subscription_root'",
  );
  await pg1.query('insert into event values (1011)');
  await untilIds(socket, upTo(1011, 1001));
});
