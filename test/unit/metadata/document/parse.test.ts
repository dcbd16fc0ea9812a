import { expect, test } from 'vitest';
import { connectionUrl } from '../../../../src/metadata/connection-url.ts';
import { DocumentReader, parseMetadata } from '../../../../src/metadata/document/parse.ts';
import { unsupportedObjects } from '../../../../src/metadata/document/unsupported.ts';
import { refused } from '../../commands/support.ts';

const configuration = { connection_info: { database_url: 'u' } };

test('the keys of all parts, known or not, have the order of an export of Hasura', () => {
  const table = {
    select_permissions: [
      { permission: { limit: 1, filter: { b: {}, a: {} }, columns: ['b', 'a'] }, comment: 'c', role: 'r' },
    ],
    remote_relationships: [],
    event_triggers: [{ zeta: 1, definition: { b: 1, a: 2 }, name: 'e' }],
    constructor: 1,
    table: { schema: 's', name: 't' },
  };
  const document = {
    zeta: { b: 1, a: [{ d: 1, c: 2 }] },
    cron_triggers: [{ schedule: 'x', name: 'y' }],
    sources: [{ configuration, tables: [table], odd: true, kind: 'postgres', name: 'a' }],
    actions: [{ definition: { type: 'query', kind: '', handler: 'h' }, name: 'q' }],
    version: 3,
  };
  const written =
    '{"version":3,"sources":[{"name":"a","kind":"postgres","tables":[{"table":{"name":"t","schema":"s"},' +
    '"select_permissions":[{"role":"r","permission":{"columns":["b","a"],"filter":{"a":{},"b":{}},"limit":1},"comment":"c"}],' +
    '"event_triggers":[{"name":"e","definition":{"a":2,"b":1},"zeta":1}],"constructor":1}],' +
    '"configuration":{"connection_info":{"database_url":"u"}},"odd":true}],' +
    '"actions":[{"name":"q","definition":{"handler":"h","type":"query"}}],' +
    '"cron_triggers":[{"name":"y","schedule":"x"}],"zeta":{"a":[{"c":2,"d":1}],"b":1}}';
  expect(JSON.stringify(parseMetadata(document))).toBe(written);
  expect(JSON.stringify(new DocumentReader().read(JSON.stringify(document)))).toBe(written);
});

test('what only repeats a default is left out', () => {
  const table = {
    table: 't',
    is_enum: false,
    configuration: { custom_name: null, custom_root_fields: {}, column_config: {} },
    object_relationships: [],
    select_permissions: [
      {
        role: 'r',
        comment: null,
        permission: { columns: [], filter: {}, limit: null, allow_aggregations: false },
      },
    ],
  };
  expect(
    parseMetadata({ version: 3, sources: [{ name: 'a', configuration, tables: [table] }] }).sources[0]
      ?.tables,
  ).toEqual([
    {
      table: { schema: 'public', name: 't' },
      select_permissions: [{ role: 'r', permission: { columns: [], filter: {} } }],
    },
  ]);
});

test('a part with nothing but empty lists is left out, as it is from a directory', () => {
  const used = {
    inherited_roles: [{ role_name: 'a', role_set: [] }],
    backend_configs: { dataconnector: {} },
  };
  const unused = {
    network: { tls_allowlist: [] },
    api_limits: {},
    custom_types: { objects: [], scalars: [] },
    cron_triggers: [],
  };
  expect(parseMetadata({ version: 3, sources: [], ...unused, ...used })).toEqual({
    version: 3,
    sources: [],
    ...used,
  });
});

test('what says nothing and is written out by Hasura all the same stays as it came', () => {
  const table = {
    table: { schema: 'public', name: 't' },
    configuration: { column_config: {}, custom_column_names: {}, custom_name: 'T', custom_root_fields: {} },
    update_permissions: [{ role: 'r', permission: { columns: [], filter: {}, check: null }, comment: '' }],
  };
  const functions = [
    {
      function: { schema: 'public', name: 'f' },
      configuration: { custom_root_fields: {}, custom_name: 'F' },
    },
  ];
  const document = {
    version: 3,
    sources: [{ name: 'a', kind: 'postgres', tables: [table], functions, configuration }],
  };
  expect(parseMetadata(document)).toEqual(document);
});

test.each([
  ['an older version', { version: 2, tables: [], sources: [] }, '$.args.version'],
  ['a document without sources, which would take all away,', { version: 3 }, '$.args'],
  [
    'a table without name',
    { version: 3, sources: [{ name: 'a', configuration, tables: [{ table: { schema: 's' } }] }] },
    '$.args.sources[0].tables[0].table',
  ],
  [
    'a key with a space, quoted',
    {
      version: 3,
      sources: [
        {
          name: 'a',
          configuration,
          tables: [{ table: 't', configuration: { column_config: { 'a b': { custom_name: 1 } } } }],
        },
      ],
    },
    "$.args.sources[0].tables[0].configuration.column_config['a b'].custom_name",
  ],
  ['no document at all', null, '$.args'],
])('%s is refused where it is wrong', (_title, document, path) => {
  expect(refused(() => parseMetadata(document))).toMatchObject({ code: 'parse-failed', path });
});

