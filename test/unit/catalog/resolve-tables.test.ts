import { describe, expect, test } from 'vitest';
import { tableKey } from '../../../src/core/names.ts';
import { catalogOf, database, source, table, tableOf } from './found.ts';

const authors = table('author', ['id int4 pk', 'name text unique', 'constructor text']);

describe('names', () => {
  test('a table of schema public keeps its name, others carry their schema', () => {
    const elsewhere = table('author', ['id int4 pk'], { ref: { schema: 'hasura', name: 'author' } });
    const catalog = catalogOf(
      [source('default', [{ table: 'author' }, { table: { schema: 'hasura', name: 'author' } }])],
      { default: database([authors, elsewhere]) },
    );
    expect(catalog.inconsistent).toEqual([]);
    expect(catalog).toMatchObject({ resourceVersion: 7, generation: 3 });
    const plain = tableOf(catalog, 'default', 'author');
    const other = tableOf(catalog, 'default', 'author', 'hasura');
    expect(plain.typeName).toBe('author');
    expect(plain.root.selectByPk).toEqual({
      name: 'author_by_pk',
      description: 'fetch data from the table: "author" using primary key columns',
    });
    expect(plain.description).toBe('columns and relationships of "author"');
    expect(plain.columnByField.get('constructor')?.name).toBe('constructor');
    expect(other.root.select).toEqual({
      name: 'hasura_author',
      description: 'fetch data from the table: "hasura.author"',
    });
    expect(other.derivedType('_bool_exp')).toBe('hasura_author_bool_exp');
  });

  test('customization of a source wraps root fields and types, custom names included', () => {
    const customization = {
      root_fields: { namespace: 'my_source', prefix: 'fpref_', suffix: '_fsuff' },
      type_names: { prefix: 'tpref_', suffix: '_tsuff' },
    };
    const configuration = { custom_name: 'foo', custom_root_fields: { select_by_pk: 'bar' } };
    const catalog = catalogOf([source('pg1', [{ table: 'author', configuration }], { customization })], {
      pg1: database([authors]),
    });
    const found = tableOf(catalog, 'pg1', 'author');
    expect(found.root.select.name).toBe('fpref_foo_fsuff');
    expect(found.root.selectByPk.name).toBe('fpref_bar_fsuff');
    expect(found.root.selectAggregate.name).toBe('fpref_foo_aggregate_fsuff');
    expect(found.root.selectStream.name).toBe('fpref_foo_stream_fsuff');
    expect(found.stream).toEqual({ ordering: 'tpref_cursor_ordering_tsuff', table: 'foo' });
    expect(found.derivedType('_aggregate_fields')).toBe('tpref_foo_aggregate_fields_tsuff');
    expect(catalog.sources.get('pg1')).toMatchObject({
      namespace: 'my_source',
      namespaceType: 'tpref_my_source_query_tsuff',
      subscriptionNamespaceType: 'tpref_my_source_subscription_tsuff',
    });
  });

  test('custom columns and comments; an empty comment removes', () => {
    const configuration = {
      comment: '',
      custom_column_names: { id: 'AuthorId' },
      column_config: { name: { custom_name: 'AuthorName', comment: 'who' } },
      custom_root_fields: {
        select: { name: null, comment: '' },
        select_aggregate: { name: 'Agg', comment: 'all' },
        select_stream: { name: 'follow', comment: '' },
      },
    };
    const catalog = catalogOf([source('default', [{ table: 'author', configuration }])], {
      default: database([authors]),
    });
    const found = tableOf(catalog, 'default', 'author');
    expect(found.columns.map(({ field, description }) => [field, description])).toEqual([
      ['AuthorId', null],
      ['AuthorName', 'who'],
      ['constructor', null],
    ]);
    expect(found.description).toBeNull();
    expect(found.root.select).toEqual({ name: 'author', description: null });
    expect(found.root.selectAggregate).toEqual({ name: 'Agg', description: 'all' });
    expect(found.root.selectStream).toEqual({ name: 'follow', description: null });
  });

  test('a column GraphQL cannot name stays for joins only', () => {
    const odd = table('odd', ['id int4 pk', 'a-b text', '__x text']);
    const catalog = catalogOf([source('default', [{ table: 'odd' }])], { default: database([odd]) });
    const found = tableOf(catalog, 'default', 'odd');
    expect([...found.columnByField.keys()]).toEqual(['id']);
    expect([...found.columnByName.keys()]).toEqual(['id', 'a-b', '__x']);
  });
});

