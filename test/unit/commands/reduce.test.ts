import { expect, test } from 'vitest';
import { parseCommand } from '../../../src/commands/command.ts';
import { after, type Body, RELATE, refused, SEED } from './support.ts';

const USER = { schema: 'public', name: 'user' };
const ORDER = { schema: 'public', name: 'order' };

test('the seed document becomes metadata as Hasura would export it', () => {
  expect(after([...SEED, RELATE])).toEqual({
    version: 3,
    sources: [
      {
        name: 'pg1',
        kind: 'postgres',
        tables: [
          {
            table: ORDER,
            remote_relationships: [
              { name: 'user', definition: (RELATE[1] as { definition: unknown }).definition },
            ],
          },
        ],
        configuration: { connection_info: { database_url: 'postgres://one/a' } },
      },
      {
        name: 'pg2',
        kind: 'postgres',
        tables: [{ table: USER }],
        configuration: { connection_info: { database_url: { from_env: 'TWO' } } },
      },
    ],
  });
});

const relationship = (over: object): unknown => ({ ...(RELATE[1] as object), ...over });
const toSource = (over: object): unknown => {
  const { definition } = RELATE[1] as { definition: { to_source: object } };
  return relationship({ definition: { to_source: { ...definition.to_source, ...over } } });
};

const REFUSALS: readonly [title: string, body: Body, code: string, error: string, path?: string][] = [
  [
    'a second source of the same name',
    SEED[0] as Body,
    'already-exists',
    'source with name "pg1" already exists',
  ],
  [
    'an unknown source',
    ['pg_drop_source', { name: 'x' }],
    'not-exists',
    'source with name "x" does not exist',
  ],
  [
    'an update of an unknown source',
    ['pg_update_source', { name: 'x' }],
    'not-exists',
    'source with name "x" does not exist',
  ],
  [
    'the default source when there is none',
    ['pg_track_table', { table: 't' }],
    'not-exists',
    'source with name "default" does not exist',
  ],
  [
    'the default source, null standing for it',
    ['pg_untrack_table', { source: null, cascade: null, table: 't' }],
    'not-exists',
    'source with name "default" does not exist',
  ],
  [
    'a tracked table',
    ['pg_track_table', { source: 'pg2', table: USER }],
    'already-tracked',
    'view/table already tracked: "user"',
  ],
  [
    'an untracked table',
    ['pg_untrack_table', { source: 'pg2', table: { schema: 'a', name: 'b' } }],
    'already-untracked',
    'view/table already untracked: "a.b"',
  ],
  [
    'names for an unknown table',
    ['pg_set_table_customization', { source: 'pg2', table: 'x', configuration: {} }],
    'not-exists',
    'table "x" does not exist in source: pg2',
  ],
  [
    'a taken relationship name',
    RELATE,
    'already-exists',
    'field with name "user" already exists in table "order"',
  ],
  [
    'an empty mapping',
    ['pg_update_remote_relationship', toSource({ field_mapping: {} })],
    'invalid-configuration',
    'Inconsistent object: in table "order": in remote relationship "user": field_mapping is empty',
  ],
  [
    'a missing relationship',
    ['pg_update_remote_relationship', relationship({ name: 'x' })],
    'not-exists',
    '"x" does not exist',
  ],
  [
    'a relationship without definition',
    ['pg_create_remote_relationship', { source: 'pg1', table: 'order', name: 'x', remote_source: {} }],
    'parse-failed',
    'create_remote_relationship expects exactly one of: remote_schema, definition',
  ],
  [
    'a relationship to a remote schema',
    ['pg_create_remote_relationship', relationship({ definition: { to_remote_schema: {} } })],
    'not-supported',
    'relationships to remote schemas are not supported',
  ],
  [
    'a missing key, naming the place',
    ['pg_update_remote_relationship', toSource({ field_mapping: undefined })],
    'parse-failed',
    'key "field_mapping" not found',
    '$.args.definition.to_source',
  ],
  [
    'an unknown option of ours',
    ['pg_update_remote_relationship', toSource({ nearjoin: { cached: true } })],
    'parse-failed',
    'Unrecognized key: "cached"',
    '$.args.definition.to_source.nearjoin',
  ],
  [
    'a permission that does not exist',
    ['pg_drop_select_permission', { source: 'pg2', table: 'user', role: 'r' }],
    'permission-denied',
    'select permission on "user" for role "r" does not exist',
  ],
  [
    'a role that inherits from itself',
    ['add_inherited_role', { role_name: 'a', role_set: ['a'] }],
    'invalid-params',
    'an inherited role name cannot be in the role combination',
  ],
  [
    'an unknown inherited role',
    ['drop_inherited_role', { role_name: 'a' }],
    'not-exists',
    `"a" inherited role doesn't exist`,
  ],
  [
    'a command nobody knows',
    ['pg_fly', {}],
    'parse-failed',
    'unknown metadata command "fly" for backend postgres',
    '$',
  ],
  [
    'a command of another database',
    ['citus_add_source', {}],
    'parse-failed',
    'unknown metadata command "add_source" for backend citus',
    '$',
  ],
  [
    'a command of no database',
    ['foo_bar', {}],
    'parse-failed',
    'unknown metadata command "foo_bar"; "foo" was not recognized as a valid backend name',
    '$',
  ],
  [
    'a relationship without a kind',
    ['pg_create_object_relationship', { source: 'pg1', table: 'order', name: 'r', using: {} }],
    'parse-failed',
    'key "foreign_key_constraint_on" not found',
    '$.args.using',
  ],
  [
    "a relationship to a remote schema in Hasura's older form",
    [
      'pg_create_remote_relationship',
      { table: 'order', name: 'r', remote_schema: 'x', hasura_fields: [], remote_field: {} },
    ],
    'not-supported',
    'relationships to remote schemas are not supported',
  ],
  [
    'a comment on a permission nobody has',
    ['pg_set_permission_comment', { source: 'pg2', table: 'user', role: 'ann', type: 'select' }],
    'permission-denied',
    'select permission on "user" for role "ann" does not exist',
  ],
  [
    'a command for something that is not here',
    ['create_action', {}],
    'not-supported',
    '"create_action" is not supported: this server answers queries only',
    '$.type',
  ],
  [
    'a command for another thing that is not here',
    ['set_query_tags', {}],
    'not-supported',
    '"set_query_tags" is not supported: this server answers queries only',
    '$.type',
  ],
  [
    'a command that would change data',
    ['pg_create_insert_permission', {}],
    'not-supported',
    '"pg_create_insert_permission" is not supported: this server answers queries only',
    '$.type',
  ],
];

