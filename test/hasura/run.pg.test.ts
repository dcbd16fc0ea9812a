import { afterEach, beforeEach, expect, test } from 'vitest';
import { applyMetadata } from '../../src/commands/run.ts';
import { openWorld, type World } from './world.ts';

const TABLES = {
  databases: {
    pg1: ['create table "order" (id int primary key, user_id int, note text, at timestamptz)'],
    pg2: [
      'create table "user" (id int primary key, name text, parent_id int references "user")',
      'create table tag (user_id int references "user")',
      `comment on column tag.user_id is 'whose'`,
      'create function kin(of int, session json) returns setof "user" language sql stable as $$ select * from "user" where parent_id = of $$',
      'create function tagged() returns setof tag language sql as $$ select * from tag $$',
      'create function plain() returns int language sql stable as $$ select 1 $$',
    ],
  },
};

let world: World;

beforeEach(async () => {
  world = await openWorld(TABLES);
  await ok('bulk', [
    add('pg1'),
    add('pg2'),
    { type: 'pg_track_table', args: { source: 'pg1', table: 'order' } },
    {
      type: 'pg_track_tables',
      args: {
        tables: [
          { source: 'pg2', table: 'user' },
          { source: 'pg2', table: 'tag' },
        ],
      },
    },
  ]);
});

afterEach(async () => {
  await world.close();
});

function add(name: string): object {
  const configuration = { connection_info: { database_url: `@@DB:${name}@@` } };
  return { type: 'pg_add_source', args: { name, configuration } };
}

async function ok(type: string, args: unknown): Promise<unknown> {
  const { status, body } = await world.metadata({ type, args });
  expect({ status, body }).toMatchObject({ status: 200 });
  return body;
}

async function version(): Promise<number> {
  return (await world.store.load()).resourceVersion;
}

function relate(over: object = {}): object {
  const to_source = {
    relationship_type: 'object',
    source: 'pg2',
    table: 'user',
    field_mapping: { user_id: 'id' },
    ...over,
  };
  return { source: 'pg1', table: 'order', name: 'user', definition: { to_source } };
}

test.each([
  ['an unknown source', relate({ source: 'nope' }), 'source not found: "nope"'],
  ['an unknown table', relate({ table: 'nope' }), 'table "nope" does not exist in source: pg2'],
  ['an unknown column here', relate({ field_mapping: { nope: 'id' } }), 'nope'],
  ['an unknown column there', relate({ field_mapping: { user_id: 'nope' } }), 'nope'],
  ['an empty mapping', relate({ field_mapping: {} }), 'field_mapping is empty'],
  ['types that cannot be compared', relate({ field_mapping: { at: 'id' } }), 'integer'],
  ['a name that is a column', { ...relate(), name: 'note' }, 'note'],
])('a relationship with %s is refused and nothing is saved', async (_title, args, reason) => {
  const before = await version();
  const { status, body } = await world.metadata({ type: 'pg_create_remote_relationship', args });
  expect({ status, body }).toMatchObject({
    status: 400,
    body: { code: 'invalid-configuration', path: '$.args' },
  });
  expect((body as { error: string }).error).toContain(reason);
  expect(await version()).toBe(before);
});

const PASSWORDS = [
  'sesame',
  'a@sesame',
  'a:sesame',
  'a sesame',
  `a'sesame`,
  'a"sesame',
  'a/sesame',
  'a#sesame',
];
const UNREACHABLE = [
  ...PASSWORDS.flatMap((password) => [
    `postgres://someone:${password}@127.0.0.1:1/x`,
    `postgresql://someone:${encodeURIComponent(password)}@127.0.0.1:1/x`,
    { connection_parameters: { host: '127.0.0.1', port: 1, database: 'x', username: 'y', password } },
    `host=127.0.0.1 port=1 user=someone password='${password}' dbname=x`,
  ]),
  'postgres://127.0.0.1:1/x?user=someone&password=sesame',
  'postgres://someone:sesame@127.0.0.1:port/x',
  'postgres//someone:sesame@127.0.0.1/x',
];

test('a database that does not answer is refused, its password not shown', async () => {
  for (const database_url of UNREACHABLE) {
    const args = { name: 'down', configuration: { connection_info: { database_url } } };
    const answer = await world.metadata({ type: 'pg_add_source', args });
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid-configuration', path: '$.args' } });
    expect(JSON.stringify(answer)).not.toContain('sesame');
    // A text that is no URL must not be looked up as a host.
    expect(JSON.stringify(answer)).not.toContain('ENOTFOUND');
  }
});

