import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { directoryFiles } from '../../../src/metadata/directory/directory-files.ts';
import { readDirectory } from '../../../src/metadata/directory/read-directory.ts';
import { writeDirectory } from '../../../src/metadata/directory/write-directory.ts';
import { parseMetadata } from '../../../src/metadata/document/parse.ts';
import { after, RELATE, SEED } from '../commands/support.ts';

const made: string[] = [];

afterEach(async () => {
  for (const dir of made.splice(0)) await rm(dir, { recursive: true, force: true });
});

async function folder(files: Record<string, string>): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'nearjoin-metadata-'));
  made.push(dir);
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(dir, file)), { recursive: true });
    await writeFile(join(dir, file), text);
  }
  return dir;
}

const DATABASE = 'configuration: {connection_info: {database_url: {from_env: PG}}}';

test('what is written is read back the same', async () => {
  const { sources, ...others } = after([...SEED, RELATE]);
  const metadata = parseMetadata({
    ...others,
    sources: [
      ...sources.map((source) => ({ ...source, query_tags: { format: 'sqlcommenter' } })),
      {
        name: 'facts',
        kind: 'bigquery',
        tables: [{ table: { dataset: 'd', name: 't' } }],
        configuration: {},
      },
    ],
    inherited_roles: [{ role_name: 'a', role_set: ['b', 'c'] }],
    graphql_schema_introspection: { disabled_for_roles: ['b'] },
    actions: [{ name: 'act', definition: { kind: 'synchronous' } }],
    query_collections: [{ name: 'c', definition: { queries: [{ name: 'q', query: '{ a }' }] } }],
    allowlist: [{ collection: 'c', scope: { global: false, roles: ['r'] } }],
    rest_endpoints: [
      {
        name: 'r',
        url: 'a/:b',
        methods: ['GET'],
        definition: { query: { collection_name: 'c', query_name: 'q' } },
      },
    ],
  });
  const dir = await folder({});
  await writeDirectory(dir, metadata);
  expect(await readDirectory(dir)).toEqual(metadata);
});

test('the layout is the stock one', () => {
  const files = directoryFiles(after([...SEED, RELATE]));
  expect([...files.keys()].filter((file) => file.includes('/'))).toEqual([
    'databases/pg1/tables/public_order.yaml',
    'databases/pg1/tables/tables.yaml',
    'databases/pg2/tables/public_user.yaml',
    'databases/pg2/tables/tables.yaml',
    'databases/databases.yaml',
  ]);
  expect(files.get('databases/pg1/tables/tables.yaml')).toBe('- "!include public_order.yaml"\n');
  expect(files.get('databases/databases.yaml')).toContain('\n  tables: "!include pg1/tables/tables.yaml"\n');
  expect(files.get('version.yaml')).toBe('version: 3\n');
  expect(files.get('inherited_roles.yaml')).toBe('[]\n');
});

const ACTIONS = {
  actions: [
    {
      name: 'login',
      definition: {
        handler: '{{BASE}}/login',
        output_type: 'Out!',
        ignored_client_headers: [],
        arguments: [
          { name: 'who', type: '[In!]!', description: 'of "whom", and """ too' },
          { name: 'n', type: 'Int' },
        ],
        type: 'mutation',
        kind: 'synchronous',
      },
      permissions: [{ role: 'user' }],
    },
    { name: 'me', definition: { handler: 'h', output_type: 'Out', type: 'query' } },
  ],
  custom_types: {
    input_objects: [{ name: 'In', fields: [{ name: 'mode', type: 'Mode' }] }],
    objects: [
      {
        name: 'Out',
        description: 'what comes out',
        fields: [{ name: 'id', type: 'Int!', description: 'its id' }],
        relationships: [{ name: 'user', type: 'object', field_mapping: { id: 'id' } }],
      },
    ],
    scalars: [{ name: 'Stamp' }],
    enums: [{ name: 'Mode', values: [{ value: 'FAST' }, { value: 'SLOW', description: 'slowly' }] }],
  },
};

