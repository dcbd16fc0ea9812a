import { buildClientSchema, introspectionFromSchema } from 'graphql';
import { expect, test } from 'vitest';
import { GRAPHQL_DEFAULT, HASURA_DEFAULT } from '../../../src/catalog/part/spelling.ts';
import { parseMetadata } from '../../../src/metadata/document/parse.ts';
import { buildSchema } from '../../support/build-schema.ts';
import { resolve } from '../../support/resolve.ts';
import { catalogOf, database, source, table, tableOf } from './found.ts';

test.each<[string, string, string]>([
  ['order_by', 'orderBy', 'OrderBy'],
  ['_is_null', '_isNull', '_isNull'],
  ['_has_keys_any', '_hasKeysAny', '_hasKeysAny'],
  ['Int_comparison_exp', 'intComparisonExp', 'IntComparisonExp'],
  ['String_array_comparison_exp', 'stringArrayComparisonExp', 'StringArrayComparisonExp'],
  ['_leading_one', '_leadingOne', '_leadingOne'],
  ['Author_ID', 'authorID', 'AuthorID'],
  ['alreadyCamel', 'alreadyCamel', 'AlreadyCamel'],
  ['a__b_', 'aB', 'AB'],
  ['_', '_', '_'],
])('%s is spelled %s as a field and %s as a type', (name, field, type) => {
  expect([GRAPHQL_DEFAULT.field(name), GRAPHQL_DEFAULT.type(name)]).toEqual([field, type]);
  expect([HASURA_DEFAULT.field(name), HASURA_DEFAULT.type(name)]).toEqual([name, name]);
});

const local = table('author_local', ['id int4 pk', 'full_name text', 'odd_name text']);

function names(entry: object, customization: object) {
  const catalog = catalogOf([source('pg1', [{ table: 'author_local', ...entry }], { customization })], {
    pg1: database([local]),
  });
  expect(catalog.inconsistent).toEqual([]);
  const { root, typeName, derivedType, columns } = tableOf(catalog, 'pg1', 'author_local');
  return [
    [root.select.name, root.selectByPk.name, root.selectAggregate.name, root.selectStream.name],
    [typeName, derivedType('_bool_exp'), derivedType('_stddev_pop_fields')],
    columns.map(({ field }) => field),
  ];
}

const graphql = { naming_convention: 'graphql-default' };
const COLUMNS = ['id', 'fullName', 'oddName'];

test('a table of its own name', () => {
  expect(names({}, graphql)).toEqual([
    ['authorLocal', 'authorLocalByPk', 'authorLocalAggregate', 'authorLocalStream'],
    ['AuthorLocal', 'AuthorLocalBoolExp', 'AuthorLocalStddevPopFields'],
    COLUMNS,
  ]);
});

test('prefix and suffix of root fields and types', () => {
  const root_fields = { prefix: 'test', suffix: 'query' };
  const type_names = { prefix: 'my', suffix: 'type' };
  expect(names({}, { ...graphql, root_fields, type_names })).toEqual([
    [
      'testAuthorLocalQuery',
      'testAuthorLocalByPkQuery',
      'testAuthorLocalAggregateQuery',
      'testAuthorLocalStreamQuery',
    ],
    ['myAuthorLocalType', 'myAuthorLocalBoolExpType', 'myAuthorLocalStddevPopFieldsType'],
    COLUMNS,
  ]);
});

test('custom names stay as they are written', () => {
  const configuration = {
    custom_name: 'table_one',
    custom_root_fields: { select_by_pk: 'author_detail' },
    column_config: { odd_name: { custom_name: 'odd_one' } },
  };
  expect(names({ configuration }, graphql)).toEqual([
    ['table_one', 'author_detail', 'table_oneAggregate', 'table_oneStream'],
    ['table_one', 'table_oneBoolExp', 'table_oneStddevPopFields'],
    ['id', 'fullName', 'odd_one'],
  ]);
});