test('a bulk that fails in the middle leaves nothing behind and names the place', async () => {
  const before = await version();
  const body = {
    type: 'bulk',
    args: [
      { type: 'pg_create_remote_relationship', args: relate() },
      { type: 'pg_untrack_table', args: { source: 'pg2', table: 'nope' } },
    ],
  };
  expect(await world.metadata(body)).toEqual({
    status: 400,
    body: {
      path: '$.args[1].args',
      error: 'view/table already untracked: "nope"',
      code: 'already-untracked',
    },
  });
  expect(await version()).toBe(before);
});

test('what others depend on is not dropped, unless with all that does', async () => {
  await ok('pg_create_remote_relationship', relate());
  await ok('pg_create_array_relationship', {
    source: 'pg2',
    table: 'user',
    name: 'tags',
    using: { foreign_key_constraint_on: { table: 'tag', column: 'user_id' } },
  });
  await ok('pg_create_select_permission', {
    source: 'pg2',
    table: 'user',
    role: 'r',
    permission: { columns: ['id'], filter: { tags: { user_id: { _gt: 1 } } } },
  });
  const drop = { type: 'pg_drop_relationship', args: { source: 'pg2', table: 'user', relationship: 'tags' } };
  expect((await world.metadata(drop)).body).toEqual({
    path: '$.args',
    error: 'cannot drop due to the following dependent objects: permission user.r.select in source "pg2"',
    code: 'dependency-error',
  });
  expect((await world.metadata({ type: 'pg_drop_source', args: { name: 'pg2' } })).body).toEqual({
    path: '$.args',
    error:
      'cannot drop due to the following dependent objects: remote relationship order.user in source "pg1"',
    code: 'dependency-error',
  });
  await ok('pg_untrack_table', { source: 'pg2', table: 'tag', cascade: true });
  const { metadata } = await world.store.load();
  expect(metadata.sources[1]?.tables).toEqual([{ table: { schema: 'public', name: 'user' } }]);
  await ok('pg_drop_source', { name: 'pg2', cascade: true });
  expect(await ok('get_inconsistent_metadata', {})).toEqual({
    is_consistent: true,
    inconsistent_objects: [],
  });
});

/** A foreign key, whose other end only the database knows, leads from a tag to its user. */
const WALKED = {
  tags: { foreign_key_constraint_on: { table: 'tag', column: 'user_id' } },
  user: { foreign_key_constraint_on: 'user_id' },
};

/** Orders that a role sees by a rule which goes to another database, and on there. */
async function guarded(tags = 'tags'): Promise<object> {
  await ok('pg_create_remote_relationship', relate());
  await ok('pg_create_array_relationship', {
    source: 'pg2',
    table: 'user',
    name: 'tags',
    using: WALKED.tags,
  });
  await ok('pg_create_object_relationship', {
    source: 'pg2',
    table: 'tag',
    name: 'user',
    using: WALKED.user,
  });
  const filter = (name: string): object => ({ user: { [name]: { user: { [name]: {} } } } });
  const permission = { columns: ['id'], filter: filter('tags') };
  await ok('pg_create_select_permission', { source: 'pg1', table: 'order', role: 'r', permission });
  return filter(tags);
}

test('a relationship is renamed in rules of another database too, where foreign keys lead as well', async () => {
  const renamed = await guarded('labels');
  await ok('pg_rename_relationship', { source: 'pg2', table: 'user', name: 'tags', new_name: 'labels' });
  const { metadata } = await world.store.load();
  expect(metadata.sources[0]?.tables[0]?.select_permissions?.[0]?.permission.filter).toEqual(renamed);
});

const RULE = 'permission order.r.select in source "pg1"';
const REMOTE = 'remote relationship order.user in source "pg1"';
test.each([
  ['pg_drop_relationship', { source: 'pg2', table: 'user', relationship: 'tags' }, RULE],
  ['pg_untrack_table', { source: 'pg2', table: 'user' }, `relationship tag.user in source "pg2"`],
  ['pg_untrack_table', { source: 'pg2', table: 'tag' }, 'relationship user.tags in source "pg2"'],
  ['pg_drop_source', { name: 'pg2' }, REMOTE],
])('%s %j takes along what depends on it in other databases only when told to', async (type, args, named) => {
  await guarded();
  const before = await version();
  const { status, body } = await world.metadata({ type, args });
  expect({ status, body }).toMatchObject({ status: 400, body: { code: 'dependency-error', path: '$.args' } });
  expect((body as { error: string }).error).toContain(named);
  expect(await version()).toBe(before);
  await ok(type, { ...args, cascade: true });
  expect(await ok('get_inconsistent_metadata', {})).toMatchObject({ is_consistent: true });
  const [order] = (await world.store.load()).metadata.sources[0]?.tables ?? [];
  expect(order?.select_permissions).toBeUndefined();
});

