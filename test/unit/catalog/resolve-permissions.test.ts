import { describe, expect, test } from 'vitest';
import { tableKey } from '../../../src/core/names.ts';
import { visibleTable } from '../../../src/plan/role/visible.ts';
import { catalogOf, database, remote, source, table, tableOf, type } from './found.ts';

const author = table('author', ['id int4 pk', 'name text', 'tags text[]']);
const article = table('article', ['id int4 pk', 'author_id int4 -> author.id', 'is_published bool']);
const users = table('users', ['id int8 pk', 'name text']);

function withRule(filter: object, columns: unknown = ['id'], more: object = {}) {
  const permission = { columns, filter, ...more };
  const articles = { foreign_key_constraint_on: { table: 'article', column: 'author_id' } };
  return catalogOf(
    [
      source('pg1', [
        {
          table: 'article',
          configuration: { custom_column_names: { is_published: 'published' } },
          object_relationships: [{ name: 'author', using: { foreign_key_constraint_on: 'author_id' } }],
          remote_relationships: [
            remote('user', { source: 'pg2', table: 'users', mapping: { author_id: 'id' } }),
          ],
          select_permissions: [{ role: 'user', permission }],
        },
        { table: 'author', array_relationships: [{ name: 'articles', using: articles }] },
      ]),
      source('pg2', [{ table: 'users' }]),
    ],
    { pg1: database([author, article]), pg2: database([users]) },
  );
}