test('a schema is part of the name, and the types of compared aggregates are spelled as Hasura does', () => {
  const own = { kind: 'own', schema: 'my_app', name: 'user_log' } as const;
  expect([
    GRAPHQL_DEFAULT.rootBase(own),
    GRAPHQL_DEFAULT.typeBase(own),
    GRAPHQL_DEFAULT.derivedType(own, '_aggregate_bool_exp'),
    GRAPHQL_DEFAULT.derivedType(own, '_aggregate_bool_exp_bool_and'),
    GRAPHQL_DEFAULT.derivedType(own, '_aggregate_bool_exp_covar_samp_arguments'),
  ]).toEqual([
    'myAppUserLog',
    'MyAppUserLog',
    'MyAppUserLogAggregateBoolExp',
    'myAppUserLogAggregateBoolExpBool_and',
    'myAppUserLogAggregateBoolExpCovar_sampArguments',
  ]);
});

test('what becomes the same name, or the same enum value, is refused', () => {
  const twins = table('twins', ['id int4 pk', 'a_b text', 'aB text']);
  const kind = table('kind', ['value text pk']);
  const values = [
    { value: 'on', description: null },
    { value: 'On', description: null },
  ];
  const catalog = catalogOf(
    [source('pg1', [{ table: 'twins' }, { table: 'kind', is_enum: true }], { customization: graphql })],
    { pg1: database([twins, kind], {}, new Map([[JSON.stringify(['public', 'kind']), values]])) },
  );
  expect(catalog.inconsistent.map(({ reason }) => reason)).toEqual([
    'Inconsistent object: the definitions of columns "a_b" and "aB" are in conflict: they are mapped to the same field name, "aB"',
    'Inconsistent object: the table "kind" cannot be used as an enum because the values "on" and "On" are both spelled ON',
  ]);
});

test('two sources may be spelled differently: each has directions of its own', () => {
  const catalog = catalogOf(
    [
      source('pg1', [{ table: 'author_local' }], { customization: graphql }),
      source('pg2', [{ table: 'books' }]),
    ],
    { pg1: database([local]), pg2: database([table('books', ['id int4 pk', 'price numeric'])]) },
  );
  expect(catalog.inconsistent).toEqual([]);
  const schema = buildSchema(catalog, 'admin');
  expect(schema.getType('IntComparisonExp')?.toString()).toBe('IntComparisonExp');
  expect(schema.getType('Int_comparison_exp')?.toString()).toBe('Int_comparison_exp');
  const directions = ['OrderBy', 'order_by'].map((name) => schema.getType(name)?.toConfig());
  expect(directions).toEqual([
    expect.objectContaining({ values: expect.objectContaining({ ASC_NULLS_FIRST: expect.anything() }) }),
    expect.objectContaining({ values: expect.objectContaining({ asc_nulls_first: expect.anything() }) }),
  ]);
  expect(buildClientSchema(introspectionFromSchema(schema)).getType('AuthorLocalBoolExp')).toBeDefined();
  const fields = schema.getQueryType()?.getFields() ?? {};
  expect(Object.keys(fields)).toEqual([
    'authorLocal',
    'authorLocalAggregate',
    'authorLocalByPk',
    'books',
    'books_aggregate',
    'books_by_pk',
  ]);
  expect(fields['authorLocal']?.args.map(({ name }) => name)).toEqual([
    'distinctOn',
    'limit',
    'offset',
    'orderBy',
    'where',
  ]);
});

test('the default is for sources that say nothing of it', () => {
  const tracked = [{ table: 'author_local' }];
  const customization = { naming_convention: 'hasura-default' };
  const sources = [source('pg1', tracked), source('pg2', tracked, { customization })];
  const found = new Map(['pg1', 'pg2'].map((name) => [name, database([local])]));
  const version = { resourceVersion: 1, generation: 1 };
  const catalog = resolve(parseMetadata({ version: 3, sources }), found, version, {
    naming: 'graphql-default',
  });
  const root = (name: string) => tableOf(catalog, name, 'author_local').root.selectByPk.name;
  expect([root('pg1'), root('pg2')]).toEqual(['authorLocalByPk', 'author_local_by_pk']);
});