test('a remote relationship that a rule walks is not deleted', async () => {
  await guarded();
  const args = { source: 'pg1', table: 'order', name: 'user' };
  expect(await world.metadata({ type: 'pg_delete_remote_relationship', args })).toMatchObject({
    status: 400,
    body: { code: 'unexpected', error: 'cannot continue due to new inconsistent metadata' },
  });
});

test('a change that would break another object is refused with what it breaks', async () => {
  await ok('pg_create_remote_relationship', relate());
  const configuration = { connection_info: { database_url: '@@DB:pg1@@' } };
  const { status, body } = await world.metadata({
    type: 'pg_update_source',
    args: { name: 'pg2', configuration },
  });
  expect({ status, body }).toMatchObject({
    status: 400,
    body: { code: 'unexpected', error: 'cannot continue due to new inconsistent metadata' },
  });
});

test('a caller who is behind is told so; versions count every change', async () => {
  const { body } = await world.metadata({ type: 'export_metadata', version: 2, args: {} });
  const { resource_version: seen, metadata } = body as { resource_version: number; metadata: object };
  await ok('pg_create_remote_relationship', relate());
  const args = { metadata, allow_inconsistent_metadata: true };
  expect(
    await world.metadata({ type: 'replace_metadata', version: 2, resource_version: seen, args }),
  ).toEqual({
    status: 409,
    body: {
      path: '$',
      error: `metadata resource version referenced (${seen}) did not match current version`,
      code: 'conflict',
      internal: { current_resource_version: seen + 1 },
    },
  });
  const reading = { type: 'get_inconsistent_metadata', resource_version: seen, args: {} };
  expect(await world.metadata(reading)).toMatchObject({ status: 200 });
  const again = { type: 'replace_metadata', version: 2, resource_version: seen + 1, args };
  expect(await world.metadata(again)).toMatchObject({ status: 200, body: { is_consistent: true } });
  expect(await version()).toBe(seen + 2);
});

test('a foreign key is named by one column or a list, and kept in one form', async () => {
  const using = (over: object): object => ({ foreign_key_constraint_on: { table: 'tag', ...over } });
  const create = (name: string, over: object): Promise<unknown> =>
    ok('pg_create_array_relationship', { source: 'pg2', table: 'user', name, using: using(over) });
  await create('a', { columns: 'user_id' });
  await create('b', { columns: ['user_id'] });
  const tag = { schema: 'public', name: 'tag' };
  const kept = { foreign_key_constraint_on: { table: tag, column: 'user_id' } };
  const [user] = (await world.store.load()).metadata.sources[1]?.tables ?? [];
  expect(user?.array_relationships).toEqual([
    { name: 'a', using: kept },
    { name: 'b', using: kept },
  ]);
  const both = { column: 'user_id', columns: ['user_id'] };
  const args = { source: 'pg2', table: 'user', name: 'c', using: using(both) };
  expect(await world.metadata({ type: 'pg_create_array_relationship', args })).toMatchObject({
    status: 400,
    body: { code: 'parse-failed', error: "expected exactly one of 'column' or 'columns'" },
  });
});

test.each([
  ['the role that may do everything', { role: 'admin' }, 'already-exists', '$.args'],
  ['a role without a name', { role: '' }, 'parse-failed', '$.args.role'],
])('%s gets no permission', async (_who, over, code, path) => {
  const args = { source: 'pg1', table: 'order', permission: { columns: '*', filter: {} }, ...over };
  const error = {
    'already-exists': 'select permission already defined on table "order" with role "admin"',
    'parse-failed': 'empty string not allowed',
  }[code];
  expect(await world.metadata({ type: 'pg_create_select_permission', args })).toEqual({
    status: 400,
    body: { code, path, error },
  });
});

test('changes made at the same time are all kept', async () => {
  const roles = 'abcdefgh'.split('');
  const permission = { columns: '*', filter: {} };
  const answers = await Promise.all(
    roles.map((role) =>
      world.metadata({
        type: 'pg_create_select_permission',
        args: { source: 'pg1', table: 'order', role, permission },
      }),
    ),
  );
  expect(answers.map((answer) => answer.status)).toEqual(roles.map(() => 200));
  const kept = (await world.store.load()).metadata.sources[0]?.tables[0]?.select_permissions ?? [];
  expect(kept.map((entry) => entry.role).toSorted()).toEqual(roles);
});

