import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, type Nearjoin, startNearjoin } from '../support/nearjoin.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

let pg1: TestDatabase;
let pg2: TestDatabase;
let meta: TestDatabase;
let plain: TestDatabase;
let nearjoin: Nearjoin;

beforeAll(async () => {
  [pg1, pg2, meta, plain] = await Promise.all([
    createDatabase('source', [
      'create table orders (id int primary key, user_id int, code text, log_id int)',
      `insert into orders values (1, 10, 'x', 5)`,
    ]),
    createDatabase('target', [
      'create table users (id int primary key, name text)',
      'create table logs (id int, line text)',
      `insert into users values (10, 'Ada')`,
      `insert into logs values (5, 'a line')`,
    ]),
    createDatabase('source', []),
    createDatabase('target', [
      'create table members (id int primary key, name text)',
      `insert into members values (10, 'plain Ada')`,
    ]),
  ]);
  nearjoin = await startNearjoin({ NEARJOIN_METADATA_DATABASE_URL: meta.url });
  await addSource('pg1', pg1.url);
  await addSource('pg2', pg2.url);
  for (const table of ['users', 'logs']) await nearjoin.metadata('pg_track_table', { source: 'pg2', table });
  await nearjoin.metadata('pg_track_table', { source: 'pg1', table: 'orders' });
});

afterAll(async () => {
  await nearjoin?.stop();
  await Promise.all([pg1?.drop(), pg2?.drop(), meta?.drop(), plain?.drop()]);
});

async function addSource(name: string, url: string): Promise<void> {
  const added = await nearjoin.metadata('pg_add_source', {
    name,
    configuration: { connection_info: { database_url: url } },
  });
  expect(added.body).toEqual({ message: 'success' });
}

function remote(name: string, source: string, table: string, field_mapping: Record<string, string>): unknown {
  return {
    name,
    source: 'pg1',
    table: 'orders',
    definition: { to_source: { relationship_type: 'object', source, table, field_mapping } },
  };
}

interface Feed {
  target: string;
  state: string;
  reason: string | null;
  tables: { name: string; state: string; reason?: string }[];
}

async function feed(target: string): Promise<Feed | undefined> {
  const { body } = await nearjoin.get('/v1/replication');
  return body.feeds.find((one: Feed) => one.target === target);
}

describe('requests', () => {
  test.each([
    ['malformed JSON', '{"query": ', 'invalid-json'],
    ['a body that is no object', '"hello"', 'bad-request'],
  ])('%s is refused with a coded error', async (_, body) => {
    const answer = await nearjoin.post('/v1/graphql', body);
    expect(answer.body.errors[0].extensions.code).toMatch(
      /^(invalid-json|bad-request|parse-failed|validation-failed)$/,
    );
    expect(answer.body.data).toBeUndefined();
  });

  test('a document that does not parse says so', async () => {
    const answer = await nearjoin.graphql('{ orders { ');
    expect({ status: answer.status, body: answer.body }).toEqual({
      status: 200,
      body: {
        errors: [
          {
            message: 'not a valid graphql query',
            extensions: { path: '$.query', code: 'validation-failed' },
          },
        ],
      },
    });
  });

  test('an unknown field is named with its type and path', async () => {
    const answer = await nearjoin.graphql('{ orders { nope } }');
    expect(answer.body).toEqual({
      errors: [
        {
          message: "field 'nope' not found in type: 'orders'",
          extensions: { path: '$.selectionSet.orders.selectionSet.nope', code: 'validation-failed' },
        },
      ],
    });
  });
});

