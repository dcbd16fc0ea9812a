import { getIntrospectionQuery, isObjectType, parse, printType, validateSchema } from 'graphql';
import { describe, expect, test } from 'vitest';
import type { Catalog } from '../../../src/catalog/catalog.ts';
import { typeNamesOf } from '../../../src/catalog/resolve/names.ts';
import { tableKey } from '../../../src/core/names.ts';
import { systemClock } from '../../../src/core/waiting/clock.ts';
import { atOnce } from '../../../src/core/waiting/slices.ts';
import { Stop } from '../../../src/core/waiting/stop-signal.ts';
import { executeIntrospection } from '../../../src/graphql/introspection.ts';
import { SchemaCache } from '../../../src/graphql/schema-cache.ts';
import { buildSchema } from '../../support/build-schema.ts';
import { catalogOf, database, remote, source, table } from '../catalog/found.ts';

const artist = table('artist', ['id int4', 'name text!']);
const album = table('album', [
  'id int4 pk',
  'title text!',
  'artist_id int4 -> label.id',
  'price numeric',
  'is_live bool',
  'meta jsonb',
  'tags text[]',
  'color text! -> color.value',
]);
const label = table('label', ['id int4 pk', 'Code text']);
const color = table('color', ['value text pk', 'comment text']);
/** More than what is always allowed to be asked of their schema. */
const tables = Array.from({ length: 60 }, (_, i) =>
  table(`t${i}`, ['id int4 pk', `kind${i} text`, 'at timestamptz']),
);

function example(): Catalog {
  const albums = remote('albums', {
    source: 'target',
    table: 'album',
    mapping: { id: 'artist_id' },
    type: 'array',
  });
  const permission = (columns: unknown, more: object = {}) => ({ columns, filter: {}, ...more });
  return catalogOf(
    [
      source('here', [
        {
          table: 'artist',
          remote_relationships: [albums],
          select_permissions: [
            { role: 'role1', permission: permission('*') },
            { role: 'role2', permission: permission('*') },
            { role: 'alone', permission: permission('*') },
          ],
        },
      ]),
      source('target', [
        {
          table: 'album',
          object_relationships: [{ name: 'label', using: { foreign_key_constraint_on: 'artist_id' } }],
          select_permissions: [
            { role: 'role1', permission: permission(['title', 'artist_id']) },
            {
              role: 'role2',
              permission: permission(['id', 'title', 'artist_id'], { allow_aggregations: true }),
            },
            { role: 'counter', permission: permission([], { allow_aggregations: true }) },
          ],
        },
        {
          table: 'label',
          array_relationships: [
            { name: 'albums', using: { foreign_key_constraint_on: { table: 'album', column: 'artist_id' } } },
          ],
        },
        { table: 'color', is_enum: true },
      ]),
    ],
    {
      here: database([artist]),
      target: database(
        [album, label, color],
        {},
        new Map([
          [
            tableKey(color.ref),
            [
              { value: 'red', description: 'warm' },
              { value: 'blue', description: null },
            ],
          ],
        ]),
      ),
    },
  );
}