test('a document in which something does not hold is refused unless allowed, and can then be cleaned', async () => {
  const { body } = await world.metadata({ type: 'export_metadata', args: {} });
  const exported = body as { sources: { tables: object[] }[] };
  exported.sources[0]?.tables.push({ table: { schema: 'public', name: 'gone' } });
  const actions = [{ name: 'act' }];
  const refused = await world.metadata({ type: 'replace_metadata', args: { ...exported, actions } });
  expect(refused).toMatchObject({
    status: 400,
    body: { code: 'unexpected', path: '$.args', error: 'cannot continue due to inconsistent metadata' },
  });
  const args = { allow_inconsistent_metadata: true, metadata: { ...exported, actions } };
  const names = ['actions', 'table gone in source pg1'];
  expect(namesIn(await ok('replace_metadata', args))).toEqual(names);
  expect(namesIn(await ok('reload_metadata', {}))).toEqual(names);
  await ok('drop_inconsistent_metadata', {});
  expect(await ok('get_inconsistent_metadata', {})).toEqual({
    is_consistent: true,
    inconsistent_objects: [],
  });
  expect((await world.store.load()).metadata).not.toHaveProperty('actions');
});

function namesIn(body: unknown): readonly string[] {
  const { inconsistent_objects: objects } = body as { inconsistent_objects: { name: string }[] };
  return objects.map((object) => object.name).toSorted();
}

test('a directory that is already in force is not applied again', async () => {
  const { metadata, resourceVersion } = await world.store.load();
  const context = { store: world.store, watch: world.watch };
  expect(await applyMetadata(metadata, context)).toEqual([]);
  expect(await version()).toBe(resourceVersion);
  await applyMetadata({ ...metadata, inherited_roles: [{ role_name: 'x', role_set: ['a'] }] }, context);
  expect(await version()).toBe(resourceVersion + 1);
});

test('tables of a database are listed as they are now, and its foreign keys suggest relationships', async () => {
  const user = { schema: 'public', name: 'user' };
  const tag = { schema: 'public', name: 'tag' };
  expect(await ok('pg_get_source_tables', { source: 'pg2' })).toEqual([tag, user]);
  const toUser = {
    type: 'object',
    from: { table: tag, columns: ['user_id'], constraint_name: 'tag_user_id_fkey' },
    to: { table: user, columns: ['id'] },
  };
  const toTags = { type: 'array', from: toUser.to, to: toUser.from };
  const suggested = await ok('pg_suggest_relationships', { source: 'pg2' });
  expect((suggested as { relationships: unknown[] }).relationships).toEqual(
    expect.arrayContaining([toUser, toTags]),
  );
  await ok('pg_create_object_relationship', {
    source: 'pg2',
    table: 'tag',
    name: 'user',
    using: { foreign_key_constraint_on: 'user_id' },
  });
  const asked = { source: 'pg2', tables: ['tag'], omit_tracked: true };
  expect(await ok('pg_suggest_relationships', asked)).toEqual({ relationships: [] });
});

test('a table is described as it is now, tracked or not', async () => {
  const user = { schema: 'public', name: 'user' };
  const writable = { insertable: true, updatable: true };
  expect(await ok('get_table_info', { source: 'pg2', table: 'user' })).toEqual({
    name: user,
    type: 'table',
    columns: [
      { name: 'id', type: 'integer', nullable: false, ...writable },
      { name: 'name', type: 'text', nullable: true, ...writable },
      { name: 'parent_id', type: 'integer', nullable: true, ...writable },
    ],
    ...writable,
    deletable: true,
    primary_key: ['id'],
    foreign_keys: { user_parent_id_fkey: { foreign_table: user, column_mapping: { parent_id: 'id' } } },
  });
  const tag = await ok('pg_get_table_info', { source: 'pg2', table: 'tag' });
  expect(tag).toMatchObject({ columns: [{ name: 'user_id', description: 'whose' }] });
  expect(tag).not.toHaveProperty('primary_key');
  expect(await ok('pg_get_table_info', { source: 'pg2', table: 'nope' })).toBeNull();
});