describe('select permissions', () => {
  test('columns, limit, aggregations, root fields', () => {
    const permission = { limit: 5, allow_aggregations: true, query_root_fields: ['select'] };
    const catalog = withRule({ id: { _eq: 'X-Hasura-User-Id' } }, '*', permission);
    expect(catalog.inconsistent).toEqual([]);
    expect(tableOf(catalog, 'pg1', 'article').permissions.get('user')).toEqual({
      columns: new Set(['id', 'author_id', 'is_published']),
      computedFields: new Set(),
      filter: { id: { _eq: 'X-Hasura-User-Id' } },
      limit: 5,
      allowAggregations: true,
      queryRootFields: new Set(['select']),
      subscriptionRootFields: null,
    });
    expect(tableOf(withRule({}), 'pg1', 'article').permissions.get('user')).toMatchObject({
      limit: null,
      allowAggregations: false,
      queryRootFields: null,
    });
  });

  test.each([
    [
      'a primary key that is not seen',
      { columns: ['author_id'], query_root_fields: ['select_by_pk'] },
      'The "select_by_pk" field cannot be included in the query_root_fields or subscription_root_fields because the role "user" ' +
        'does not have access to the primary key of the table "article" in the source "pg1"',
    ],
    [
      'aggregates that are not allowed',
      { columns: '*', subscription_root_fields: ['select_aggregate'] },
      'The "select_aggregate" root field can only be enabled in the query_root_fields or  the subscription_root_fields when "allow_aggregations" is set to true',
    ],
    ['less than no rows', { columns: '*', limit: -1 }, 'unexpected negative value'],
    ['a column that is not there', { columns: ['id', 'nope'] }, '"nope" does not exist'],
  ])('a permission for %s does not hold', (_what, { columns, ...more }, message) => {
    expect(withRule({}, columns, more).inconsistent).toMatchObject([
      { reason: `Inconsistent object: in table "article": in permission for role "user": ${message}` },
    ]);
  });

  test('what is asked of root fields and rows may be had in full, or be nothing', () => {
    const query_root_fields = ['select_by_pk', 'select_aggregate'];
    for (const columns of ['*', ['id']])
      expect(
        withRule({}, columns, { query_root_fields, allow_aggregations: true, limit: 0 }).inconsistent,
      ).toEqual([]);
  });

  test('of a key of several columns each has to be seen', () => {
    const wide = table('wide', ['a int4 pk', 'b int4 pk', 'c text']);
    const seeing = (columns: readonly string[]) => {
      const permission = { columns, filter: {}, query_root_fields: ['select_by_pk'] };
      const tracked = { table: 'wide', select_permissions: [{ role: 'user', permission }] };
      return catalogOf([source('pg1', [tracked])], { pg1: database([wide]) }).inconsistent;
    };
    expect(seeing(['b', 'a'])).toEqual([]);
    expect(seeing(['a', 'c'])).toHaveLength(1);
  });

  test.each<[string, object]>([
    ['nothing', {}],
    ['shorthand for _eq', { id: 'X-Hasura-User-Id' }],
    ['and, or, not', { _and: [{ id: { _gt: 1 } }, { _or: [{ _not: { id: { _in: [1] } } }] }] }],
    ['the $ spelling', { $and: [{ id: { $eq: 1 } }] }],
    ['a relationship', { author: { name: { _like: 'a%' }, articles: { id: { _is_null: false } } } }],
    ['a remote relationship', { user: { name: { _eq: 'x-hasura-name' } } }],
    ['column with column', { id: { _ceq: 'author_id' } }],
    ['column with the root table’s', { author: { id: { _ceq: ['$', 'author_id'] } } }],
    [
      'exists in another source',
      { _exists: { _table: { source: 'pg2', name: 'users' }, _where: { id: 1 } } },
    ],
    ['exists', { _exists: { _table: 'author', _where: { id: { _eq: 1 } } } }],
    [
      'an aggregate',
      { author: { articles_aggregate: { count: { predicate: { _gt: 1 }, filter: { id: { _gt: 1 } } } } } },
    ],
  ])('accepts %s', (_what, filter) => {
    expect(withRule(filter).inconsistent).toEqual([]);
  });

  test.each<[string, object, string]>([
    ['an unknown column', { nope: { _eq: 1 } }, '"nope" does not exist'],
    ['a custom name instead of the column', { published: { _eq: true } }, '"published" does not exist'],
    ['an unknown column of a relationship', { author: { nope: 1 } }, '"nope" does not exist'],
    ['an unknown column in a list', { _and: [{ id: 1 }, { nope: 1 }] }, '"nope" does not exist'],
    ['an unknown column of a list', { $or: [{ nope: 1 }] }, '"nope" does not exist'],
    ['an unknown operator', { id: { _nope: 1 } }, '"_nope" is not an operator'],
    ['an operator without its sign', { id: { eq: 1 } }, '"eq" is not an operator'],
    ['an unknown other column', { id: { _ceq: 'nope' } }, '"nope" does not exist'],
    [
      'an unknown column of the root table',
      { author: { id: { _ceq: ['$', 'nope'] } } },
      '"nope" does not exist',
    ],
    [
      'an untracked table',
      { _exists: { _table: 'gone', _where: {} } },
      'table "gone" does not exist in source: pg1',
    ],
    [
      'an unknown source',
      { _exists: { _table: { source: 'pg9', name: 'users' }, _where: {} } },
      'table "users" does not exist in source: pg9',
    ],
    [
      'an aggregate that nobody knows',
      { author: { articles_aggregate: { median: { predicate: { _gt: 1 } } } } },
      '"median" is not an aggregate that can be compared',
    ],
    [
      'two aggregates at once',
      { author: { articles_aggregate: { count: { predicate: {} }, max: { predicate: {} } } } },
      '"articles_aggregate" takes exactly one predicate',
    ],
    [
      'an unknown column of another table',
      { _exists: { _table: 'author', _where: { author_id: 1 } } },
      '"author_id" does not exist',
    ],
    [
      'an unknown column of rows that are aggregated',
      { author: { articles_aggregate: { count: { filter: { nope: 1 }, predicate: {} } } } },
      '"nope" does not exist',
    ],
    [
      'an unknown part of an aggregate',
      { author: { articles_aggregate: { count: { where: {}, predicate: {} } } } },
      '"where" is not part of an aggregate predicate',
    ],
    ['exists without a table', { _exists: { _where: {} } }, '"_exists" needs'],
    ['exists without a condition', { _exists: { _table: 'author' } }, '"_exists" needs'],
    [
      'exists whose condition is null',
      { _exists: { _table: 'author', _where: null } },
      'a row rule must be an object',
    ],
    ['exists with anything else', { _exists: { _table: 'author', _where: {}, id: 1 } }, '"_exists" needs'],
    [
      'exists in a table with another name for its schema',
      { _exists: { _table: { name: 'author', shema: 'public' }, _where: {} } },
      '"_exists" needs',
    ],
    ['an object where a list of rules stands', { _or: {} }, '"_or" takes a list'],
    [
      'an aggregate that is perhaps distinct',
      { author: { articles_aggregate: { count: { predicate: 1, distinct: 'yes' } } } },
      '"distinct" takes true or false',
    ],
    ['a rule that is no object', { _not: 3 }, 'a row rule must be an object'],
    ['members every object has', { constructor: { _eq: 1 } }, '"constructor" does not exist'],
  ])('refuses %s', (_what, filter, message) => {
    const catalog = withRule(filter);
    expect(catalog.inconsistent).toHaveLength(1);
    expect(catalog.inconsistent[0]?.reason).toContain(
      `in table "article": in permission for role "user": ${message}`,
    );
    expect(tableOf(catalog, 'pg1', 'article').permissions.get('user')).toBeNull();
  });

  test('an unknown column, in Hasura’s shape', () => {
    expect(withRule({}, ['id', 'nope']).inconsistent).toEqual([
      {
        type: 'select_permission',
        name: 'select_permission user in table article in source pg1',
        reason:
          'Inconsistent object: in table "article": in permission for role "user": "nope" does not exist',
        definition: {
          source: 'pg1',
          table: article.ref,
          role: 'user',
          comment: null,
          permission: { allow_aggregations: false, computed_fields: [], columns: ['id', 'nope'], filter: {} },
        },
      },
    ]);
  });
});

