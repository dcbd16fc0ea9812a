import { expect, test } from 'vitest';
import { askedOf } from '../../../src/catalog/introspect/asked.ts';
import { parseCommand } from '../../../src/commands/command.ts';
import type { Databases } from '../../../src/commands/reduce/follow.ts';
import { reduce } from '../../../src/commands/reduce.ts';
import { directoryFiles } from '../../../src/metadata/directory/directory-files.ts';
import { parseMetadata } from '../../../src/metadata/document/parse.ts';
import type { Metadata } from '../../../src/metadata/model.ts';
import { objectName, objectReport, objectsOf, removeObject } from '../../../src/metadata/object/objects.ts';
import { after, type Body, refused, SEED } from './support.ts';

const PLACE = { source: 'pg2', function: 'near' };
const TRACK: Body = [
  'pg_track_function',
  {
    ...PLACE,
    configuration: {
      custom_name: null,
      custom_root_fields: { function: 'nearby' },
      session_argument: 'session',
      exposed_as: 'query',
    },
    comment: 'who is near',
  },
];
const PERMIT: Body = ['pg_create_function_permission', { ...PLACE, role: 'user' }];
const STORED = {
  function: { schema: 'public', name: 'near' },
  configuration: {
    custom_root_fields: { function: 'nearby' },
    session_argument: 'session',
    exposed_as: 'query',
  },
  comment: 'who is near',
};

function functionsOf(metadata: Metadata): unknown {
  return metadata.sources.find(({ name }) => name === 'pg2')?.functions;
}

test('a function is tracked, permitted, renamed and forgotten', () => {
  const tracked = after([...SEED, TRACK]);
  expect(functionsOf(tracked)).toEqual([STORED]);
  const permitted = after([PERMIT], tracked);
  expect(functionsOf(permitted)).toEqual([{ ...STORED, permissions: [{ role: 'user' }] }]);
  const renamed = after(
    [['pg_set_function_customization', { ...PLACE, configuration: { custom_name: 'by' } }]],
    permitted,
  );
  expect(functionsOf(renamed)).toEqual([
    {
      ...STORED,
      configuration: { custom_name: 'by' },
      permissions: [{ role: 'user' }],
    },
  ]);
  const bare = after(
    [
      ['pg_set_function_customization', { ...PLACE, configuration: {} }],
      ['pg_drop_function_permission', { ...PLACE, role: 'user' }],
    ],
    renamed,
  );
  expect(functionsOf(bare)).toEqual([{ function: STORED.function, comment: 'who is near' }]);
  expect(functionsOf(after([['pg_untrack_function', PLACE]], bare))).toBeUndefined();
});

test('a function of the default source may be named by the arguments themselves', () => {
  expect(parseCommand({ type: 'pg_untrack_function', args: { name: 'near' } }).args).toEqual({
    source: 'default',
    function: { schema: 'public', name: 'near' },
  });
});

const TWICE = { custom_root_fields: { function: 'a', function_aggregate: 'a' } };
const REFUSALS: readonly [title: string, body: Body, code: string, error: string, path?: string][] = [
  ['a tracked one', TRACK, 'already-tracked', 'function already tracked: "near"'],
  [
    'one called as a table is',
    ['pg_track_function', { source: 'pg2', function: 'user' }],
    'not-supported',
    'table with name "user" already exists',
  ],
  [
    'a table called as one is',
    ['pg_track_table', { source: 'pg2', table: 'near' }],
    'not-supported',
    'function with name "near" already exists',
  ],
  [
    'one of an unknown source',
    ['pg_track_function', { function: 'near' }],
    'not-exists',
    'source with name "default" does not exist',
  ],
  [
    'the forgetting of an unknown one',
    ['pg_untrack_function', { source: 'pg2', function: { schema: 's', name: 'f' } }],
    'not-exists',
    'function "s.f" does not exist in source: pg2',
  ],
  [
    'names for an unknown one',
    ['pg_set_function_customization', { source: 'pg2', function: 'f', configuration: {} }],
    'not-exists',
    'function "f" does not exist in source: pg2',
  ],
  [
    'two root fields of one name',
    ['pg_set_function_customization', { ...PLACE, configuration: TWICE }],
    'parse-failed',
    'the following custom root field names are duplicated: "a" and "a"',
    '$.args.configuration.custom_root_fields',
  ],
  [
    'a permission that is there',
    PERMIT,
    'already-exists',
    'permission of role "user" already exists for function "near" in source: "pg2"',
  ],
  [
    'the dropping of one that is not',
    ['pg_drop_function_permission', { ...PLACE, role: 'x' }],
    'not-exists',
    'permission of role "x" does not exist for function "near" in source: "pg2"',
  ],
  [
    'a permission for an unknown one',
    ['pg_create_function_permission', { source: 'pg2', function: 'f', role: 'x' }],
    'not-exists',
    'function "f" does not exist in source: pg2',
  ],
];

