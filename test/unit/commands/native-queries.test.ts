import { expect, test } from 'vitest';
import { directoryFiles } from '../../../src/metadata/directory/directory-files.ts';
import { parseMetadata } from '../../../src/metadata/document/parse.ts';
import type { Metadata } from '../../../src/metadata/model.ts';
import { objectName, objectReport, objectsOf, removeObject } from '../../../src/metadata/object/objects.ts';
import { codeParts, numberedParameter } from '../../../src/metadata/object/query-code.ts';
import { after, type Body, refused, SEED } from './support.ts';

const PLACE = { source: 'pg2', name: 'found' };
const MODEL: Body = [
  'pg_track_logical_model',
  {
    ...PLACE,
    description: null,
    fields: [
      { name: 'id', type: 'integer' },
      { name: 'by', type: { logical_model: 'user' } },
    ],
  },
];
const QUERY: Body = [
  'pg_track_native_query',
  {
    type: 'query',
    source: 'pg2',
    root_field_name: 'search',
    arguments: { text: { type: 'text' } },
    array_relationships: [],
    code: 'select 1 as id where {{text}} is null',
    returns: 'found',
  },
];
const PERMIT: Body = [
  'pg_create_logical_model_select_permission',
  { ...PLACE, role: 'user', permission: { columns: '*', filter: {}, allow_aggregations: false } },
];
const STORED_MODEL = {
  name: 'found',
  fields: [
    { name: 'id', type: { scalar: 'integer', nullable: false } },
    { name: 'by', type: { logical_model: 'user', nullable: false } },
  ],
};
const STORED_QUERY = {
  root_field_name: 'search',
  arguments: { text: { type: 'text', nullable: false } },
  code: 'select 1 as id where {{text}} is null',
  returns: 'found',
};
const INLINE = { ...STORED_QUERY, returns: { fields: [{ name: 'id', type: 'integer' }] } };

function partsOf(metadata: Metadata): unknown {
  const { logical_models, native_queries } = metadata.sources.find(({ name }) => name === 'pg2') ?? {};
  return { logical_models, native_queries };
}

test('a logical model and a native query are tracked, permitted and forgotten', () => {
  const tracked = after([...SEED, MODEL, QUERY]);
  expect(partsOf(tracked)).toEqual({ logical_models: [STORED_MODEL], native_queries: [STORED_QUERY] });
  const permission = { role: 'user', permission: { columns: '*', filter: {} } };
  const permitted = after([PERMIT, PERMIT], tracked);
  expect(partsOf(permitted)).toMatchObject({ logical_models: [{ select_permissions: [permission] }] });
  const dropped = after([['pg_drop_logical_model_select_permission', { ...PLACE, role: 'user' }]], permitted);
  expect(dropped).toEqual(tracked);
  const gone = after(
    [
      ['pg_untrack_native_query', { source: 'pg2', root_field_name: 'search' }],
      ['pg_untrack_logical_model', PLACE],
    ],
    dropped,
  );
  expect(partsOf(gone)).toEqual({ logical_models: undefined, native_queries: undefined });
});

test('a native query that brings its model along has the permissions itself', () => {
  const place = { source: 'pg2', name: 'search', type: 'native_query', role: 'user' };
  const tracked = after([...SEED, ['pg_track_native_query', { source: 'pg2', ...INLINE }]]);
  const permission = { columns: ['id'], filter: {} };
  const permitted = after([['pg_create_logical_model_select_permission', { ...place, permission }]], tracked);
  expect(partsOf(permitted)).toMatchObject({
    native_queries: [
      { returns: { fields: [STORED_MODEL.fields[0]], select_permissions: [{ role: 'user', permission }] } },
    ],
  });
  expect(after([['pg_drop_logical_model_select_permission', place]], permitted)).toEqual(tracked);
});

test.each<[title: string, body: Body, code: string, error: string]>([
  ['a tracked model', MODEL, 'already-tracked', "Logical model 'found' is already tracked."],
  ['a tracked query', QUERY, 'already-tracked', "Native query 'search' is already tracked."],
  [
    'an argument without an end',
    ['pg_track_native_query', { ...INLINE, source: 'pg2', root_field_name: 'other', code: 'select {{a' }],
    'parse-failed',
    "Found '{{' without a matching closing '}}'",
  ],
  [
    'an unknown model',
    ['pg_untrack_logical_model', { source: 'pg2', name: 'x' }],
    'not-found',
    'Logical model "x" not found in source "pg2".',
  ],
  [
    'an unknown query',
    ['pg_untrack_native_query', { source: 'pg2', root_field_name: 'x' }],
    'not-found',
    'Native query "x" not found in source "pg2".',
  ],
  [
    'an unknown source',
    ['pg_untrack_logical_model', { ...PLACE, source: 'x' }],
    'not-found',
    'Source "x" not found.',
  ],
  [
    'a model of an unknown source',
    ['pg_track_logical_model', { source: 'x', name: 'y', fields: [] }],
    'not-found',
    'Source x not found.',
  ],
  [
    'a query of an unknown source',
    ['pg_track_native_query', { ...INLINE, source: 'x' }],
    'not-found',
    "Source 'x' of kind postgres not found.",
  ],
])('refused: %s', (_title, body, code, error) => {
  const tracked = after([...SEED, MODEL, QUERY]);
  expect(refused(() => after([body], tracked))).toEqual({ path: '$.args', code, error });
});

