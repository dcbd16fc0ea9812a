import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { GraphqlSocket } from '../support/graphql-socket.ts';
import { leadingTo } from '../support/leading-to.ts';
import { NearjoinHere } from '../support/nearjoin-here.ts';
import { poll } from '../support/poll.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

// Streams while schemas and metadata change, whose sockets live through that.

/** So many that they are not all planned anew in one turn. */
const CLIENTS = 12;
/** Inserted before a change, while it is made, and after it. */
const ROWS = 40;

let pg1: TestDatabase;
let pg2: TestDatabase;
let server: NearjoinHere;
let sockets: readonly GraphqlSocket[] = [];
let inserted = 0;

beforeAll(async () => {
  [pg1, pg2] = await Promise.all([
    createDatabase('source'),
    createDatabase('target', [
      'create table users (id int primary key, name text not null)',
      `insert into users select g, 'user ' || g from generate_series(0, 3) g`,
    ]),
  ]);
  server = await NearjoinHere.start({
    NEARJOIN_LIVE_QUERIES_MULTIPLEXED_REFETCH_INTERVAL: '50',
    NEARJOIN_CLOSE_WEBSOCKETS_ON_METADATA_CHANGE: 'false',
  });
});

beforeEach(async () => {
  await server.command('replace_metadata', { version: 3, sources: [] });
  await pg1.query('drop table if exists event, event_before');
  await pg1.query('create table event (id int primary key, user_id int, note text, unused int)');
  await server.command('replace_metadata', metadata());
  inserted = 0;
});

afterEach(() => {
  for (const socket of sockets) socket.close();
});

afterAll(async () => {
  await server?.stop();
  await Promise.all([pg1?.drop(), pg2?.drop()]);
});

function permission(more: object = {}) {
  const place = { source: 'pg1', table: 'event', role: 'clerk' };
  return { ...place, permission: { columns: ['id', 'user_id', 'note'], filter: {}, ...more } };
}

function metadata(ofClerk: object = {}) {
  const { role, permission: given } = permission(ofClerk);
  const user = { name: 'user', definition: leadingTo('pg2', 'users', { user_id: 'id' }) };
  const source = (name: string, { url }: TestDatabase, tables: readonly object[]) => ({
    name,
    kind: 'postgres',
    configuration: { connection_info: { database_url: url } },
    tables,
  });
  const clerk = { role: 'clerk', permission: { columns: ['id', 'name'], filter: {} } };
  return {
    version: 3,
    sources: [
      source('pg1', pg1, [
        { table: 'event', remote_relationships: [user], select_permissions: [{ role, permission: given }] },
      ]),
      source('pg2', pg2, [{ table: 'users', select_permissions: [clerk] }]),
    ],
  };
}

/** Clients of both protocols and roles follow the table. */
async function follow(fields = 'id note user { name }'): Promise<void> {
  const query = `subscription { event_stream(batch_size: 7, cursor: {initial_value: {id: 0}}) { ${fields} } }`;
  const clients = Array.from({ length: CLIENTS }, async (_, at) => {
    const headers: Record<string, string> = at % 2 === 0 ? {} : { 'x-hasura-role': 'clerk' };
    const protocol = at % 3 === 0 ? 'graphql-ws' : 'graphql-transport-ws';
    const socket = await GraphqlSocket.connect(server.url, headers, { protocol });
    socket.start('s', query);
    return socket;
  });
  sockets = await Promise.all(clients);
}

async function insert(): Promise<void> {
  for (let left = ROWS; left > 0; left -= 1) {
    inserted += 1;
    await pg1.query('insert into event (id, user_id) values ($1::int, $1::int % 4)', [inserted]);
  }
}

/** The ids that a client has heard of, and everything that it was told besides. */
function told(socket: GraphqlSocket): { readonly ids: readonly number[]; readonly else: readonly string[] } {
  const ids: number[] = [];
  const others: string[] = [];
  for (const { type, payload } of socket.heard) {
    if (payload?.data !== undefined)
      ids.push(...payload.data.event_stream.map((row: { id: number }) => row.id));
    else if (type === 'error') others.push((payload.errors ?? payload)[0].message);
    else if (type !== 'connection_ack' && type !== 'complete') others.push(JSON.stringify(payload));
  }
  return { ids, else: others };
}