test('actions are in two files, as the stock command line writes and reads them', async () => {
  const metadata = parseMetadata({ version: 3, sources: [], ...ACTIONS });
  const files = directoryFiles(metadata);
  expect(files.get('actions.graphql')).toBe(`type Mutation {
  login(
    """ of "whom", and \\""" too """ who: [In!]!
    n: Int
  ): Out!
}

type Query {
  me: Out
}

enum Mode {
  FAST
  """ slowly """ SLOW
}

input In {
  mode: Mode
}

""" what comes out """ type Out {
  """ its id """ id: Int!
}

scalar Stamp

`);
  expect(files.get('actions.yaml')).toBe(`actions:
  - name: login
    definition:
      kind: synchronous
      handler: '{{BASE}}/login'
      ignored_client_headers: []
    permissions:
      - role: user
  - name: me
    definition:
      handler: h
custom_types:
  enums:
    - name: Mode
      values:
        - value: FAST
        - description: slowly
          value: SLOW
  input_objects:
    - name: In
  objects:
    - name: Out
      description: what comes out
      relationships:
        - field_mapping:
            id: id
          name: user
          type: object
  scalars:
    - name: Stamp
`);
  expect(await readDirectory(await folder(Object.fromEntries(files)))).toEqual(metadata);
});

test.each([
  ['of no type', [{ name: 'a', definition: { handler: 'h' } }]],
  ['with a name that is none', [{ name: 'a b', definition: { output_type: 'Int', type: 'query' } }]],
  ['of odd arguments', [{ name: 'a', definition: { output_type: 'Int', type: 'query', arguments: 'none' } }]],
])('an action %s stays in actions.yaml as it is', async (_title, actions) => {
  const metadata = parseMetadata({ version: 3, sources: [], actions });
  const files = directoryFiles(metadata);
  expect(files.get('actions.graphql')).toBe('');
  expect(await readDirectory(await folder(Object.fromEntries(files)))).toEqual(metadata);
});

test.each([
  ['type Mutation {', 'actions.graphql: Syntax Error'],
  ['interface I { a: Int }', 'not InterfaceTypeDefinition'],
  ['scalar S', '"login" is not there, but in actions.yaml'],
])('of actions.graphql, what is wrong with %s is told', async (graphql, text) => {
  const yaml = 'actions: [{name: login, definition: {handler: h}}]';
  const dir = await folder({
    'version.yaml': 'version: 3',
    'actions.yaml': yaml,
    'actions.graphql': graphql,
  });
  await expect(readDirectory(dir)).rejects.toThrow(text);
});

test('a text that another reader may take for something else is quoted', () => {
  const texts = [
    'y',
    'No',
    'on',
    '1_000',
    '0o7',
    '1:30',
    '2026-01-01',
    '',
    ' \n',
    '~',
    '- x',
    "it's",
    'plain',
  ];
  const graphql_schema_introspection = { disabled_for_roles: texts };
  const files = directoryFiles(parseMetadata({ version: 3, sources: [], graphql_schema_introspection }));
  expect(files.get('graphql_schema_introspection.yaml')).toBe(`disabled_for_roles:
  - "y"
  - "No"
  - "on"
  - "1_000"
  - "0o7"
  - "1:30"
  - "2026-01-01"
  - ""
  - "\\ \\n"
  - "~"
  - '- x'
  - it's
  - plain
`);
});

test('tables whose file names would be the same get different ones, and none leaves its folder', async () => {
  const names = [
    { schema: 'a_b', name: 'c' },
    { schema: 'a', name: 'b_c' },
    { schema: 'A', name: 'B_c' },
    { schema: '..', name: '/../../x' },
    { schema: ' with spaces', name: 'x y' },
    { schema: 'public', name: 'ü'.repeat(300) },
  ];
  const configuration = { connection_info: { database_url: 'u' } };
  const metadata = parseMetadata({
    version: 3,
    sources: [{ name: '../up', configuration, tables: names.map((table) => ({ table })) }],
  });
  const dir = await folder({});
  await writeDirectory(join(dir, 'in', 'side'), metadata);
  expect((await readDirectory(join(dir, 'in', 'side'))).sources[0]?.tables).toEqual(
    names.map((table) => ({ table })),
  );
});