test('objects are called as Hasura calls them, and each can be removed', () => {
  const all = after([...SEED, MODEL, QUERY, PERMIT]);
  const names = [
    'logical_model found in source pg2',
    'select_permission user in logical_model found in source pg2',
    'native_query search in source pg2',
  ];
  const objects = objectsOf(all).filter((object) => names.includes(objectName(object)));
  expect(objects.map(objectName)).toEqual(names);
  expect(objects.map(objectReport)[2]).toBe('native_query search in source "pg2"');
  for (const object of objects)
    expect(objectsOf(removeObject(all, object)).map(objectName)).not.toContain(objectName(object));
});

test('a relationship is renamed in what the rules of models ask of tables', () => {
  const manual_configuration = { remote_table: 'order', column_mapping: { id: 'id' } };
  const user = { source: 'pg2', table: 'user' };
  const filter = (name: string): object => ({
    _or: [
      { _not: { _exists: { _table: 'user', _where: { _and: [{ [name]: {} }] } } } },
      { $exists: { _table: { source: 'pg1', name: 'order' }, _where: { by: { [name]: { orders: {} } } } } },
      { orders: { _eq: 1 } },
    ],
  });
  const permission = { columns: '*', filter: filter('orders'), allow_aggregations: false };
  const to_source = { relationship_type: 'object', ...user, field_mapping: { user_id: 'id' } };
  const tracked = after([
    ...SEED,
    ['pg_create_array_relationship', { ...user, name: 'orders', using: { manual_configuration } }],
    [
      'pg_create_remote_relationship',
      { source: 'pg1', table: 'order', name: 'by', definition: { to_source } },
    ],
    MODEL,
    ['pg_create_logical_model_select_permission', { ...PLACE, role: 'user', permission }],
    ['pg_track_native_query', { source: 'pg2', ...INLINE }],
    [
      'pg_create_logical_model_select_permission',
      { type: 'native_query', ...PLACE, name: INLINE.root_field_name, role: 'user', permission },
    ],
  ]);
  const renamed = after(
    [['pg_rename_relationship', { ...user, name: 'orders', new_name: 'bought' }]],
    tracked,
  );
  const [model] = renamed.sources[1]?.logical_models ?? [];
  const [query] = renamed.sources[1]?.native_queries ?? [];
  const select_permissions = [{ role: 'user', permission: { filter: filter('bought') } }];
  expect(model).toMatchObject({ select_permissions });
  expect(query).toMatchObject({ returns: { select_permissions } });
});

test('a source that is renamed is followed, and a document says nothing twice', () => {
  const to_source = {
    relationship_type: 'object',
    source: 'pg1',
    table: { schema: 'public', name: 'order' },
    field_mapping: { id: 'id' },
  };
  const remote = [{ name: 'order', definition: { to_source } }];
  const tracked = after([
    ...SEED,
    ['pg_track_native_query', { ...INLINE, source: 'pg2', remote_relationships: remote }],
  ]);
  expect(partsOf(after([['rename_source', { name: 'pg1', new_name: 'one' }]], tracked))).toMatchObject({
    native_queries: [{ remote_relationships: [{ definition: { to_source: { source: 'one' } } }] }],
  });
  const [first, second] = tracked.sources;
  const twice = { ...tracked, sources: [first, { ...second, native_queries: [STORED_QUERY, STORED_QUERY] }] };
  expect(refused(() => parseMetadata(twice)).error).toBe(
    'multiple declarations exist for the following native query: search',
  );
});

test('they stay in the file of the databases, where the stock command line looks for them', () => {
  const files = directoryFiles(after([...SEED, MODEL, QUERY]));
  expect(files.get('databases/databases.yaml')).toContain('root_field_name: search');
});

test('the text of a query is taken apart at its arguments, and ends where its statement does', () => {
  expect(codeParts('select {{ a }}, {b} {{c}};\n ; ')).toEqual([
    { text: 'select ' },
    { argument: ' a ' },
    { text: ', {b} ' },
    { argument: 'c' },
    { text: '' },
  ]);
});

test.each<[code: string, parameter: string | null]>([
  ['select $1', '$1'],
  ['select a from t where b=$23and c', '$23'],
  ["select '$1', 'it''s $2', e'\\'$3', E'''$4'", null],
  ["select '\\', $1", '$1'],
  ['select a$1, "$2 ""$3", ä$4', null],
  ['select $$ $1 $a$ $$, $A$ $2 $a$ $$ $A$, $ä1$$3$ä1$', null],
  ['select $a$ $1 $a$, $2', '$2'],
  ["-- it's $1\nselect /* it's /* $2 */ $3 */ 1 -- $4", null],
  ['select 1 /* /* */ $1 */ + $2', '$2'],
  ["select 'without an end $1", null],
  ['select 1 /* $1 /* $2 */', null],
])('a text names parameters by their numbers: %s', (code, parameter) => {
  expect(numberedParameter(code)).toBe(parameter);
});
