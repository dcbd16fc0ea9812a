import { afterAll, beforeAll, expect, test } from 'vitest';
import { openWorld, type World } from './world.ts';

const SQL = [
  'create table author (id int primary key, first_name text not null, last_name text)',
  'create table article (id int primary key, author_id int references author)',
  'create table other (id int primary key)',
  `create type mood as enum ('sad', 'ok')`,
  `create function full_name(author) returns text language sql stable as $$ select $1.first_name $$`,
  `comment on function full_name is 'first and last'`,
  `create function articles(one author, search text) returns setof article language sql stable as
   $$ select * from article where author_id = one.id $$`,
  `create function plain(author) returns setof article language sql stable as
   $$ select * from article where author_id = $1.id $$`,
  `create function others(author) returns setof other language sql stable as 'select * from other'`,
  `create function feeling(author) returns mood language sql stable as $$ select 'ok'::mood $$`,
  `create function names(author) returns setof text language sql stable as $$ select $1.first_name $$`,
  `create function written(author) returns int language sql as 'select 1'`,
  `create function nothing() returns int language sql stable as 'select 1'`,
  `create function said(one author, session text) returns text language sql stable as 'select session'`,
  `create function many(author, variadic int[]) returns int language sql stable as 'select 1'`,
  `create function any_of(author, anyelement) returns int language sql stable as 'select 1'`,
  `create function twice(author) returns int language sql stable as 'select 1'`,
  `create function twice(article) returns int language sql stable as 'select 1'`,
];

let world: World;

beforeAll(async () => {
  world = await openWorld({ sql: SQL });
  await ok('bulk', [
    { type: 'pg_track_tables', args: { tables: [{ table: 'author' }, { table: 'article' }] } },
    relationship('articles_of', { foreign_key_constraint_on: { table: 'article', column: 'author_id' } }),
  ]);
});

afterAll(() => world?.close());

function relationship(name: string, using: object): object {
  return { type: 'pg_create_array_relationship', args: { table: 'author', name, using } };
}

async function ok(type: string, args: unknown): Promise<unknown> {
  const { status, body } = await world.metadata({ type, args });
  expect({ status, body }).toMatchObject({ status: 200 });
  return body;
}

async function refused(type: string, args: unknown): Promise<unknown> {
  const { status, body } = await world.metadata({ type, args });
  expect(status).toBe(400);
  return body;
}

const field = (name: string, definition: object): object => ({ table: 'author', name, definition });
const FULL_NAME = field('full_name', { function: 'full_name' });

const REFUSALS: readonly [name: string, definition: object, reason: string][] = [
  ['x', { function: 'gone' }, 'no such function exists: "gone"'],
  ['x', { function: 'twice' }, 'function "twice" is overloaded. Overloaded functions are not supported'],
  [
    'x',
    { function: 'written' },
    'because the function "written" is of type VOLATILE; cannot be added as a computed field',
  ],
  ['x', { function: 'nothing' }, 'because the function "nothing" has no input arguments'],
  [
    'x',
    { function: 'full_name', table_argument: 'row' },
    'because "row" is not an input argument of the function "full_name"',
  ],
  [
    'x',
    { function: 'articles', table_argument: 'search' },
    'for the following reasons:\n  • "search" argument of the function "articles" is not COMPOSITE type\n  • "search" argument of the function "articles" of type "pg_catalog.text" is not the table to which the computed field is being added\n',
  ],
  [
    'x',
    { function: 'said', session_argument: 'session' },
    'because "session" argument of the function "said" is not of type JSON',
  ],
  [
    'x',
    { function: 'said', session_argument: 's' },
    'because "s" is not an input argument of the function "said"',
  ],
  ['x', { function: 'feeling' }, 'because the function "feeling" returning type "mood" is not a BASE type'],
  ['x', { function: 'names' }, 'because the function "names" returns a set of type "text"'],
  [
    'x',
    { function: 'others' },
    'because the function "others" returning set of table "other" is not tracked or not found in database',
  ],
  ['x', { function: 'many' }, 'because the function "many" has a VARIADIC argument'],
  [
    'x',
    { function: 'any_of' },
    'because the type "anyelement" of an argument of the function "any_of" stands for many',
  ],
  ['full name', { function: 'full_name' }, 'because "full name" is not valid GraphQL name'],
];