test.each(REFUSALS)('%s is refused as in Hasura', (...[, body, code, error, path = '$.args']) => {
  const start = after([...SEED, TRACK, PERMIT]);
  expect(refused(() => after([body], start))).toEqual({ path, error, code });
});

test('a permission is refused for a role that may not read the rows, also by inheritance', () => {
  const filter = { columns: '*', filter: {} };
  const start = after([
    ...SEED,
    TRACK,
    ['pg_create_select_permission', { source: 'pg2', table: 'user', role: 'reader', permission: filter }],
    ['add_inherited_role', { role_name: 'heir', role_set: ['reader'] }],
  ]);
  const table = { schema: 'public', name: 'user' };
  const near = { ref: STORED.function, returns: table };
  const sources = new Map([
    ['pg2', { tables: new Map(), functions: new Map([['["public","near"]', near]]) }],
  ]) as unknown as Databases['sources']; // of a catalog only what is looked at
  const permit = (role: string): Metadata => {
    const command = parseCommand({ type: 'pg_create_function_permission', args: { ...PLACE, role } });
    if (command.type !== 'pg_create_function_permission') throw new Error('another command');
    return reduce(start, command, { sources });
  };
  expect(refused(() => permit('stranger'))).toEqual({
    code: 'not-supported',
    path: '$.args',
    error:
      'function permission can only be added when the function\'s return table "user" has select permission configured for role: "stranger"',
  });
  expect(functionsOf(permit('reader'))).toMatchObject([{ permissions: [{ role: 'reader' }] }]);
  expect(functionsOf(permit('heir'))).toMatchObject([{ permissions: [{ role: 'heir' }] }]);
});

test('a document that tracks a function twice is refused', () => {
  const { sources } = after([...SEED, TRACK]);
  const twice = sources.map((source) => ({
    ...source,
    ...(source.functions === undefined ? {} : { functions: [STORED, STORED] }),
  }));
  expect(refused(() => parseMetadata({ version: 3, sources: twice }))).toEqual({
    code: 'parse-failed',
    path: '$.args.sources[1]',
    error: 'multiple declarations exist for the following function: near',
  });
});

test('functions and their permissions are objects that can be told of and removed', () => {
  const metadata = after([...SEED, TRACK, PERMIT]);
  const found = objectsOf(metadata).filter((object) => 'function' in object);
  expect(found.map(objectName)).toEqual([
    'function near in source pg2',
    'function_permission user permission for function near in source pg2',
  ]);
  expect(found.map(objectReport)[0]).toBe('function near in source "pg2"');
  const [own, permission] = found;
  if (own === undefined || permission === undefined) throw new Error('nothing found');
  expect(functionsOf(removeObject(metadata, permission))).toEqual([STORED]);
  expect(functionsOf(removeObject(metadata, own))).toBeUndefined();
});

test('the directory holds a file for each function, as the stock command line writes it', () => {
  const files = directoryFiles(after([...SEED, TRACK]));
  expect(files.get('databases/pg2/functions/functions.yaml')).toBe('- "!include public_near.yaml"\n');
  expect(files.get('databases/pg2/functions/public_near.yaml')).toContain('session_argument: session');
  expect(files.get('databases/databases.yaml')).toContain(
    '\n  functions: "!include pg2/functions/functions.yaml"\n',
  );
  expect([...files.keys()].some((file) => file.startsWith('databases/pg1/functions'))).toBe(false);
});

test('a function is named once, also where it is tracked and computes fields', () => {
  const near = { schema: 'public', name: 'near' };
  const fields = ['close', 'closest'].map((name) => ({ name, definition: { function: near } }));
  const { sources } = parseMetadata({
    version: 3,
    sources: [
      {
        name: 'pg2',
        kind: 'postgres',
        configuration: { connection_info: { database_url: 'postgres://db' } },
        tables: [{ table: 'user', computed_fields: fields }],
        functions: [{ function: 'near' }],
      },
    ],
  });
  expect(sources.map((source) => askedOf(source).functions)).toEqual([[near]]);
});