describe('inconsistent tables', () => {
  const reasons = (tables: readonly object[], found = [authors]): readonly string[] => {
    return catalogOf([source('default', tables)], { default: database(found) }).inconsistent.map(
      ({ reason }) => reason,
    );
  };

  test('a table that does not exist, in Hasura’s shape; nothing inside it is reported', () => {
    const permission = { role: 'user', permission: { columns: ['x'], filter: {} } };
    const missing = { table: { schema: 'hasura', name: 'table1' }, select_permissions: [permission] };
    const catalog = catalogOf([source('default', [missing])], { default: database([]) });
    expect(catalog.inconsistent).toEqual([
      {
        definition: { schema: 'hasura', name: 'table1' },
        type: 'table',
        name: 'table hasura.table1 in source default',
        reason: 'Inconsistent object: no such table/view exists in source: "hasura.table1"',
      },
    ]);
  });

  test('names GraphQL refuses, two columns or root fields of one name', () => {
    expect(reasons([{ table: 'a-b' }], [table('a-b', ['id int4'])])[0]).toContain(
      'not a valid GraphQL identifier',
    );
    expect(
      reasons([{ table: 'author', configuration: { custom_column_names: { id: 'name' } } }])[0],
    ).toContain('"name"');
    for (const configuration of [
      { column_config: { name: { custom_name: 'its name' } } },
      { custom_column_names: { name: 'its name' } },
    ]) {
      expect(reasons([{ table: 'author', configuration }])).toEqual([
        'Inconsistent object: "its name" is not a valid GraphQL identifier',
      ]);
    }
    const configuration = { column_config: { nope: { custom_name: 'x' } } };
    expect(reasons([{ table: 'author', configuration }])).toEqual([
      'Inconsistent object: configuration was given for the column "nope", but no such column exists',
    ]);
    expect(
      reasons([
        { table: 'author', configuration: { custom_root_fields: { select: 'x', select_by_pk: 'x' } } },
      ]),
    ).toEqual(['Inconsistent object: two root fields of the table have the name "x"']);
  });

  test('the same root field of two tables: the second one goes, with Hasura’s message', () => {
    const article = table('article', ['id int4 pk']);
    const found = reasons(
      [{ table: 'article' }, { table: 'author', configuration: { custom_name: 'article' } }],
      [article, authors],
    );
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(
      /^Inconsistent object: Encountered conflicting definitions in the selection set for 'subscription_root' for fields: \['article_stream' defined in \[table article in source default, table author in source default\], 'article' defined in /,
    );
  });

  test('a stream is a field of subscriptions: it clashes there with a table of that name', () => {
    const stream = table('author_stream', ['id int4 pk']);
    const tables = [{ table: 'author' }, { table: 'author_stream' }];
    expect(reasons(tables, [authors, stream])).toEqual([
      expect.stringContaining(
        "selection set for 'subscription_root' for field 'author_stream' defined in [table author in source default, table author_stream in source default].",
      ),
    ]);
    const [first, ...others] = tables;
    const configuration = { custom_root_fields: { select_stream: 'follow_authors' } };
    expect(reasons([{ ...first, configuration }, ...others], [authors, stream])).toEqual([]);
  });

  test('the same table in two sources works once one is renamed or in a namespace', () => {
    const both = (customization: object | undefined) =>
      catalogOf(
        [
          source('a', [{ table: 'author' }]),
          source('b', [{ table: 'author' }], customization && { customization }),
        ],
        { a: database([authors]), b: database([authors]) },
      ).inconsistent;
    expect(both(undefined)).toHaveLength(1);
    expect(both({ root_fields: { namespace: 'b' } })[0]?.reason).toContain('type name "author" is taken');
    expect(both({ root_fields: { namespace: 'b' }, type_names: { prefix: 'b_' } })).toEqual([]);
  });

  test('type names that belong to scalars or to another table’s aggregate', () => {
    expect(reasons([{ table: 'uuid' }], [table('uuid', ['id uuid pk'])])[0]).toContain(
      'type name "uuid" is taken',
    );
    expect(
      reasons(
        [{ table: 't' }, { table: 't_aggregate' }],
        [table('t', ['id int4']), table('t_aggregate', ['id int4'])],
      )[0],
    ).toContain("'t_aggregate' defined in");
  });

  test('an unavailable source is one inconsistent object; the others work', () => {
    const catalog = catalogOf([source('down', [{ table: 'author' }]), source('up', [{ table: 'author' }])], {
      down: { unavailable: 'connection refused' },
      up: database([authors]),
    });
    expect(catalog.inconsistent).toEqual([
      {
        type: 'source',
        name: 'source down',
        definition: 'down',
        reason: 'Inconsistent object: connection refused',
      },
    ]);
    expect(catalog.sources.get('down')?.unavailable).toBe('connection refused');
    tableOf(catalog, 'up', 'author');
  });
});

describe('enum tables', () => {
  const colors = table('colors', ['value text pk', 'comment text']);
  const users = table('users', ['id int4 pk', 'color text! -> colors.value']);
  const values = new Map([[tableKey(colors.ref), [{ value: 'red', description: '#f00' }]]]);

  test('values, and the columns that point there', () => {
    const catalog = catalogOf([source('default', [{ table: 'colors', is_enum: true }, { table: 'users' }])], {
      default: database([colors, users], {}, values),
    });
    expect(catalog.inconsistent).toEqual([]);
    expect(tableOf(catalog, 'default', 'colors').enumValues).toEqual([{ value: 'red', description: '#f00' }]);
    const found = tableOf(catalog, 'default', 'users');
    expect(found.columnByField.get('color')?.enumTable).toEqual(colors.ref);
    expect(found.columnByName.get('color')?.enumTable).toEqual(colors.ref);
    expect(found.columns.map(({ enumTable }) => enumTable)).toEqual([null, colors.ref]);
  });

  test('a table that cannot be an enum: every reason at once', () => {
    const employees = table('employees', [
      'id int4 pk',
      'name text',
      'favorite_color text',
      'gets_paid_on text',
    ]);
    const catalog = catalogOf([source('default', [{ table: 'employees', is_enum: true }])], {
      default: database([employees]),
    });
    expect(catalog.inconsistent[0]?.reason).toBe(
      'Inconsistent object: the table "employees" cannot be used as an enum for the following reasons:\n' +
        '  • the table’s primary key ("id") must have type "text", not type "integer"\n' +
        '  • the table must have exactly one primary key and optionally one comment column, not 4 columns (favorite_color, gets_paid_on, id, name)\n',
    );
  });

  test('values GraphQL refuses', () => {
    const bad = new Map([[tableKey(colors.ref), [{ value: 'not a name', description: null }]]]);
    const catalog = catalogOf([source('default', [{ table: 'colors', is_enum: true }])], {
      default: database([colors], {}, bad),
    });
    expect(catalog.inconsistent[0]?.reason).toContain(
      'because the value "not a name" is not a valid GraphQL enum value name',
    );
  });
});