const printed = (name: string, role = 'admin'): string => {
  const type = buildSchema(example(), role).getType(name);
  return type === undefined ? 'none' : printType(type);
};
const withoutTexts = (text: string): string =>
  text
    .replace(/ *"""(.|\n)*?"""\n/g, '')
    .replace(/ \{\n\n/g, ' {\n')
    .replace(/\n\n/g, '\n');

describe('the schema of a role', () => {
  test('is valid GraphQL, for everybody', () => {
    const catalog = example();
    expect(catalog.inconsistent).toEqual([]);
    for (const role of ['admin', 'role1', 'role2', 'alone', 'counter', 'nobody']) {
      const schema = buildSchema(catalog, role);
      // `assumeValid` was given: take a copy that does not.
      expect(
        validateSchema(Object.assign(Object.create(schema), { __validationErrors: undefined })),
        role,
      ).toEqual([]);
    }
  });

  test('every type that is made for a table is one that the table has claimed', () => {
    const reading = table('reading', [
      'id int4 pk',
      'at float8',
      'size float8',
      'odd bool',
      'of int4 -> sensor.id',
    ]);
    const sensor = table('sensor', ['id int4 pk', 'kind text! -> color.value']);
    const key = { table: 'reading', column: 'of' };
    const readings = { name: 'readings', using: { foreign_key_constraint_on: key } };
    const tracked = [
      { table: 'reading' },
      { table: 'sensor', array_relationships: [readings] },
      { table: 'color', is_enum: true },
    ];
    const values = new Map([[tableKey(color.ref), [{ value: 'red', description: null }]]]);
    for (const naming_convention of ['hasura-default', 'graphql-default']) {
      const customization = { naming_convention, type_names: { prefix: 'own_' } };
      const found = database([reading, sensor, color], {}, values);
      const catalog = catalogOf([source('a', tracked, { customization })], { a: found });
      const claimed = [...(catalog.sources.get('a')?.tables.values() ?? [])].flatMap(typeNamesOf);
      const made = Object.keys(buildSchema(catalog, 'admin').getTypeMap());
      const own = made.filter((name) => /^own_?(reading|sensor|color)/i.test(name));
      expect(own.filter((name) => !claimed.includes(name))).toEqual([]);
      expect(own.length).toBeGreaterThan(60);
    }
  });

  test('rows: columns and relationships in order of code points, json with a path', () => {
    expect(withoutTexts(printed('album'))).toBe(`type album {
  artist_id: Int
  color: color_enum!
  id: Int!
  is_live: Boolean
  label: label
  meta(
    path: String
  ): jsonb
  price: numeric
  tags: [String!]
  title: String!
}`);
    expect(withoutTexts(printed('label'))).toContain('Code: String\n  albums(');
  });

  test('array relationships and their aggregates, to another database too', () => {
    expect(withoutTexts(printed('artist'))).toBe(`type artist {
  albums(
    distinct_on: [album_select_column!]
    limit: Int
    offset: Int
    order_by: [album_order_by!]
    where: album_bool_exp
  ): [album!]!
  albums_aggregate(
    distinct_on: [album_select_column!]
    limit: Int
    offset: Int
    order_by: [album_order_by!]
    where: album_bool_exp
  ): album_aggregate!
  id: Int
  name: String!
}`);
    const names = (role: string): readonly string[] =>
      [...printed('artist', role).matchAll(/^ {2}(\w+)[(:]/gm)].map((hit) => hit[1] ?? '');
    expect(names('role2')).toEqual(['albums', 'albums_aggregate', 'id', 'name']);
    expect(names('role1')).toEqual(['albums', 'id', 'name']);
    expect(names('alone')).toEqual(['id', 'name']);
  });

  test('conditions and orderings, across databases', () => {
    expect(withoutTexts(printed('artist_bool_exp'))).toBe(`input artist_bool_exp {
  _and: [artist_bool_exp!]
  _not: artist_bool_exp
  _or: [artist_bool_exp!]
  albums: album_bool_exp
  albums_aggregate: album_aggregate_bool_exp
  id: Int_comparison_exp
  name: String_comparison_exp
}`);
    expect(withoutTexts(printed('artist_order_by'))).toBe(`input artist_order_by {
  albums_aggregate: album_aggregate_order_by
  id: order_by
  name: order_by
}`);
    // Who may not aggregate can order by an aggregate of what he sees.
    expect(printed('artist_order_by', 'role1')).toContain('albums_aggregate: album_aggregate_order_by');
    expect(printed('artist_bool_exp', 'role1')).not.toContain('albums_aggregate');
    expect(withoutTexts(printed('album_aggregate_bool_exp'))).toBe(`input album_aggregate_bool_exp {
  bool_and: album_aggregate_bool_exp_bool_and
  bool_or: album_aggregate_bool_exp_bool_or
  count: album_aggregate_bool_exp_count
}`);
    expect(
      withoutTexts(printed('album_aggregate_bool_exp_bool_and')),
    ).toBe(`input album_aggregate_bool_exp_bool_and {
  arguments: album_select_column_album_aggregate_bool_exp_bool_and_arguments_columns!
  distinct: Boolean
  filter: album_bool_exp
  predicate: Boolean_comparison_exp!
}`);
  });

  test('comparisons by type', () => {
    expect(withoutTexts(printed('Int_comparison_exp'))).toBe(`input Int_comparison_exp {
  _cast: Int_cast_exp
  _eq: Int
  _gt: Int
  _gte: Int
  _in: [Int!]
  _is_null: Boolean
  _lt: Int
  _lte: Int
  _neq: Int
  _nin: [Int!]
}`);
    expect(withoutTexts(printed('color_enum_comparison_exp'))).toBe(`input color_enum_comparison_exp {
  _eq: color_enum
  _in: [color_enum!]
  _is_null: Boolean
  _neq: color_enum
  _nin: [color_enum!]
}`);
    expect(printed('String_array_comparison_exp')).toContain('_contains: [String!]');
    expect(printed('String_array_comparison_exp')).toContain('to compare columns of type "String"');
    expect(printed('String_array_comparison_exp')).toContain('_in: [[String!]!]');
    expect(printed('jsonb_comparison_exp')).toContain('_has_keys_any: [String!]');
    expect(withoutTexts(printed('color_enum'))).toBe('enum color_enum {\n  blue\n  red\n}');
  });

  test('aggregates only over columns they apply to', () => {
    expect(withoutTexts(printed('album_aggregate_fields', 'role2'))).toContain('avg: album_avg_fields');
    expect(withoutTexts(printed('album_sum_fields', 'role2'))).toBe(
      'type album_sum_fields {\n  artist_id: Int\n  id: Int\n}',
    );
    expect(withoutTexts(printed('album_avg_fields'))).toContain('price: Float');
    expect(withoutTexts(printed('album_aggregate_fields', 'counter'))).toBe(`type album_aggregate_fields {
  count(distinct: Boolean): Int!
}`);
    expect(withoutTexts(printed('query_root', 'counter'))).toMatch(
      /^type query_root \{\n {2}album_aggregate\(/,
    );
    expect(withoutTexts(printed('album_aggregate', 'counter'))).not.toContain('nodes');
  });

  test('root fields: by key only with the key in sight', () => {
    const roots = (role: string): readonly string[] =>
      Object.keys(buildSchema(example(), role).getQueryType()?.getFields() ?? {});
    expect(roots('admin')).toEqual([
      'album',
      'album_aggregate',
      'album_by_pk',
      'artist',
      'artist_aggregate',
      'color',
      'color_aggregate',
      'color_by_pk',
      'label',
      'label_aggregate',
      'label_by_pk',
    ]);
    expect(roots('role1')).toEqual(['album', 'artist']);
    expect(roots('role2')).toEqual(['album', 'album_aggregate', 'album_by_pk', 'artist']);
    expect(roots('nobody')).toEqual(['no_queries_available']);
  });

  test('a namespace of a source holds its root fields', () => {
    const customization = { root_fields: { namespace: 's1', prefix: 'f_' }, type_names: { prefix: 't_' } };
    const catalog = catalogOf([source('a', [{ table: 'label' }], { customization })], {
      a: database([label]),
    });
    const schema = buildSchema(catalog, 'admin');
    expect(Object.keys(schema.getQueryType()?.getFields() ?? {})).toEqual(['s1']);
    const inner = schema.getType('t_s1_query');
    expect(inner && withoutTexts(printType(inner))).toMatch(/^type t_s1_query \{\n {2}f_label\(/);
  });
});

describe('introspection', () => {
  const answer = (
    query: string,
    role = 'admin',
    variables: Record<string, unknown> = {},
    catalog = example(),
  ): Record<string, unknown> => {
    const document = parse(query);
    const operation = document.definitions.find((definition) => definition.kind === 'OperationDefinition');
    if (operation === undefined) throw new Error('no operation');
    const found = atOnce(
      executeIntrospection(buildSchema(catalog, role), { document, operation, variables }),
    );
    return Object.fromEntries([...found].map(([key, json]) => [key, JSON.parse(json)]));
  };

  test('answers meta fields by response key and leaves data fields alone', () => {
    const query = `query q($name: String!, $where: album_bool_exp, $no: Boolean!) {
      album(where: $where) { id }
      a: __type(name: $name) { name ...f }
      ... on query_root { b: __type(name: "nope") { name } c: __type(name: "album") @include(if: $no) { name } }
      ...root
    }
    fragment f on __Type { kind description }
    fragment root on query_root { __schema { queryType { name } mutationType { name } } }`;
    expect(answer(query, 'admin', { name: 'album', where: { id: 'wrong' }, no: false })).toEqual({
      a: { name: 'album', kind: 'OBJECT', description: 'columns and relationships of "album"' },
      b: null,
      __schema: { queryType: { name: 'query_root' }, mutationType: null },
    });
  });

  test('nullability and order as clients see them', () => {
    const query =
      '{ __type(name: "artist") { fields { name type { kind ofType { kind ofType { kind } } } } } }';
    expect(answer(query, 'role1')).toEqual({
      __type: {
        fields: [
          {
            name: 'albums',
            type: { kind: 'NON_NULL', ofType: { kind: 'LIST', ofType: { kind: 'NON_NULL' } } },
          },
          { name: 'id', type: { kind: 'SCALAR', ofType: null } },
          { name: 'name', type: { kind: 'NON_NULL', ofType: { kind: 'SCALAR', ofType: null } } },
        ],
      },
    });
  });

  test('streams are fields of subscriptions, in Hasura’s words', () => {
    const found = buildSchema(example(), 'role1').getType('subscription_root');
    if (!isObjectType(found)) throw new Error('no subscriptions');
    const { album_stream: stream } = found.getFields();
    const { description, type, args } = stream ?? {};
    expect([
      description,
      String(type),
      args?.map((one) => [one.name, String(one.type), one.description]),
    ]).toEqual([
      'fetch data from the table in a streaming manner: "album"',
      '[album!]!',
      [
        ['batch_size', 'Int!', 'maximum number of rows returned in a single batch'],
        ['cursor', '[album_stream_cursor_input]!', 'cursor to stream the results returned by the query'],
        ['where', 'album_bool_exp', 'filter the rows returned'],
      ],
    ]);
    const types = ['album_stream_cursor_input', 'album_stream_cursor_value_input', 'cursor_ordering'];
    expect(types.map((name) => printed(name, 'role1')).join('\n')).toMatchInlineSnapshot(`
      """"
      Streaming cursor of the table "album"
      """
      input album_stream_cursor_input {
        """Stream column input with initial value"""
        initial_value: album_stream_cursor_value_input!

        """cursor ordering"""
        ordering: cursor_ordering
      }
      """Initial value of the column from where the streaming should start"""
      input album_stream_cursor_value_input {
        artist_id: Int
        title: String
      }
      """ordering argument of a cursor"""
      enum cursor_ordering {
        """ascending ordering of the cursor"""
        ASC

        """descending ordering of the cursor"""
        DESC
      }"
    `);
    expect(printed('query_root', 'role1')).not.toContain('_stream');
    expect(printed('subscription_root', 'counter')).not.toContain('_stream');
  });

  test('directives', () => {
    const { __schema: schema } = answer(
      '{ __schema { directives { name description args { name defaultValue } } } }',
    );
    expect(schema).toMatchObject({
      directives: [
        { name: 'include', description: 'whether this query should be included' },
        { name: 'skip', description: 'whether this query should be skipped' },
        {
          name: 'cached',
          args: [
            { name: 'ttl', defaultValue: '60' },
            { name: 'refresh', defaultValue: 'false' },
          ],
        },
        { name: 'freshness', args: [{ name: 'fallback' }, { name: 'max_staleness_ms' }, { name: 'token' }] },
      ],
    });
  });

  test('the whole schema may be asked for, and what multiplies itself is refused before it is answered', () => {
    const whole = getIntrospectionQuery({
      specifiedByUrl: true,
      directiveIsRepeatable: true,
      schemaDescription: true,
      inputValueDeprecation: true,
      oneOf: true,
    });
    expect(answer(whole)).toHaveProperty('__schema.types');
    const large = catalogOf(
      [
        source(
          'here',
          tables.map(({ ref }) => ({ table: ref.name })),
        ),
      ],
      { here: database(tables) },
    );
    expect(answer(whole, 'admin', {}, large)).toHaveProperty('__schema.types');

    const refused = expect.objectContaining({ code: 'query-too-complex' });
    const levels = (count: number): string =>
      `${'fields { type { '.repeat(count)}name${' } }'.repeat(count)}`;
    expect(() => answer(`{ __schema { types { ${levels(8)} } } }`)).toThrow(refused);
    const wide = Array.from({ length: 9000 }, (_, i) => `a${i}: fields { name }`).join(' ');
    expect(() => answer(`{ __schema { types { ${wide} } } }`)).toThrow(refused);
    const doubling = (type: string, last: string): string =>
      Array.from({ length: 40 }, (_, i) => `fragment f${i} on ${type} { ...f${i + 1} ...f${i + 1} }`).join(
        ' ',
      ) + ` fragment f40 on ${type} { ${last} }`;
    expect(() => answer(`{ __type(name: "artist") { ...f0 } } ${doubling('__Type', 'name')}`)).toThrow(
      refused,
    );
    const onRoot = doubling('query_root', '__schema { queryType { name } }');
    expect(() => answer(`{ __typename ...f0 } ${onRoot}`)).toThrow(refused);
  });

  test.each([
    [
      '{ __schema { nope } }',
      '$.selectionSet.__schema.selectionSet.nope',
      "field 'nope' not found in type: '__Schema'",
    ],
    ['{ __type(nom: "x") { name } }', '$.selectionSet.__type', "'__type' has no argument named 'nom'"],
    ['{ __type { name } }', '$.selectionSet.__type.args.name', "missing required field 'name'"],
    ['{ __schema }', '$.selectionSet.__schema', "missing selection set for '__Schema'"],
  ])('refuses %s', (query, path, message) => {
    expect(() => answer(query)).toThrow(
      expect.objectContaining({ code: 'validation-failed', message, path }),
    );
  });

  test('a schema is built once per catalog and role', () => {
    const [catalog, cache] = [example(), new SchemaCache(systemClock)];
    expect(cache.schema(catalog, 'role1')).toBe(cache.schema(catalog, 'role1'));
    expect(cache.schema(catalog, 'role1')).not.toBe(cache.schema(catalog, 'role2'));
    expect(cache.schema(example(), 'role1')).not.toBe(cache.schema(catalog, 'role1'));
  });

  test('the same introspection is answered from memory, but for another role, schema or value', async () => {
    const [catalog, cache] = [example(), new SchemaCache(systemClock)];
    const ask = (query: string) => {
      const document = parse(query);
      const operation = document.definitions.find(({ kind }) => kind === 'OperationDefinition');
      if (operation?.kind !== 'OperationDefinition') throw new Error('no operation');
      return (role: string, name: string, of = catalog) =>
        cache.introspect({ catalog: of, role }, { document, operation, variables: { name } }, new Stop());
    };
    const all = ask('{ __schema { types { name } } }');
    expect(await all('role1', '')).toBe(await all('role1', ''));
    expect(await all('role1', '')).not.toEqual(await all('role2', ''));
    expect(await all('role1', '', example())).not.toBe(await all('role1', ''));
    const one = ask('query q($name: String!) { __type(name: $name) { name } }');
    expect((await one('role2', 'album')).get('__type')).toBe('{"name":"album"}');
    expect((await one('role2', 'artist')).get('__type')).toBe('{"name":"artist"}');
  });
});