test('a key that would be left out without a word is refused, above all in a row rule', () => {
  const filter: unknown = JSON.parse('{"__proto__": {"_eq": 1}}');
  const select_permissions = [{ role: 'r', permission: { columns: [], filter } }];
  const tables = [{ table: 't', select_permissions }];
  expect(
    refused(() => parseMetadata({ version: 3, sources: [{ name: 'a', configuration, tables }] })),
  ).toMatchObject({ code: 'parse-failed', error: 'no key may be called "__proto__"' });
});

test('a number that should be whole is told as itself', () => {
  const nearjoin = { max_staleness_ms: 1.5 };
  const definition = {
    to_source: { relationship_type: 'object', source: 'b', table: 't', field_mapping: { a: 'b' }, nearjoin },
  };
  const tables = [{ table: 't', remote_relationships: [{ name: 'r', definition }] }];
  expect(
    refused(() => parseMetadata({ version: 3, sources: [{ name: 'a', configuration, tables }] })),
  ).toEqual(
    expect.objectContaining({
      error: 'parsing Int failed, value is either floating or will cause over or underflow 1.5',
    }),
  );
});

test.each([
  [
    'source',
    {
      version: 3,
      sources: [
        { name: 'a', configuration },
        { name: 'a', configuration },
      ],
    },
  ],
  [
    'table',
    {
      version: 3,
      sources: [
        { name: 'a', configuration, tables: [{ table: 't' }, { table: { schema: 'public', name: 't' } }] },
      ],
    },
  ],
])('a %s that appears twice is refused', (what, document) => {
  expect(refused(() => parseMetadata(document)).error).toContain(
    `multiple declarations exist for the following ${what}: `,
  );
});

test('parts that would have an effect elsewhere are reported when they are used', () => {
  const metadata = parseMetadata({
    version: 3,
    sources: [],
    actions: [{ name: 'a' }],
    cron_triggers: [],
  });
  expect(unsupportedObjects(metadata).map((object) => object.name)).toEqual(['actions']);
});

test('a database is reached by its URL, by the environment, or by parts that are quoted', () => {
  expect(connectionUrl('postgres://x', {})).toBe('postgres://x');
  // Sessions have names of ours.
  expect(connectionUrl('postgres://x/d?application_name=a%20b&sslmode=require', {})).toBe(
    'postgres://x/d?uselibpqcompat=true&sslmode=require',
  );
  expect(connectionUrl('postgres://x/d?a=1&application_name=b', {})).toBe('postgres://x/d?a=1&');
  // Who gives no certificates to trust in is asked for none; the other modes mean the same to everybody.
  for (const mode of ['verify-full', 'no-verify', 'verify-ca', 'require&uselibpqcompat=false'])
    expect(connectionUrl(`postgres://x/d?sslmode=${mode}`, {})).toBe(`postgres://x/d?sslmode=${mode}`);
  for (const mode of ['disable&sslmode=require', 'requ%69re'])
    expect(connectionUrl(`postgres://x/d?sslmode=${mode}`, {})).toContain('?uselibpqcompat=true&');
  expect(connectionUrl('postgres://x/d?sslmode=require&sslmode=disable', {})).not.toContain('compat');
  const inFolder = 'postgres://u:p@/d?host=/run/pg';
  expect(connectionUrl(inFolder, {})).toBe('postgres://u:p@localhost/d?host=/run/pg');
  const several = 'postgres://u:p@one:1,two:2/d?target_session_attrs=read-write';
  for (const url of [several, 'postgres://u@/d?host=one,two', 'postgres://u@/d?port=1&host=one%2ctwo'])
    expect(refused(() => connectionUrl(url, {})).error).toContain('names several hosts');
  for (const missed of ['dbname', 'hostaddr', 'service'])
    expect(refused(() => connectionUrl(`postgres://u:p@h/d?a=b&${missed}=c`, {})).error).toContain(
      `the parameter "${missed}"`,
    );
  // Of a parameter that stands there twice the last counts.
  for (const mode of ['sometimes', 'allow', 'REQUIRE', '', 'require&sslmode=sometimes'])
    expect(refused(() => connectionUrl(`postgres://u:p@h/d?sslmode=${mode}`, {})).error).toContain(
      'must be one of disable, prefer, no-verify, require',
    );
  for (const secret of ['p@s:s', 'p/w', 'p#w', 'p?w'])
    expect(refused(() => connectionUrl(`postgres://u:${secret}@h:1x/d`, {})).error).toMatch(/written as %40/);
  const spaced = ' postgres://u:p@h/d?sslmode=no-verify\n';
  expect(connectionUrl(spaced, {})).toBe('postgres://u:p@h/d?sslmode=no-verify');
  const tricky = 'postgres://u:p@[::1]:5432/d?host=/run/pg&options=-c%20service%3Dx,y';
  expect(connectionUrl(tricky, {})).toBe(tricky);
  expect(connectionUrl({ from_env: 'A' }, { A: 'postgres://a' })).toBe('postgres://a');
  const parts = { host: 'h', port: 5432, database: 'd/e', username: 'u@v', password: 'p:w/@' };
  expect(connectionUrl({ connection_parameters: parts }, {})).toBe(
    'postgresql://u%40v:p%3Aw%2F%40@h:5432/d/e',
  );
  expect(refused(() => connectionUrl({ from_env: 'A' }, { B: 'secret' })).error).toBe(
    `environment variable 'A' not set`,
  );
});
