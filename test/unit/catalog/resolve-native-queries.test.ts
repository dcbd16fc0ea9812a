import { parse, printSchema } from 'graphql';
import { expect, test } from 'vitest';
import type { Catalog } from '../../../src/catalog/catalog.ts';
import { askedQueries } from '../../../src/catalog/introspect/native-text.ts';
import { must } from '../../../src/core/assert.ts';
import { parseMetadata } from '../../../src/metadata/document/parse.ts';
import { buildSchema } from '../../support/build-schema.ts';
import { resolve } from '../../support/resolve.ts';
import { database, source, table, type } from './found.ts';

const USER = table('user', ['id int8 pk', 'name text!']);
const FOUND = {
  name: 'found',
  description: 'what was found',
  fields: [
    { name: 'id', type: 'int8' },
    { name: 'title', type: { scalar: 'text', nullable: true }, description: 'its name' },
  ],
  select_permissions: [{ role: 'reader', permission: { columns: ['title'], filter: { id: { _gt: 1 } } } }],
};
const SEARCH = {
  root_field_name: 'search',
  arguments: { words: { type: 'text' }, least: { type: 'int8', nullable: true, description: 'at least' } },
  code: 'select 1 as id, {{words}} as title, {{least}}',
  returns: 'found',
};
const TYPES = new Map(['int8', 'text'].map((name) => [name, type(name)]));

interface World {
  readonly models?: readonly object[];
  readonly queries: readonly object[];
  readonly tables?: readonly object[];
  readonly more?: object;
  /** What the database answers; by default what is asked for. */
  readonly answer?: readonly { readonly oid: number; readonly sql: string }[] | { readonly error: string };
}

function catalogWith({
  models = [FOUND],
  queries,
  tables = [{ table: 'user' }],
  more = {},
  answer,
}: World): Catalog {
  const sources = [source('pg1', tables, { logical_models: models, native_queries: queries, ...more })];
  const metadata = parseMetadata({ version: 3, sources });
  const asked = askedQueries(must(metadata.sources[0], 'source'));
  const fits = ['int8', 'text'].map((name) => ({ oid: type(name).oid, sql: name }));
  const statements = new Map(asked.statements.map((text) => [text, answer ?? fits]));
  const found = { ...database([USER]), queries: { queryTypes: TYPES, statements } };
  return resolve(metadata, new Map([['pg1', found]]), { resourceVersion: 1, generation: 1 });
}

test('a database is asked for the columns of the model, with nothing given and nothing taken', () => {
  const metadata = parseMetadata({
    version: 3,
    sources: [source('pg1', [], { logical_models: [FOUND], native_queries: [SEARCH] })],
  });
  expect(askedQueries(must(metadata.sources[0], 'source'))).toEqual({
    types: ['int8', 'text'],
    statements: [
      'select q."id", q."title" from (\nselect 1 as id, (null::text) as title, (null::int8)\n) q limit 0',
    ],
  });
});