describe('registration', () => {
  test('a mapping of types that cannot be compared names both and saves nothing', async () => {
    const before = await nearjoin.metadata('export_metadata', {});
    const answer = await nearjoin.metadata(
      'pg_create_remote_relationship',
      remote('bad', 'pg2', 'users', { code: 'id' }),
    );
    expect(answer.status).toBe(400);
    expect(answer.body.code).toBe('invalid-configuration');
    expect(answer.text).toMatch(/text/);
    expect(answer.text).toMatch(/integer|int4/);
    expect((await nearjoin.metadata('export_metadata', {})).text).toBe(before.text);
  });

  test.each([
    ['source', remote('bad', 'nowhere', 'users', { user_id: 'id' })],
    ['table', remote('bad', 'pg2', 'nothing', { user_id: 'id' })],
    ['target column', remote('bad', 'pg2', 'users', { user_id: 'nope' })],
    ['column', remote('bad', 'pg2', 'users', { nope: 'id' })],
    ['mapping', remote('bad', 'pg2', 'users', {})],
    ['name that a column has', remote('code', 'pg2', 'users', { user_id: 'id' })],
  ])('an unknown or empty %s is refused', async (_, args) => {
    const answer = await nearjoin.metadata('pg_create_remote_relationship', args);
    expect(answer.status).toBe(400);
    expect(typeof answer.body.error).toBe('string');
    expect(answer.body.code).toBeTruthy();
  });

  test('a target table without a key is answered live, and the status says why', async () => {
    const made = await nearjoin.metadata(
      'pg_create_remote_relationship',
      remote('log', 'pg2', 'logs', { log_id: 'id' }),
    );
    expect(made.body).toEqual({ message: 'success' });
    const table = await eventually(async () =>
      (await feed('pg2'))?.tables.find((one) => one.name === 'logs' && one.state === 'failed'),
    );
    expect(JSON.stringify(table)).toMatch(/key|identity/);
    const answer = await nearjoin.graphql('{ orders { id log { line } } }');
    expect(answer.body).toEqual({ data: { orders: [{ id: 1, log: { line: 'a line' } }] } });
    expect(answer.headers.get('cache-status')).toMatch(/nearjoin-pg2;fwd=(miss|bypass)/);
    // Publishing it would make the owner's own deletes fail.
    await pg2.query('delete from logs where id = 6');
  });

  test('a target that does not let its changes be followed is answered live, and the status says why', async () => {
    const reader = `${plain.name}_reader`;
    await plain.query(`create role ${reader} login password 'x'`);
    await plain.query(`grant select on members to ${reader}`);
    await addSource('plain', Object.assign(new URL(plain.url), { username: reader, password: 'x' }).href);
    await nearjoin.metadata('pg_track_table', { source: 'plain', table: 'members' });
    const made = await nearjoin.metadata(
      'pg_create_remote_relationship',
      remote('other', 'plain', 'members', { user_id: 'id' }),
    );
    expect(made.body).toEqual({ message: 'success' });
    const failed = await eventually(async () => {
      const found = await feed('plain');
      return found?.state === 'failed' ? found : undefined;
    });
    expect(failed.reason).toMatch(/the attribute REPLICATION/);
    const answer = await nearjoin.graphql('{ orders { other { name } } }');
    expect(answer.body).toEqual({ data: { orders: [{ other: { name: 'plain Ada' } }] } });
    await plain.query(`drop owned by ${reader}; drop role ${reader}`);
  });
});

test('a source that is down does not stop the others, at registration, at start and later', async () => {
  await nearjoin.metadata('pg_add_source', {
    name: 'down',
    configuration: { connection_info: { database_url: 'postgres://nobody@127.0.0.1:1/none' } },
  });
  const second = await createDatabase('source', ['create table kept (id int primary key)']);
  const metadata = {
    version: 3,
    sources: [
      {
        name: 'down',
        kind: 'postgres',
        tables: [{ table: 'gone' }],
        configuration: { connection_info: { database_url: 'postgres://nobody@127.0.0.1:1/none' } },
      },
      {
        name: 'up',
        kind: 'postgres',
        tables: [{ table: 'kept' }],
        configuration: { connection_info: { database_url: second.url } },
      },
    ],
  };
  const replaced = await nearjoin.post('/v1/metadata', {
    type: 'replace_metadata',
    version: 2,
    args: { allow_inconsistent_metadata: true, metadata },
  });
  expect(replaced.body.is_consistent).toBe(false);
  await nearjoin.stop();
  nearjoin = await startNearjoin({ NEARJOIN_METADATA_DATABASE_URL: meta.url });
  expect((await nearjoin.graphql('{ kept { id } }')).body).toEqual({ data: { kept: [] } });
  const health = await nearjoin.get('/healthz');
  expect(health.status).toBe(200);
  expect(health.text).toMatch(/WARN/);
  await second.drop();
});