test.each(REFUSALS)('%s is refused', (_title, body, ...[code, error, path = '$.args']) => {
  expect(refused(() => after([...SEED, RELATE, body]))).toEqual({ path, error, code });
});

test.each([
  [
    { type: 'pg_track_table', args: { source: 5, table: 'x' } },
    '$.args.source',
    'parsing Text failed, expected String, but encountered Number',
  ],
  [
    { type: 'pg_track_table', args: { table: null } },
    '$.args.table',
    'expected String or Object, but encountered Null',
  ],
  [
    { type: 'pg_track_table', args: { table: 't', apollo_federation_config: {} } },
    '$.args.apollo_federation_config',
    'key "enable" not found',
  ],
  [{ type: 'pg_track_table', args: { table: '' } }, '$.args.table', 'empty string not allowed'],
  [
    {
      type: 'pg_create_select_permission',
      args: { table: 't', role: 'ann', permission: { columns: true, filter: {} } },
    },
    '$.args.permission.columns',
    'expected "*" or Array, but encountered Boolean',
  ],
  [
    { type: 'export_metadata', version: { toString: 1 }, args: {} },
    '$.version',
    'expected 1 or 2, encountered Object',
  ],
  [{ type: 'bulk', args: {} }, '$.args', 'parsing [] failed, expected Array, but encountered Object'],
  [[], '$', 'parsing Object failed, expected Object, but encountered Array'],
])('%j is told what it is not', (request, path, error) => {
  expect(refused(() => parseCommand(request))).toEqual({ path, error, code: 'parse-failed' });
});

