import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { HttpAnswer } from '../support/http-answer.ts';
import { eventually, type Nearjoin, startNearjoin } from '../support/nearjoin.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

// Names and values that would run as SQL, format a text or end a literal if any route pasted them anywhere.

const MAIN = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url));
const SCHEMA = `"'; drop table canary; -- S`;
const TABLE = `$$;drop table canary;$$ /* %s %I $1 \\ é😀"' */`;
const KEY = `k"; drop table canary; --\n`;
const VALUE = `x'${'é'.repeat(28)}"\\%`;
const SOURCE = `pg1'; drop table canary; -- "\\ é,:/?#`;
const TARGET = `pg2"; drop table canary; -- ' %s`;
const ROLE = `r'"; drop table canary; -- \\ %s $1`;
const DATA = `'; drop table canary; -- "\\ %s $1 $$ \t\n é😀 \u2028`;
const HEADER = `'; drop table canary; -- "\\ %s $1 $$`;

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const literal = (text: string): string => `e'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
const MOOD = `${quoted(SCHEMA)}.${quoted(VALUE)}`;
const FULL = `${quoted(SCHEMA)}.${quoted(TABLE)}`;
const SQL = [
  'create table canary (id int primary key); insert into canary values (1)',
  `create schema ${quoted(SCHEMA)}`,
  `create type ${MOOD} as enum (${literal(VALUE)}, 'b')`,
  `create table ${FULL} (${quoted(KEY)} text primary key, ${quoted(VALUE)} text, mood ${MOOD}, doc jsonb)`,
  `comment on table ${FULL} is ${literal(DATA)}; comment on column ${FULL}.${quoted(KEY)} is ${literal(DATA)}`,
  `insert into ${FULL} values (${literal(DATA)}, ${literal(HEADER)}, ${literal(VALUE)},
    jsonb_build_object(${literal(DATA)}::text, jsonb_build_array(${literal(DATA)}::text)))`,
];

let databases: readonly TestDatabase[];
let meta: TestDatabase;
let nearjoin: Nearjoin;

const REF = { schema: SCHEMA, name: TABLE };

function table(source: string, custom_name: string): object {
  const column_config = { [KEY]: { custom_name: 'k', comment: DATA }, [VALUE]: { custom_name: 'v' } };
  return {
    type: 'pg_track_table',
    args: { source, table: REF, configuration: { custom_name, column_config, comment: DATA } },
  };
}

function permission(source: string): object {
  const filter = { [VALUE]: { _eq: 'X-Hasura-Evil' } };
  return {
    type: 'pg_create_select_permission',
    args: { source, table: REF, role: ROLE, permission: { columns: '*', filter }, comment: DATA },
  };
}

beforeAll(async () => {
  const [pg1, pg2, notes] = await Promise.all([
    createDatabase('source', SQL),
    createDatabase('target', SQL),
    createDatabase('source', []),
  ]);
  [databases, meta] = [[pg1, pg2], notes];
  nearjoin = await startNearjoin({ NEARJOIN_METADATA_DATABASE_URL: meta.url });
  const source = (name: string, { url }: TestDatabase): object => ({
    type: 'pg_add_source',
    args: { name, configuration: { connection_info: { database_url: url } } },
  });
  const to_source = {
    relationship_type: 'object',
    source: TARGET,
    table: REF,
    field_mapping: { [KEY]: KEY },
  };
  const relate = { source: SOURCE, table: REF, name: 'other', definition: { to_source } };
  const made = await nearjoin.post('/v1/metadata', {
    type: 'bulk',
    args: [
      source(SOURCE, pg1),
      source(TARGET, pg2),
      table(SOURCE, 'here'),
      table(TARGET, 'there'),
      { type: 'pg_create_remote_relationship', args: relate },
      permission(SOURCE),
      permission(TARGET),
    ],
  });
  expect(made.text).toBe(JSON.stringify(Array(7).fill({ message: 'success' })));
  await nearjoin.untilReady();
});

afterAll(async () => {
  await nearjoin?.stop();
  await Promise.all([...(databases ?? []), meta].map((database) => database?.drop()));
});

const QUERY = `query ($k: String!, $v: String!, $like: String!, $doc: jsonb!, $path: String!) {
  here(where: {other: {k: {_eq: $k}, v: {_in: [$v], _like: $like}, doc: {_contains: $doc, _has_key: $k}}}, order_by: {other: {k: asc}}) {
    k mood doc(path: $path)
    other { k v mood doc __typename }
  }
}`;
const variables = {
  k: DATA,
  v: HEADER,
  like: `%${HEADER.replaceAll('\\', '\\\\').replaceAll('%', '\\%')}%`,
  doc: { [DATA]: [DATA] },
  path: `$[${JSON.stringify(DATA)}]`,
};
const as = { 'x-hasura-role': ROLE, 'x-hasura-evil': HEADER };

test.each(['admin', ROLE])('%j gets the same rows from the cache and live', async (role) => {
  const headers: Record<string, string> = role === ROLE ? as : {};
  const ask = (more: Record<string, string>): Promise<HttpAnswer> =>
    nearjoin.graphql(QUERY, { variables, operationName: '', headers: { ...headers, ...more } });
  const cached = await eventually(async () => {
    const answer = await ask({});
    return answer.headers.get('cache-status')?.includes(';hit') === true ? answer : undefined;
  });
  const doc = { [DATA]: [DATA] };
  expect(cached.body).toEqual({
    data: {
      here: [
        {
          k: DATA,
          mood: VALUE,
          doc: [DATA],
          other: { k: DATA, v: HEADER, mood: VALUE, doc, __typename: 'there' },
        },
      ],
    },
  });
  const live = await ask({ 'cache-control': 'no-cache' });
  expect(live.text).toBe(cached.text);
  expect(live.headers.get('cache-status')).toMatch(/fwd=request$/);
  const token = cached.headers.get('x-nearjoin-token') ?? '';
  expect((await ask({ 'x-nearjoin-token': token })).text).toBe(cached.text);
});

test('what goes by names works: explain, status, metrics, comparison, resync and export', async () => {
  const query = { query: QUERY, variables };
  const user = { ...as, 'x-hasura-role': ROLE };
  const explained = await nearjoin.post('/v1/graphql/explain', { query, user });
  expect({ status: explained.status, body: explained.body }).toMatchObject({
    status: 200,
    body: [{ field: 'here' }],
  });
  const path = `/v1/replication/${encodeURIComponent(TARGET)}`;
  for (const action of ['pause', 'resume', 'verify']) {
    const { status, text } = await nearjoin.post(
      `${path}/${action}?source=${encodeURIComponent(SOURCE)}`,
      '{}',
    );
    expect({ action, status, text }).toMatchObject({ action, status: 200 });
  }
  await eventually(async () => {
    const { body } = await nearjoin.get(`/v1/replication`);
    const [{ target, source, verified_at }] = body.feeds;
    expect({ target, source }).toEqual({ target: TARGET, source: SOURCE });
    return verified_at === null ? undefined : true;
  });
  const again = await nearjoin.post(`${path}/resync?source=${encodeURIComponent(SOURCE)}`, { tables: [REF] });
  expect({ status: again.status, text: again.text }).toMatchObject({ status: 200 });
  await nearjoin.untilReady();
  expect((await nearjoin.get('/metrics')).text).toContain('\nnearjoin_feed_state');
  expect((await nearjoin.metadata('get_inconsistent_metadata', {})).body).toMatchObject({
    is_consistent: true,
  });
  const exported = await nearjoin.metadata('export_metadata', {});
  expect(exported.body.sources.map(({ name }: { name: string }) => name)).toEqual([SOURCE, TARGET]);
});

test('the command line shows and compares them', async () => {
  for (const args of [['status'], ['verify', TARGET]]) {
    const child = spawn(process.execPath, [MAIN, ...args, '--endpoint', nearjoin.url], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let shown = '';
    child.stdout.on('data', (data) => {
      shown += String(data);
    });
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(shown).toContain('pg2');
  }
});

const ODD = ['a\u0000b', '\ud800', '', DATA];
const place = { source: SOURCE, table: REF };
const commandsOf = (name: string): readonly (readonly [type: string, args: object])[] => [
  ['pg_track_table', { source: SOURCE, table: { schema: 'public', name } }],
  ['pg_untrack_table', { source: TARGET, table: { schema: name, name } }],
  [
    'pg_set_table_customization',
    { ...place, configuration: { custom_name: name, custom_root_fields: { select: name } } },
  ],
  [
    'pg_create_object_relationship',
    {
      ...place,
      name,
      using: { manual_configuration: { remote_table: name, column_mapping: { [name]: name } } },
    },
  ],
  ['rename_source', { name, new_name: name }],
];

test.each(ODD)('commands about what is called %j are refused with a code', async (name) => {
  for (const [type, args] of commandsOf(name)) {
    const { status, body } = await nearjoin.metadata(type, args);
    expect({ type, status, code: body.code }).toEqual({
      type,
      status: 400,
      code: expect.stringMatching(/^[a-z-]+$/),
    });
  }
});

test('a text that a database cannot hold is not saved', async () => {
  const permission = { columns: [], filter: { [KEY]: 'a\u0000b' } };
  const answer = await nearjoin.metadata('pg_create_select_permission', {
    ...place,
    role: 'a\u0000b',
    permission,
  });
  expect({ status: answer.status, text: answer.text }).toMatchObject({ status: 400 });
});

test.each([
  ['a NUL', { k: 'a\u0000b' }],
  ['a lone surrogate', { doc: { a: '\ud800' } }],
  ['a path of JSON that is none', { path: `$[''; drop table canary; --']` }],
  ['a pattern that ends in a backslash', { like: '\\' }],
])('%s in a value is refused or matches nothing', async (_, over) => {
  const answer = await nearjoin.graphql(QUERY, { variables: { ...variables, ...over } });
  expect(answer.status).toBe(200);
  expect(answer.body.errors?.[0].extensions.code).not.toBe('unexpected');
  if (answer.body.errors === undefined) expect(answer.body).toEqual({ data: { here: [] } });
});

test('nothing of it was run', async () => {
  for (const database of databases) {
    expect((await database.query('select id from canary')).rows).toEqual([{ id: 1 }]);
  }
});