test.skipIf(!existsSync('/proc'))('a directory that cannot be made is an error that names it', async () => {
  const metadata = parseMetadata({ version: 3, sources: [] });
  await expect(writeDirectory('/proc/nearjoin', metadata)).rejects.toThrow("mkdir '/proc/nearjoin'");
  const dir = await folder({ file: '' });
  await expect(writeDirectory(join(dir, 'file', 'in'), metadata)).rejects.toThrow(`mkdir '${dir}/file'`);
});

test('includes are found by string and by tag, beside the file that names them', async () => {
  const dir = await folder({
    'version.yaml': 'version: 3',
    'databases/databases.yaml': `- name: d\n  kind: postgres\n  ${DATABASE}\n  tables: "!include d/tables/tables.yaml"`,
    'databases/d/tables/tables.yaml': '- "!include a.yaml"\n- !include deep/b.yaml',
    'databases/d/tables/a.yaml': 'table: {schema: public, name: a}\nselect_permissions: []',
    'databases/d/tables/deep/b.yaml': 'table: b\nselect_permissions: "!include perms.yaml"',
    'databases/d/tables/deep/perms.yaml':
      '[{role: r, permission: {columns: "*", filter: {id: {_eq: 9007199254740993}}}}]',
  });
  expect((await readDirectory(dir)).sources[0]?.tables).toEqual([
    { table: { schema: 'public', name: 'a' } },
    {
      table: { schema: 'public', name: 'b' },
      select_permissions: [
        { role: 'r', permission: { columns: '*', filter: { id: { _eq: '9007199254740993' } } } },
      ],
    },
  ]);
});

test.each([
  ['a path that leads out', '"!include ../../outside.yaml"', 'lies outside of the metadata directory'],
  ['a link that leads out', '"!include link.yaml"', 'lies outside of the metadata directory'],
  ['an absolute path', '"!include /etc/hostname"', 'lies outside of the metadata directory'],
  ['a file that is not there', '"!include gone.yaml"', 'no such file'],
  ['a file that includes itself', '"!include databases.yaml"', 'includes itself'],
  [
    'aliases that multiply',
    `{a: &a [x, x], b: &b [${'*a, '.repeat(60)}], c: [${'*b, '.repeat(60)}]}`,
    'Excessive alias count',
  ],
  ['broken YAML', '{', 'databases.yaml'],
  ['a thing that is no source', '[{name: 1}]', '$.sources[0].name'],
])('%s is refused, the file named', async (_title, databases, text) => {
  const dir = await folder({
    'inner/version.yaml': 'version: 3',
    'inner/databases/databases.yaml': databases,
    'outside.yaml': '[]',
  });
  await symlink(join(dir, 'outside.yaml'), join(dir, 'inner/databases/link.yaml'));
  await expect(readDirectory(join(dir, 'inner'))).rejects.toThrow(text);
});

test('a directory that is not there or of another version is refused', async () => {
  await expect(readDirectory('/nowhere/at/all')).rejects.toThrow(
    'metadata directory "/nowhere/at/all" does not exist',
  );
  await expect(readDirectory(await folder({}))).rejects.toThrow('version.yaml: no such file');
  await expect(readDirectory(await folder({ 'version.yaml': 'version: 2' }))).rejects.toThrow(
    'expected "version: 3"',
  );
});

test('a folder that cannot be looked at is refused, not taken for an empty one', async () => {
  const dir = await folder({ 'version.yaml': 'version: 3' });
  await symlink('databases', join(dir, 'databases'));
  await expect(readDirectory(dir)).rejects.toThrow(/databases\/databases\.yaml: ELOOP/);
});

test('the directory of the demo can be read', async () => {
  const dir = fileURLToPath(new URL('../../../metadata', import.meta.url));
  const metadata = await readDirectory(dir);
  expect(metadata.sources.length).toBeGreaterThan(1);
});