test('a version of the metadata API that does not exist is refused', () => {
  expect(refused(() => parseCommand({ type: 'export_metadata', version: 3, args: {} }))).toEqual({
    path: '$.version',
    error: 'expected 1 or 2, encountered 3',
    code: 'parse-failed',
  });
});

test("a permission's comment is set and removed", () => {
  const place = { source: 'pg2', table: 'user', role: 'ann' };
  const permission = { columns: '*', filter: {} };
  const created: Body[] = [...SEED, ['pg_create_select_permission', { ...place, permission }]];
  const commented = after([
    ...created,
    ['pg_set_permission_comment', { ...place, type: 'select', comment: 'c' }],
  ]);
  expect(commented.sources[1]?.tables[0]?.select_permissions).toEqual([
    { role: 'ann', permission, comment: 'c' },
  ]);
  const cleared = after(
    [['pg_set_permission_comment', { ...place, type: 'select', comment: null }]],
    commented,
  );
  expect(cleared).toEqual(after(created));
});

test('a cycle of inherited roles is refused', () => {
  const roles: Body[] = [
    ['add_inherited_role', { role_name: 'a', role_set: ['b'] }],
    ['add_inherited_role', { role_name: 'b', role_set: ['a'] }],
  ];
  expect(refused(() => after(roles))).toMatchObject({ code: 'invalid-configuration' });
});

test('renaming a source renames it where relationships point to it', () => {
  const metadata = after([...SEED, RELATE, ['rename_source', { name: 'pg2', new_name: 'users' }]]);
  expect(metadata.sources.map((source) => source.name)).toEqual(['pg1', 'users']);
  const [relationship] = metadata.sources[0]?.tables[0]?.remote_relationships ?? [];
  expect(relationship?.definition.to_source?.source).toBe('users');
});

test('renaming a source renames it where row rules look into it', () => {
  const exists = (source: string): object => ({
    $or: [{ _not: { _exists: { _table: { source, name: 'user' }, _where: { name: source } } } }],
  });
  const permission = {
    source: 'pg1',
    table: 'order',
    role: 'r',
    permission: { columns: '*', filter: exists('pg2') },
  };
  const metadata = after([
    ...SEED,
    ['pg_create_select_permission', permission],
    ['rename_source', { name: 'pg2', new_name: 'users' }],
  ]);
  const filter = metadata.sources[0]?.tables[0]?.select_permissions?.[0]?.permission.filter;
  const text = JSON.stringify(exists('pg2')).replace('"source":"pg2"', '"source":"users"');
  expect(JSON.stringify(filter)).toBe(text);
});

