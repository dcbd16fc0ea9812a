import { expect, test } from 'vitest';
import { parseCommand } from '../../../src/commands/command.ts';
import { parseMetadata } from '../../../src/metadata/document/parse.ts';
import { after, type Body, refused } from './support.ts';

const QUERY = '{ user { id } }';
const collection = (name: string, ...queries: string[]): Body => [
  'create_query_collection',
  { name, definition: { queries: queries.map((query) => ({ name: query, query: QUERY })) } },
];
const allow = (name: string, scope?: object): Body => [
  'add_collection_to_allowlist',
  { collection: name, scope },
];
const roles = { global: false, roles: ['a', 'b'] };

test('collections and the allow list grow and shrink', () => {
  const full = after([
    collection('one', 'a'),
    collection('two'),
    ['add_query_to_collection', { collection_name: 'two', query_name: 'b', query: QUERY }],
    ['drop_query_from_collection', { collection_name: 'one', query_name: 'a' }],
    allow('one'),
    allow('two', roles),
    allow('two', { global: true }),
    ['update_scope_of_collection_in_allowlist', { collection: 'one', scope: roles }],
    ['rename_query_collection', { name: 'two', new_name: 'three' }],
  ]);
  expect(full).toMatchObject({
    query_collections: [
      { name: 'one', definition: { queries: [] } },
      { name: 'three', definition: { queries: [{ name: 'b', query: QUERY }] } },
    ],
    allowlist: [
      { collection: 'one', scope: roles },
      { collection: 'three', scope: roles },
    ],
  });
  const empty = after(
    [
      ['drop_collection_from_allowlist', { collection: 'one' }],
      ['drop_query_collection', { collection: 'one', cascade: false }],
      ['drop_query_collection', { collection: 'three', cascade: true }],
    ],
    full,
  );
  expect(empty).toEqual({ version: 3, sources: [] });
});

test('a collection is everybody`s when nothing is said of its scope', () => {
  expect(after([collection('one'), allow('one')]).allowlist).toEqual([
    { collection: 'one', scope: { global: true } },
  ]);
});

test.each<[body: Body, code: string, error: string, path?: string]>([
  [collection('one'), 'already-exists', 'query collection with name "one" already exists', '$.args.name'],
  [
    collection('new', 'a', 'b', 'a', 'b'),
    'not-supported',
    'found duplicate query names "a", "b"',
    '$.args.definition.queries',
  ],
  [
    ['rename_query_collection', { name: 'x', new_name: 'y' }],
    'not-exists',
    'query collection with name "x" does not exist',
  ],
  [
    ['rename_query_collection', { name: 'one', new_name: 'listed' }],
    'already-exists',
    'query collection with name "listed" already exists',
    '$.args.new_name',
  ],
  [
    ['drop_query_collection', { collection: 'listed' }],
    'dependency-error',
    'query collection with name "listed" is present in the allowlist; cannot proceed to drop. please use cascade to confirm you wish to drop it from the allowlist as well',
    '$.args.collection',
  ],
  [
    ['add_query_to_collection', { collection_name: 'one', query_name: 'a', query: QUERY }],
    'already-exists',
    'query with name "a" already exists in collection "one"',
  ],
  [
    ['add_query_to_collection', { collection_name: 'one', query_name: 'b', query: '{' }],
    'parse-failed',
    'parsing the graphql query failed',
    '$.args.query',
  ],
  [
    ['add_query_to_collection', { collection_name: 'one', query_name: 'b', query: 'type T { a: Int }' }],
    'parse-failed',
    'parsing the graphql query failed',
    '$.args.query',
  ],
  [
    ['drop_query_from_collection', { collection_name: 'one', query_name: 'b' }],
    'not-found',
    'query with name "b" not found in collection "one"',
  ],
  [allow('x'), 'not-exists', 'query collection with name "x" does not exist', '$.args.collection'],
  [
    ['drop_collection_from_allowlist', { collection: 'one' }],
    'not-found',
    'collection "one" doesn\'t exist in the allowlist',
  ],
  [
    ['update_scope_of_collection_in_allowlist', { collection: 'one', scope: roles }],
    'not-found',
    'collection "one" doesn\'t exist in the allowlist',
  ],
  [
    ['update_scope_of_collection_in_allowlist', { collection: 'listed' }],
    'parse-failed',
    'key "scope" not found',
  ],
  [['add_collection_to_allowlist', { scope: {} }], 'parse-failed', 'key "collection" not found'],
  [allow('one', {}), 'parse-failed', 'key "global" not found', '$.args.scope'],
  [allow('one', { global: false }), 'parse-failed', 'key "roles" not found', '$.args.scope'],
  [
    allow('one', { global: false, roles: [] }),
    'parse-failed',
    'parsing NonEmpty failed, unexpected empty list',
    '$.args.scope.roles',
  ],
  [
    allow('one', { global: true, roles: ['a'] }),
    'parse-failed',
    'roles are not allowed when global is true',
    '$.args.scope',
  ],
  [
    allow('one', { global: false, roles: ['a', 'a'] }),
    'parse-failed',
    'duplicate roles are not allowed',
    '$.args.scope',
  ],
])('%j is refused', (body, code, error, path = '$.args') => {
  const start = after([collection('one', 'a'), collection('listed'), allow('listed')]);
  expect(refused(() => after([body], start))).toEqual({ path, error, code });
});

test('a document that lists a collection twice is refused', () => {
  const twice = {
    version: 3,
    sources: [],
    allowlist: [{ collection: 'c' }, { collection: 'c', scope: roles }],
  };
  expect(refused(() => parseMetadata(twice))).toEqual({
    path: '$.args',
    error: 'multiple declarations exist for the following allowlist entries: c',
    code: 'parse-failed',
  });
  expect(parseCommand({ type: 'drop_query_collection', args: { collection: 'c' } }).args).toEqual({
    collection: 'c',
    cascade: false,
  });
});