const mood = { ...type('mood'), kind: 'enum' as const, category: 'E', labels: ['sad', 'ok'] };
const kinds = table('kinds', [
  'id int4 pk',
  'ok bool',
  'f float8',
  'name text',
  'u uuid',
  'jb jsonb',
  'j json',
  'tags text[]',
  'nums int4[]',
  'big int8',
  'at timestamptz',
]);
const kindsWithMood = {
  ...kinds,
  columns: [...kinds.columns, { ...kinds.columns[0], name: 'mood', type: mood, notNull: false }],
} as typeof kinds;

function ofKinds(filter: object) {
  const self = { manual_configuration: { remote_table: 'kinds', column_mapping: { id: 'id' } } };
  const select_permissions = [{ role: 'user', permission: { columns: ['id'], filter } }];
  const tracked = {
    table: 'kinds',
    array_relationships: [{ name: 'same', using: self }],
    select_permissions,
  };
  return catalogOf([source('pg1', [tracked])], { pg1: database([kindsWithMood]) });
}

describe('comparisons of a rule and the types of its columns', () => {
  test.each<object>([
    { id: { _in: ['1', 2, 'X-Hasura-Id'] }, big: '-9223372036854775808' },
    { ok: { _eq: 'true' }, f: { _gt: 'NaN' }, u: 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' },
    { f: { _lt: -1.5e30 }, at: { _gt: 'yesterday' }, id: { _gt: 'x-hasura-least' } },
    { jb: { _contains: { a: [1] } }, tags: { _contains: ['x'] }, nums: { _eq: ['1', 2] } },
    { jb: { _has_keys_any: ['a'], _cast: { String: { _ilike: '%a%', _is_null: false } } } },
    {
      jb: { _cast: { String: 'x', TEXT: { _neq: 'y' } } },
      id: 'REQ_USER_ID',
      tags: '{a,b}',
      same_aggregate: { count: { predicate: 1 } },
    },
    { mood: { _gt: 'sad', _in: ['ok'] }, j: { _is_null: false } },
    { id: { _ceq: 'big', _cgt: ['f'], _clt: 'f' }, name: { _eq: null, $ne: 'a' }, tags: { _cneq: 'tags' } },
    { big: { _cgte: ['$', 'id'], _clte: 'id', _cne: 'id' }, mood: { $ceq: 'mood' } },
    { ok: { _in: ['yes', 'no', 'on', 'off', '1', '0', 'T', 'fal', true] }, nums: { _in: [[1], [2]] } },
    { same_aggregate: { max: { arguments: 'f', predicate: { _gt: '1.5' } } } },
  ])('accepts %j', (filter) => {
    expect(ofKinds(filter).inconsistent).toEqual([]);
  });

  test.each<[object, string]>([
    [{ id: { _like: '1%' } }, 'operator "_like" does not fit column "id" of type integer'],
    [{ u: { _st_contains: 'x' } }, 'operator "_st_contains" does not fit column "u" of type uuid'],
    [{ id: { $like: '1%' } }, 'operator "$like" does not fit column "id" of type integer'],
    [{ name: { _has_key: 'a' } }, 'operator "_has_key" does not fit column "name" of type text'],
    [{ j: { _eq: 1 } }, 'operator "_eq" does not fit column "j" of type json'],
    [
      { id: { _eq: 'abc' } },
      'operator "_eq" of column "id" of type integer takes integer, which "abc" is not',
    ],
    [{ id: 2147483648 }, 'takes integer, which 2147483648 is not'],
    [{ id: 1.5 }, 'takes integer, which 1.5 is not'],
    [{ id: [1] }, 'takes integer, which [1] is not'],
    [{ id: { _in: [1, null] } }, 'takes integer, which null is not'],
    [{ id: { _nin: 1 } }, 'operator "_nin" of column "id" of type integer takes a list'],
    [{ id: { _nin: null } }, 'operator "_nin" of column "id" of type integer takes a list'],
    [{ jb: { _nin: [null] } }, 'takes jsonb, which null is not'],
    [{ tags: { _eq: 'x' } }, 'takes text[], which "x" is not'],
    [{ ok: { _eq: 'maybe' } }, 'takes boolean, which "maybe" is not'],
    [{ f: { _gt: 'much' } }, 'takes float8, which "much" is not'],
    [{ name: 5 }, 'takes text, which 5 is not'],
    [{ u: 'a0eebc99' }, 'takes uuid, which "a0eebc99" is not'],
    [{ nums: { _contains: [1, 'x'] } }, 'takes int4[], which [1,"x"] is not'],
    [{ nums: { _eq: [[1]] } }, 'takes int4[], which [[1]] is not'],
    [{ mood: 'glum' }, 'operator "_eq" of column "mood" of type mood takes mood, which "glum" is not'],
    [{ mood: { _in: ['ok', 'glum'] } }, 'takes mood, which "glum" is not'],
    [{ ok: 'o' }, 'takes boolean, which "o" is not'],
    [{ name: 'a\u0000' }, 'takes text, which '],
    [{ big: '9223372036854775808' }, 'takes bigint, which "9223372036854775808" is not'],
    [{ id: { _is_null: 'no' } }, '"_is_null" takes true or false'],
    [{ same_aggregate: { count: { predicate: { _is_null: 1 } } } }, '"_is_null" takes true or false'],
    [{ jb: { _cast: { String: { _is_null: 1 } } } }, '"_is_null" takes true or false'],
    [{ jb: { _cast: { String: { _like: 5 } } } }, 'takes text, which 5 is not'],
    [{ jb: { _cast: { String: { _like: null } } } }, 'operator "_like" does not fit the text of column "jb"'],
    [{ j: { _ceq: 'j' } }, 'operator "_ceq" does not fit column "j" of type json'],
    [{ tags: { _ceq: 'nums' } }, 'cannot compare column "tags" of type text[] with column "nums"'],
    [{ mood: { _ceq: 'name' } }, 'cannot compare column "mood" of type mood with column "name"'],
    [{ id: { _ceq: ['id', 'big'] } }, 'a column comparison takes a column name or ["$", column]'],
    [{ id: { _ceq: ['$', 'id', 'big'] } }, 'a column comparison takes a column name or ["$", column]'],
    [{ id: { _ceq: 3 } }, 'a column comparison takes a column name or ["$", column]'],
    [
      { id: { _ceq: 'name' } },
      'operator "_ceq" cannot compare column "id" of type integer with column "name"',
    ],
    [{ jb: { _cast: { String: { _has_key: 'a' } } } }, 'does not fit the text of column "jb"'],
    [{ jb: { _cast: { Int: { _eq: 1 } } } }, '"_cast" of column "jb" of type jsonb takes "String" only'],
    [{ same: { id: { _regex: '1' } } }, 'operator "_regex" does not fit column "id"'],
    [{ same_aggregate: { count: { predicate: { _like: '1' } } } }, '"_like" does not compare an aggregate'],
    [
      { same_aggregate: { count: { predicate: { _cast: { Int: { _eq: 1 } } } } } },
      '"_cast" of an aggregate takes "String" only',
    ],
    [
      { same_aggregate: { count: { predicate: { _cast: { String: { _contains: '1' } } } } } },
      'operator "_contains" does not fit the text of an aggregate',
    ],
    [{ same_aggregate: { count: { predicate: { _gt: 'x' } } } }, 'takes integer, which "x" is not'],
    [
      { same_aggregate: { max: { arguments: 'name', predicate: {} } } },
      'the arguments of "max" name no columns',
    ],
  ])('refuses %j', (filter, message) => {
    const catalog = ofKinds(filter);
    expect(catalog.inconsistent.map(({ reason }) => reason)).toEqual([
      expect.stringContaining(`in table "kinds": in permission for role "user": `),
    ]);
    expect(catalog.inconsistent[0]?.reason).toContain(message);
    expect(tableOf(catalog, 'pg1', 'kinds').permissions.get('user')).toBeNull();
  });
});

test('a column of an enum table is compared with its values', () => {
  const colors = table('colors', ['value text pk']);
  const cars = table('cars', ['id int4 pk', 'color text -> colors.value']);
  const values = new Map([[tableKey(colors.ref), [{ value: 'red', description: null }]]]);
  const reasons = (color: unknown): readonly string[] => {
    const permission = { columns: '*', filter: { color } };
    const tracked = { table: 'cars', select_permissions: [{ role: 'user', permission }] };
    const sources = [source('pg1', [{ table: 'colors', is_enum: true }, tracked])];
    return catalogOf(sources, { pg1: database([colors, cars], {}, values) }).inconsistent.map(
      ({ reason }) => reason,
    );
  };
  for (const color of [
    { _eq: 'red' },
    'X-Hasura-Color',
    { _nin: ['red', 'x-hasura-color'] },
    { _gt: 'blue' },
  ])
    expect(reasons(color)).toEqual([]);
  for (const color of ['blue', { _neq: 'blue' }, { _in: ['red', 'blue'] }])
    expect(reasons(color)).toEqual([
      expect.stringContaining(
        'of column "color" of type text takes a value of its enum, which "blue" is not',
      ),
    ]);
});

describe('inherited roles', () => {
  const roles = (...inherited: object[]) =>
    catalogOf(
      [
        source('pg1', [
          {
            table: 'author',
            select_permissions: ['a', 'b'].map((role) => ({
              role,
              permission: { columns: '*', filter: {} },
            })),
          },
        ]),
      ],
      { pg1: database([author]) },
      { inherited_roles: inherited },
    );

  test('parents are carried, also over several levels', () => {
    const catalog = roles(
      { role_name: 'both', role_set: ['a', 'b'] },
      { role_name: 'more', role_set: ['both'] },
    );
    expect(catalog.inconsistent).toEqual([]);
    expect(catalog.inheritedRoles).toEqual(
      new Map([
        ['both', ['a', 'b']],
        ['more', ['both']],
      ]),
    );
  });

  test('a permission of its own that does not hold leaves a role no rows of its parents', () => {
    const permission = (role: string, filter: object): object => {
      return { role, permission: { columns: '*', filter } };
    };
    const select_permissions = [permission('a', {}), permission('b', {}), permission('both', { nope: 1 })];
    const catalog = catalogOf(
      [source('pg1', [{ table: 'author', select_permissions }])],
      { pg1: database([author]) },
      {
        inherited_roles: [
          { role_name: 'both', role_set: ['a', 'b'] },
          { role_name: 'more', role_set: ['both', 'a'] },
        ],
      },
    );
    expect(visibleTable(catalog, 'both', 'pg1', author.ref)).toBeNull();
    expect(visibleTable(catalog, 'more', 'pg1', author.ref)?.permissions).toHaveLength(1);
  });

  test('unknown parents and circles are inconsistent', () => {
    expect(roles({ role_name: 'x', role_set: ['nope'] }).inconsistent[0]).toMatchObject({
      type: 'inherited_role',
      name: 'inherited role x',
      reason: expect.stringMatching(
        /^Inconsistent object: in inherited role \w+: the following parent role\(s\) are not found: nope which are required to construct the inherited role: "\w+"$/,
      ),
    });
    const circle = roles({ role_name: 'x', role_set: ['y'] }, { role_name: 'y', role_set: ['x'] });
    expect(circle.inconsistent).toHaveLength(2);
    expect(circle.inheritedRoles.size).toBe(0);
  });
});