test('renaming a relationship renames it in every row rule that walks it, through databases too', () => {
  const line = { sku: { _eq: 'x' } };
  const here = (name: string): object => ({
    _and: [{ [name]: line }, { $not: { [`${name}_aggregate`]: { count: { filter: line, predicate: {} } } } }],
  });
  const there = (name: string): object => ({
    _or: [
      { orders: { [name]: { ...line, order: { [`${name}_aggregate`]: {} } } } },
      { orders_aggregate: { count: { filter: { [name]: {} } } } },
      { _exists: { _table: { source: 'pg1', name: 'order' }, _where: { [name]: {} } } },
      { lines: { name: { _eq: 'lines' } } },
    ],
  });
  const manual = (remote_table: string): object => ({
    manual_configuration: { remote_table, column_mapping: {} },
  });
  const relate = (place: object, name: string, using: object): Body => [
    'pg_create_array_relationship',
    { ...place, name, using },
  ];
  const order = { source: 'pg1', table: 'order' };
  const user = { source: 'pg2', table: 'user' };
  const permit = (place: object, filter: object): Body => [
    'pg_create_select_permission',
    { ...place, role: 'r', permission: { columns: '*', filter } },
  ];
  const commands: Body[] = [
    ...SEED,
    ['pg_track_table', { source: 'pg1', table: 'line' }],
    relate(order, 'lines', { foreign_key_constraint_on: { table: 'line', column: 'order_id' } }),
    relate({ source: 'pg1', table: 'line' }, 'order', manual('order')),
    relate(user, 'lines', manual('user')),
    [
      'pg_create_remote_relationship',
      {
        ...user,
        name: 'orders',
        definition: {
          to_source: { relationship_type: 'array', ...order, field_mapping: { id: 'user_id' } },
        },
      },
    ],
    permit(order, here('lines')),
    permit(user, there('lines')),
  ];
  const inserts = (name: string): object[] => [{ role: 'r', permission: { check: here(name), columns: [] } }];
  const start = after(commands);
  const sources = start.sources.map((source) => ({
    ...source,
    tables: source.tables.map((table) =>
      table.table.name === 'order' ? { ...table, insert_permissions: inserts('lines') } : table,
    ),
  }));
  const rename: Body = ['pg_rename_relationship', { ...order, name: 'lines', new_name: 'items' }];
  const tables = after([rename], { ...start, sources }).sources.flatMap((source) => source.tables);
  expect(tables.map(({ array_relationships: entries = [] }) => entries.map(({ name }) => name))).toEqual([
    ['items'],
    ['order'],
    ['lines'],
  ]);
  expect(tables.map((table) => table.select_permissions?.[0]?.permission.filter)).toEqual([
    here('items'),
    undefined,
    there('items'),
  ]);
  expect(tables[0]?.['insert_permissions']).toEqual(inserts('items'));
});

test('an update of a source keeps what it does not mention', () => {
  const metadata = after([
    [
      'pg_add_source',
      {
        name: 'a',
        configuration: { connection_info: { database_url: 'u' } },
        customization: { root_fields: { prefix: 'p_' } },
      },
    ],
    ['pg_track_table', { source: 'a', table: 't' }],
    ['pg_update_source', { name: 'a', configuration: { connection_info: { database_url: 'v' } } }],
  ]);
  expect(metadata.sources[0]).toEqual({
    name: 'a',
    kind: 'postgres',
    tables: [{ table: { schema: 'public', name: 't' } }],
    configuration: { connection_info: { database_url: 'v' } },
    customization: { root_fields: { prefix: 'p_' } },
  });
});

test('clearing keeps nothing but how to reach the default database', () => {
  const configuration = { connection_info: { database_url: 'u' } };
  const metadata = after([
    ...SEED,
    ['pg_add_source', { name: 'default', configuration }],
    ['pg_track_table', { table: 't' }],
    ['clear_metadata', {}],
  ]);
  expect(metadata).toEqual({
    version: 3,
    sources: [{ name: 'default', kind: 'postgres', tables: [], configuration }],
  });
});

test('customizing a table replaces all its names; empty ones leave no trace', () => {
  const names = {
    custom_name: 'people',
    custom_root_fields: { select: 'all' },
    column_config: { id: { custom_name: 'key' } },
  };
  const customized = after([
    ...SEED,
    ['pg_set_table_customization', { source: 'pg2', table: 'user', configuration: names }],
  ]);
  expect(customized.sources[1]?.tables).toEqual([{ table: USER, configuration: names }]);
  const bare = after(
    [
      [
        'pg_set_table_customization',
        {
          source: 'pg2',
          table: 'user',
          configuration: { custom_root_fields: {}, column_config: { id: {} } },
        },
      ],
    ],
    customized,
  );
  expect(bare.sources[1]?.tables).toEqual([{ table: USER }]);
});

test.each([
  ['nothing', undefined],
  ['a number', 1],
  ['a list', []],
  ['a request without type', { args: {} }],
  ['a bulk of nonsense', { type: 'bulk', args: {} }],
  ['a version that is no number', { type: 'export_metadata', version: 'x' }],
])('%s is refused as malformed', (_title, body) => {
  expect(refused(() => parseCommand(body))).toMatchObject({ code: 'parse-failed' });
});