test('commands that may run at the same time are those that only read', async () => {
  const read = { type: 'get_catalog_state', args: {} };
  expect(await ok('concurrent_bulk', [read, read])).toHaveLength(2);
  const args = [read, { type: 'pg_untrack_table', args: { source: 'pg2', table: 'tag' } }];
  expect(await world.metadata({ type: 'concurrent_bulk', args })).toEqual({
    status: 400,
    body: {
      path: '$.args[1].args',
      error: '"pg_untrack_table" cannot be part of concurrent_bulk, which only reads',
      code: 'not-supported',
    },
  });
});

const KIN = { source: 'pg2', function: 'kin' };

test('a function is tracked against its database, and goes with the table that it returns', async () => {
  const track = (more: object) => world.metadata({ type: 'pg_track_function', args: { ...KIN, ...more } });
  const refusals: readonly (readonly [object, string])[] = [
    [{ function: 'nobody' }, 'Inconsistent object: in function "nobody": no such function exists: "nobody"'],
    [
      { configuration: { session_argument: 'of' } },
      'Inconsistent object: in function "kin": the function "kin" cannot be tracked because given session argument "of" is not of type json',
    ],
    [
      { function: 'plain' },
      'Inconsistent object: in function "plain": the function "plain" cannot be tracked for the following reasons:\n • the function does not return a "COMPOSITE" type\n • the function does not return a table\n',
    ],
  ];
  for (const [more, error] of refusals) {
    expect(await track(more)).toMatchObject({
      status: 400,
      body: { code: 'invalid-configuration', path: '$.args', error },
    });
  }
  expect(await track({ configuration: { custom_name: 'user' } })).toMatchObject({
    status: 500,
    body: {
      code: 'unexpected',
      error: expect.stringContaining(
        "'user' defined in [table user in source pg2, function kin in source pg2]",
      ),
    },
  });
  await ok('pg_track_function', { ...KIN, configuration: { session_argument: 'session' } });
  await ok('pg_track_function', { source: 'pg2', function: 'tagged' });
  const untrack = { type: 'pg_untrack_table', args: { source: 'pg2', table: 'user' } };
  expect((await world.metadata(untrack)).body).toEqual({
    path: '$.args',
    error: 'cannot drop due to the following dependent objects: function kin in source "pg2"',
    code: 'dependency-error',
  });
  const permit = { type: 'pg_create_function_permission', args: { ...KIN, role: 'r' } };
  expect((await world.metadata(permit)).body).toEqual({
    path: '$.args',
    error:
      'function permission can only be added when the function\'s return table "user" has select permission configured for role: "r"',
    code: 'not-supported',
  });
  const permission = { columns: ['id'], filter: {} };
  await ok('pg_create_select_permission', { source: 'pg2', table: 'user', role: 'r', permission });
  await ok('pg_create_function_permission', { ...KIN, role: 'r' });
  await ok('pg_untrack_table', { source: 'pg2', table: 'user', cascade: true });
  const { metadata } = await world.store.load();
  expect(metadata.sources[1]?.functions).toEqual([{ function: { schema: 'public', name: 'tagged' } }]);
  await ok('pg_drop_source', { name: 'pg2' });
});

test('a native query is tried on its database, and what is wrong with it is said', async () => {
  const fields = [{ name: 'id', type: 'integer' }];
  const place = { source: 'pg2', root_field_name: 'first', returns: 'one' };
  const track = async (code: string) =>
    world.metadata({ type: 'pg_track_native_query', args: { ...place, code } });
  const refusal = (why: string) => ({ status: 400, body: { error: `Inconsistent object: ${why}` } });
  expect(await track('select 1 as id')).toMatchObject(refusal('The logical model one could not be found'));
  await ok('pg_track_logical_model', { source: 'pg2', name: 'one', fields });
  const several = 'select 1 as id) q; commit; select q.id from (select 1 as id';
  const writing = 'with w as (insert into tag values (1) returning 1 as id) select id from w';
  for (const [code, why] of [
    ['select 1 as it', 'column q.id does not exist'],
    [
      'select 1::bigint as id',
      "Return column 'id' has a type mismatch. The expected type is 'integer', but the actual type is 'bigint'.",
    ],
    [writing, 'WITH clause containing a data-modifying statement must be at the top level'],
    [several, 'cannot insert multiple commands into a prepared statement'],
  ] as const)
    expect(await track(code)).toMatchObject(refusal(`Failed to validate query: ${why}`));
  await ok('pg_track_native_query', { ...place, code: 'select id from "user";' });
  expect(await ok('pg_get_native_query', { source: 'pg2' })).toMatchObject([{ root_field_name: 'first' }]);
});