test('the schema has the names of Hasura', () => {
  const catalog = catalogWith({
    queries: [
      SEARCH,
      {
        ...SEARCH,
        root_field_name: 'related',
        description: 'with users',
        object_relationships: [
          { name: 'user', using: { remote_table: 'user', column_mapping: { id: 'id' } } },
        ],
        array_relationships: [
          { name: 'again', using: { remote_native_query: 'search', column_mapping: { id: 'id' } } },
        ],
      },
    ],
  });
  expect(catalog.inconsistent).toEqual([]);
  const text = printSchema(buildSchema(catalog, 'admin'));
  // In queries and in subscriptions.
  expect(text.match(/^ {2}search\($/gm)).toHaveLength(2);
  for (const part of [
    'args: search_arguments!',
    'distinct_on: [found_enum_name!]',
    'order_by: [found_order_by!]',
    'where: found_bool_exp_bool_exp',
    '): [found!]!',
    '"""what was found"""\ntype found {\n  id: bigint!\n\n  """its name"""\n  title: String\n}',
    'input search_arguments {\n  """at least"""\n  least: bigint\n\n  """Native Query argument words"""\n  words: String!\n}',
    'type related {\n',
    '): [related!]!',
    '): [found!]\n',
    '"""Ordering options when selecting data from "found"."""\ninput found_order_by {\n  id: order_by\n  title: order_by\n}',
    `rows from the logical model for "found". All fields are combined with a logical 'AND'.\n"""\ninput found_bool_exp_bool_exp {`,
    '}\n\nenum found_enum_name {',
  ])
    expect(text).toContain(part);
  expect(text).not.toContain('search_aggregate');
  const reader = printSchema(buildSchema(catalog, 'reader'));
  expect(reader).toContain('type found {\n  """its name"""\n  title: String\n}');
  expect(reader).not.toContain('id: bigint');
  expect(() => parse(text)).not.toThrow();
});

test('a source has its own naming, as far as Hasura applies it', () => {
  const customization = {
    naming_convention: 'graphql-default',
    type_names: { prefix: 'p_' },
    root_fields: { namespace: 'ns' },
  };
  const catalog = catalogWith({ queries: [SEARCH], more: { customization } });
  expect(catalog.inconsistent).toEqual([]);
  const text = printSchema(buildSchema(catalog, 'admin'));
  for (const part of [
    'where: p_FoundBoolExpBoolExp',
    'orderBy: [p_FoundOrderBy!]',
    'distinctOn: [found_enum_name!]',
    ': [found!]!',
  ])
    expect(text).toContain(part);
});

test.each<[title: string, world: World, reason: string]>([
  ['no model', { queries: [{ ...SEARCH, returns: 'x' }] }, 'The logical model x could not be found'],
  [
    'an argument that nobody declared',
    { queries: [{ ...SEARCH, arguments: {} }] },
    'The following columns are used in the query, but are not declared as arguments: ["words", "least"]',
  ],
  [
    'an argument that stands nowhere',
    { queries: [{ ...SEARCH, code: 'select {{words}}', returns: 'found' }] },
    'The following columns are declared as arguments, but are not used in the query: ["least"]',
  ],
  [
    'a parameter by its number',
    { queries: [{ ...SEARCH, code: `${SEARCH.code}, $12::int` }] },
    'The query names a parameter by its number, $12: write {{name}} for a value, and declare it as an argument',
  ],
  [
    'a text that does not fit',
    { queries: [SEARCH], answer: { error: 'column q.id does not exist' } },
    'Failed to validate query: column q.id does not exist',
  ],
  [
    'another type',
    { queries: [SEARCH], answer: [{ oid: 1, sql: 'oid' }] },
    `Failed to validate query: Return column 'id' has a type mismatch. The expected type is 'int8', but the actual type is 'oid'.`,
  ],
  [
    'a type that is none',
    { queries: [{ ...SEARCH, arguments: { ...SEARCH.arguments, words: { type: 'x' } } }] },
    'Failed to validate query: type "x" does not exist',
  ],
  [
    'a name that GraphQL has not',
    { queries: [{ ...SEARCH, root_field_name: 'a b' }] },
    '"a b" is not a valid GraphQL identifier',
  ],
  [
    'a relationship twice',
    {
      queries: [
        {
          ...SEARCH,
          object_relationships: [
            { name: 'u', using: { remote_table: 'user', column_mapping: { id: 'id' } } },
          ],
          array_relationships: [{ name: 'u', using: { remote_table: 'user', column_mapping: { id: 'id' } } }],
        },
      ],
    },
    "The native query 'search' has duplicate relationships: u",
  ],
  [
    'a relationship to nothing',
    {
      queries: [
        {
          ...SEARCH,
          object_relationships: [
            { name: 'u', using: { remote_native_query: 'x', column_mapping: { id: 'id' } } },
          ],
        },
      ],
    },
    'native query "x" is not tracked',
  ],
  [
    'rows without a relationship',
    {
      models: [{ ...FOUND, fields: [{ name: 'rows', type: { array: { logical_model: 'found' } } }] }],
      queries: [SEARCH],
    },
    "Unexpected logical model object field 'rows'.",
  ],
  [
    'the name of a table',
    { queries: [{ ...SEARCH, root_field_name: 'user' }] },
    "Encountered conflicting definitions in the selection set for 'subscription_root' for field 'user' defined in [table user in source pg1, native_query user in source pg1]. Fields must not be defined more than once across all sources.",
  ],
])('inconsistent: %s', (_title, world, reason) => {
  const [problem, ...others] = catalogWith(world).inconsistent;
  expect(others).toEqual([]);
  expect(problem).toMatchObject({ type: 'native_query', reason: `Inconsistent object: ${reason}` });
});

test('a permission that does not hold is said once, and the query works for others', () => {
  const permission = { columns: ['nothing'], filter: {} };
  const model = { ...FOUND, select_permissions: [...FOUND.select_permissions, { role: 'x', permission }] };
  const catalog = catalogWith({
    models: [model],
    queries: [SEARCH, { ...SEARCH, root_field_name: 'again' }],
  });
  expect(catalog.inconsistent).toMatchObject([
    {
      type: 'select_permission',
      name: 'select_permission x in logical_model found in source pg1',
      reason:
        'Inconsistent object: in logical model "found": in permission for role "x": "nothing" does not exist',
    },
  ]);
});