const upTo = (last: number) => Array.from({ length: last }, (_, at) => at + 1);

/** Each client hears of every row that was inserted, once and in order, and of nothing else. */
async function everybodyHasAll(clients = sockets): Promise<void> {
  const isThere = () => clients.every((socket) => told(socket).ids.length >= inserted);
  await poll('every row', isThere).catch(() => undefined);
  for (const socket of clients) expect(told(socket)).toEqual({ ids: upTo(inserted), else: [] });
}

describe('every row comes once, and nothing else, while', () => {
  const reload = () => server.command('reload_metadata', {});
  test.each<readonly [string, () => Promise<unknown>]>([
    ['a column is added', () => pg1.query('alter table event add column more int').then(reload)],
    [
      'a column is dropped that nobody asks for',
      () => pg1.query('alter table event drop unused').then(reload),
    ],
    ['the cursor’s column gets a wider type', () => pg1.query('alter table event alter id type bigint')],
    [
      'the table is replaced by another of its name',
      () =>
        pg1.query(
          `alter table event rename to event_before;
           create table event (note varchar, id int primary key, user_id bigint);
           insert into event (id, user_id, note) select id, user_id, note from event_before`,
        ),
    ],
    ['all metadata is read again', reload],
    [
      'a permission is dropped and given again',
      () =>
        server.command('bulk', [
          { type: 'pg_drop_select_permission', args: permission() },
          { type: 'pg_create_select_permission', args: permission({ filter: { id: { _gt: 0 } } }) },
        ]),
    ],
    [
      'the source is dropped and added in one command',
      () =>
        server.command('bulk', [
          { type: 'pg_drop_source', args: { name: 'pg1', cascade: true } },
          { type: 'replace_metadata', args: metadata() },
        ]),
    ],
  ])('%s', async (_, change) => {
    await follow();
    await insert();
    await Promise.all([change(), insert()]);
    await insert();
    await everybodyHasAll();
  });
});

describe('what no longer holds is said once, and ends it, when', () => {
  const noNote = "field 'note' not found in type: 'event'";
  const noStream = "field 'event_stream' not found in type: 'subscription_root'";
  test.each<readonly [string, () => Promise<unknown>, readonly [admin: string | null, clerk: string | null]]>(
    [
      [
        'a column is dropped that is asked for',
        () => pg1.query('alter table event drop note'),
        // A permission for a column that is not there gives nothing.
        [noNote, noStream],
      ],
      [
        'the table is renamed',
        () => pg1.query('alter table event rename to event_before'),
        [noStream, noStream],
      ],
      [
        'the source is dropped',
        () => server.command('pg_drop_source', { name: 'pg1', cascade: true }),
        [noStream, noStream],
      ],
      [
        'the relationship is dropped',
        () =>
          server.command('pg_delete_remote_relationship', { source: 'pg1', table: 'event', name: 'user' }),
        ["field 'user' not found in type: 'event'", "field 'user' not found in type: 'event'"],
      ],
      [
        'the role may no longer follow the table',
        () => server.command('replace_metadata', metadata({ subscription_root_fields: ['select'] })),
        [null, noStream],
      ],
      [
        'the role may no longer see a column',
        () => server.command('replace_metadata', metadata({ columns: ['id', 'user_id'] })),
        [null, noNote],
      ],
    ],
  )('%s', async (_, change, expected) => {
    await follow();
    await insert();
    await change();
    for (const [i, why] of expected.entries()) {
      const clients = sockets.filter((__, at) => at % 2 === i);
      if (why === null) {
        await everybodyHasAll(clients);
        continue;
      }
      await poll('the reason', () => clients.every((socket) => told(socket).else.length > 0));
      for (const socket of clients) {
        const { ids, else: others } = told(socket);
        expect(ids).toEqual(upTo(ids.length));
        expect(others).toEqual([why]);
      }
    }
  });
});