test('what cannot be a computed field is refused in Hasura’s words', async () => {
  for (const [name, definition, reason] of REFUSALS) {
    const body = await refused('pg_add_computed_field', field(name, definition));
    const start = `Inconsistent object: in table "author": in computed field "${name}": `;
    const cannot = `the computed field "${name}" cannot be added to table "author" `;
    const error = reason.includes(' because ') || /^(because|for) /.test(reason) ? cannot + reason : reason;
    expect(body).toMatchObject({ path: '$.args', error: start + error, code: 'invalid-configuration' });
  }
  for (const [name, owner] of [
    ['first_name', 'postgres column "first_name"'],
    ['articles_of', 'relationship "articles_of"'],
    ['articles_of_aggregate', 'relationship "articles_of"'],
  ] as const) {
    expect(await refused('pg_add_computed_field', field(name, { function: 'full_name' }))).toEqual({
      path: '$.args',
      error: `Inconsistent object: field definition conflicts with ${owner}`,
      code: 'invalid-configuration',
      internal: [
        {
          type: 'computed_field',
          name: `computed_field ${name} in table author in source default`,
          reason: `Inconsistent object: field definition conflicts with ${owner}`,
          definition: {
            source: 'default',
            table: { schema: 'public', name: 'author' },
            name,
            definition: { function: { schema: 'public', name: 'full_name' } },
            comment: null,
          },
        },
      ],
    });
  }
  expect(await refused('pg_add_computed_field', { ...FULL_NAME, table: 'gone' })).toEqual({
    path: '$.args.table',
    error: 'table "gone" does not exist in source: default',
    code: 'not-exists',
  });
});

test('one is added, defined anew, permitted, needed by a permission, and dropped with it', async () => {
  await ok('pg_add_computed_field', FULL_NAME);
  await ok('pg_add_computed_field', { ...FULL_NAME, comment: '' });
  await ok('pg_add_computed_field', field('articles', { function: 'articles', table_argument: 'one' }));
  expect(
    await refused('pg_create_array_relationship', {
      table: 'author',
      name: 'full_name',
      using: { foreign_key_constraint_on: { table: 'article', column: 'author_id' } },
    }),
  ).toMatchObject({
    error: 'field with name "full_name" already exists in table "author"',
  });
  const permit = (computed_fields: readonly string[], filter = {}): object => {
    return { table: 'author', role: 'user', permission: { columns: '*', filter, computed_fields } };
  };
  const where = 'Inconsistent object: in table "author": in permission for role "user": ';
  expect(await refused('pg_create_select_permission', permit(['full_name', 'random']))).toMatchObject({
    error: `${where}computed field "random" does not exist`,
  });
  expect(await refused('pg_create_select_permission', permit(['articles']))).toMatchObject({
    error: `${where}select permissions on computed field "articles" are auto-derived from the permissions on its returning table "article" and cannot be specified manually`,
  });
  expect(await refused('pg_create_select_permission', permit([], { articles: { id: 1 } }))).toMatchObject({
    error: `${where}Computed columns with input arguments cannot be part of the where clause`,
  });
  expect(await refused('pg_create_select_permission', permit([], { full_name: { _gt: 1 } }))).toMatchObject({
    error: `${where}operator "_gt" of column "full_name" of type text takes text, which 1 is not`,
  });
  await ok('pg_create_select_permission', permit(['full_name'], { full_name: { _like: 'A%' } }));
  expect(await ok('export_metadata', {})).toMatchObject({
    sources: [
      {
        tables: [
          {
            computed_fields: [
              {
                name: 'full_name',
                definition: { function: { schema: 'public', name: 'full_name' } },
                comment: '',
              },
              {
                name: 'articles',
                definition: { function: { schema: 'public', name: 'articles' }, table_argument: 'one' },
              },
            ],
          },
          {},
        ],
      },
    ],
  });
  expect(await refused('pg_untrack_table', { table: 'article' })).toMatchObject({
    code: 'dependency-error',
    error: expect.stringContaining('computed field author.articles in source "default"'),
  });
  expect(await refused('pg_drop_computed_field', { table: 'author', name: 'gone' })).toEqual({
    path: '$.args.name',
    error: 'computed field "gone" does not exist',
    code: 'not-exists',
  });
  expect(await refused('pg_drop_computed_field', { table: 'author', name: 'full_name' })).toMatchObject({
    code: 'dependency-error',
    error:
      'cannot drop due to the following dependent objects: permission author.user.select in source "default"',
  });
  await ok('pg_drop_computed_field', { table: 'author', name: 'full_name', cascade: true });
  await ok('pg_add_computed_field', field('plain', { function: 'plain' }));
  const using = { foreign_key_constraint_on: 'author_id' };
  await ok('pg_create_object_relationship', { table: 'article', name: 'author', using });
  await ok('pg_create_select_permission', permit([], { plain: { author: { id: { _eq: 1 } } } }));
  await ok('pg_rename_relationship', { table: 'article', name: 'author', new_name: 'writer' });
  expect(JSON.stringify(await ok('export_metadata', {}))).toContain('{"plain":{"writer":{"id":{"_eq":1}}}}');
  await ok('pg_untrack_table', { table: 'article', cascade: true });
  expect(JSON.stringify(await ok('export_metadata', {}))).not.toMatch(/computed|permission/);
});
