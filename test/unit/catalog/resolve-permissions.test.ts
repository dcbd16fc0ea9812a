import { describe, expect, test } from 'vitest';
import { catalogOf, database, remote, source, table, tableOf } from './found.ts';

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
    expect(catalog.roles).toEqual(new Set(['user']));
    expect(tableOf(catalog, 'pg1', 'article').permissions.get('user')).toEqual({
      columns: new Set(['id', 'author_id', 'is_published']),
      filter: { id: { _eq: 'X-Hasura-User-Id' } },
      limit: 5,
      allowAggregations: true,
      queryRootFields: new Set(['select']),
    });
    expect(tableOf(withRule({}), 'pg1', 'article').permissions.get('user')).toMatchObject({
      limit: null,
      allowAggregations: false,
      queryRootFields: null,
    });
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
    ['an unknown operator', { id: { _nope: 1 } }, '"_nope" is not an operator'],
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
    ['exists without a table', { _exists: { _where: {} } }, '"_exists" needs'],
    ['a rule that is no object', { _not: 3 }, 'a row rule must be an object'],
    ['members every object has', { constructor: { _eq: 1 } }, '"constructor" does not exist'],
  ])('refuses %s', (_what, filter, message) => {
    const catalog = withRule(filter);
    expect(catalog.inconsistent).toHaveLength(1);
    expect(catalog.inconsistent[0]?.reason).toContain(
      `in table "article": in permission for role "user": ${message}`,
    );
    expect(tableOf(catalog, 'pg1', 'article').permissions.size).toBe(0);
    expect(catalog.roles).toEqual(new Set(['user']));
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
    expect(catalog.roles).toEqual(new Set(['a', 'b', 'both', 'more']));
  });

  test('unknown parents and circles are inconsistent', () => {
    expect(roles({ role_name: 'x', role_set: ['nope'] }).inconsistent[0]).toMatchObject({
      type: 'inherited_role',
      name: 'inherited role x',
      reason: 'Inconsistent object: the following parent role(s) are not found: "nope"',
    });
    const circle = roles({ role_name: 'x', role_set: ['y'] }, { role_name: 'y', role_set: ['x'] });
    expect(circle.inconsistent).toHaveLength(2);
    expect(circle.inheritedRoles.size).toBe(0);
  });
});
