import { expect, test } from 'vitest';
import type { JsonObject } from '../../../../src/core/json/json-text.ts';
import { catalogOf } from '../../../support/catalog.ts';
import { bound, planFor, printed, refusal } from '../plan-for.ts';

const MANY = Array.from({ length: 51 }, (_, i) => i);

const STAFF = catalogOf(
  {
    default: {
      tables: {
        employee: {
          columns: {
            id: 'integer!',
            name: 'text',
            salary: 'integer',
            remarks: 'text',
            manager_id: 'integer',
          },
          primaryKey: ['id'],
          relationships: { manager: { kind: 'object', table: 'manager', on: { manager_id: 'id' } } },
          permissions: {
            self: {
              columns: ['id', 'name', 'salary'],
              filter: { id: { _eq: 'X-Hasura-User-Id' } },
              limit: 1,
            },
            boss: {
              columns: ['name', 'remarks'],
              filter: { manager_id: { _eq: 'X-Hasura-Manager-Id' } },
              allowAggregations: true,
              limit: 5,
            },
          },
        },
        manager: {
          columns: { id: 'integer!', name: 'text' },
          primaryKey: ['id'],
          relationships: { staff: { kind: 'array', table: 'employee', on: { id: 'manager_id' } } },
          permissions: { both: { columns: ['name'] }, self: { filter: { id: 0 } } },
        },
        note: {
          columns: { id: 'integer!', owner: 'text', data: 'jsonb', tags: 'text[]', size: 'integer' },
          relationships: { parts: { kind: 'array', table: 'note', on: { id: 'size' } } },
          permissions: {
            one_of_many: {
              filter: { size: { _in: MANY }, owner: { _nin: ['X-Hasura-Friend', ...MANY.map(String)] } },
            },
            reader: {
              filter: {
                $or: [
                  { owner: 'X-Hasura-User' },
                  { owner: { $in: ['x-hasura-friend', 'everyone'] } },
                  { data: { $has_keys_any: 'X-Hasura-Keys' } },
                  { data: { _cast: { String: { _like: '%x%' } } } },
                  { size: { _cgt: ['$', 'id'] }, _not: { tags: { _contains: ['private'] } } },
                  {
                    _exists: {
                      _table: 'manager',
                      _where: { id: { _ceq: ['$', 'id'] }, name: { _is_null: false } },
                    },
                  },
                ],
              },
            },
            short: {
              filter: {
                data: { _cast: { String: 'X-Hasura-Text' } },
                parts_aggregate: { count: { predicate: 2 } },
                _not: { parts_aggregate: { count: { predicate: { _cast: { String: '3' } } } } },
              },
            },
            broken: { filter: { nothing: 1 } },
          },
        },
      },
    },
  },
  { inheritedRoles: new Map([['both', ['self', 'boss']]]) },
);

test('an inherited role sees the union of rows and columns, and null in cells only others may see', () => {
  expect(
    printed({
      catalog: STAFF,
      role: 'both',
      query:
        '{ employee(where: {salary: {_gt: 1}, _not: {salary: {_lt: 9}, remarks: {_is_null: true}}}, order_by: {salary: asc}) { id name manager { name } } }',
    }),
  ).toMatchInlineSnapshot(`
    "employee = list of default.employee#0(id, name, salary, remarks, manager_id) key id
      where ((id eq $4 or manager_id eq $5) and (id eq $1) is true and salary gt $0 and not ((not (id eq $1) is true or salary lt $2) and (not (manager_id eq $3) is true or remarks is null)))
      order by salary only if id eq $1 asc
      limit 5
      id: id only if id eq $6
      name: name
      manager: object of default.manager#1(id, name) key id over manager on manager_id = id unique
        name: name
    $0 integer = "1"
    $1 integer from session x-hasura-user-id
    $2 integer = "9"
    $3 integer from session x-hasura-manager-id
    $4 integer from session x-hasura-user-id
    $5 integer from session x-hasura-manager-id
    $6 integer from session x-hasura-user-id
    session x-hasura-manager-id, x-hasura-user-id
    "
  `);
});

test.each([
  ['{salary: {_is_null: true}}', '(not (id eq $0) is true or salary is null)'],
  ['{salary: {_is_null: false}}', '(id eq $0) is true and salary is not null'],
  ['{_not: {salary: {_is_null: true}}}', 'not (not (id eq $0) is true or salary is null)'],
  ['{_not: {salary: {_is_null: false}}}', 'not ((id eq $0) is true and salary is not null)'],
])('a cell that an inherited role does not see is null to it: %s', (where, rule) => {
  const text = printed({ catalog: STAFF, role: 'both', query: `{ employee(where: ${where}) { name } }` });
  expect(/where \(.*\) and (.*)\)$/m.exec(text)?.[1]).toBe(rule);
});

test('the condition on a cell counts wherever the cell is shown', () => {
  const nodes = (fields: string): number =>
    planFor({ catalog: STAFF, role: 'both', query: `{ employee { ${fields} } }` }).nodes;
  const [once, twice] = [nodes('id'), nodes('id again: id')];
  expect(twice - once).toBe(2);
});

test('an inherited role aggregates over cells as it sees them, with the largest limit on nodes', () => {
  expect(
    printed({
      catalog: STAFF,
      role: 'both',
      query:
        '{ employee_aggregate(distinct_on: salary) { aggregate { count(columns: remarks) max { salary } } nodes { name } } }',
    }),
  ).toMatchInlineSnapshot(`
    "employee_aggregate = aggregate of default.employee#0(id, name, salary, remarks, manager_id) key id
      where (id eq $0 or manager_id eq $1)
      distinct on salary only if id eq $2
      nodes limit 5
      aggregate: values
        count: count(remarks only if manager_id eq $3)
        max: max(salary: salary only if id eq $2)
      nodes: nodes
        name: name
    $0 integer from session x-hasura-user-id
    $1 integer from session x-hasura-manager-id
    $2 integer from session x-hasura-user-id
    $3 integer from session x-hasura-manager-id
    session x-hasura-manager-id, x-hasura-user-id
    "
  `);
});

test('rules know session variables, other spellings, other columns, and other tables', () => {
  const asked = { catalog: STAFF, role: 'reader', query: '{ note { id } }' };
  expect(printed(asked)).toMatchInlineSnapshot(`
    "note = list of default.note#0(id, owner, data, tags, size)
      where (owner eq $0 or owner in $1 or data has_keys_any $2 or data::text like $3 or (size gt #0.id and not tags contains $4) or exists(exists manager default.manager#1(id, name) where name is not null))
      id: id
    $0 text from session x-hasura-user
    $1 text[] from session list
    $2 text[] from session x-hasura-keys
    $3 text = "%x%"
    $4 text[] = "{\\"private\\"}"
    session x-hasura-friend, x-hasura-keys, x-hasura-user
    "
  `);
  const session = { 'x-hasura-user': 'ann', 'x-hasura-friend': 'bo"b', 'x-hasura-keys': '{k}' };
  expect(bound({ ...asked, session })).toEqual(['ann', '{"bo\\"b","everyone"}', '{k}', '%x%', '{"private"}']);
});

test('a value without an operator is compared for equality, also behind a cast and for an aggregate', () => {
  expect(printed({ catalog: STAFF, role: 'short', query: '{ note { id } }' })).toMatchInlineSnapshot(`
    "note = list of default.note#0(id, data)
      where (data::text eq $0 and count(*) eq $1 over (parts default.note#1(size) where true) and not count(*) eq $2 over (parts default.note#2(size) where true))
      id: id
    $0 text from session x-hasura-text
    $1 integer = "2"
    $2 text = "3"
    session x-hasura-text
    "
  `);
});

/** Which rows a rule lets through. */
function ruled(filter: JsonObject): string | undefined {
  const catalog = catalogOf({
    default: {
      tables: {
        t: {
          columns: { id: 'integer!', a: 'integer', c: 'numeric' },
          relationships: { parts: { kind: 'array', table: 't', on: { id: 'a' } } },
          permissions: { r: { filter } },
        },
      },
    },
  });
  return /^ *where (.*)$/m.exec(printed({ catalog, role: 'r', query: '{ t { id } }' }))?.[1];
}

const OF_ROOT = { a: { _ceq: ['$', 'id'] } };

test.each<[rule: JsonObject, rows: string]>([
  [{ a: null }, '(a is null or unknown)'],
  [{ a: { _eq: null } }, '(a is null or unknown)'],
  [{ a: { _neq: null } }, '(a is not null or unknown)'],
  [{ id: { _neq: null } }, 'unknown'],
  [{ _not: { a: { _gt: null } } }, 'not unknown'],
  [{ a: { _is_null: true } }, 'a is null'],
  [{ a: { $is_null: false } }, 'a is not null'],
  [{ a: { _ne: 1 }, id: { _ne: 1 } }, '(a neq $0 and id neq $1)'],
  [{ $and: [{ a: 1 }, { $not: { _or: [{ id: 1 }] } }] }, '(a eq $0 and not id eq $1)'],
  [{ _and: [{ a: 1 }] }, 'a eq $0'],
  [{ _or: [] }, 'false'],
  [
    { parts_aggregate: { count: { arguments: 'a', distinct: true, predicate: 1 } } },
    'count(distinct a) eq $0 over (parts default.t#1(a) where true)',
  ],
  [
    { parts_aggregate: { count: { distinct: true, filter: { id: 1 }, predicate: 1 } } },
    'count(*) eq $0 over (parts default.t#1(id, a) where id eq $1)',
  ],
  // Of a table at large, a comparison with the row at hand is a join; anywhere else it is none.
  [{ _exists: { _table: 't', _where: OF_ROOT } }, 'exists(exists t default.t#1(a) where true)'],
  [
    { _not: { $exists: { _table: 't', _where: { _and: [OF_ROOT, { id: 1 }] } } } },
    'not exists(exists t default.t#1(id, a) where id eq $0)',
  ],
  [
    { _exists: { _table: 't', _where: { _not: OF_ROOT } } },
    'exists-table(default.t#1(a) where not a eq #0.id)',
  ],
  [
    { _exists: { _table: 't', _where: { a: { _ceq: 'id' } } } },
    'exists-table(default.t#1(id, a) where a eq #1.id)',
  ],
  [
    { _exists: { _table: 't', _where: { c: { _ceq: ['$', 'id'] } } } },
    'exists-table(default.t#1(c) where c eq #0.id)',
  ],
  [{ parts: OF_ROOT }, 'exists(parts default.t#1(a) where a eq #0.id)'],
  [{ parts: { a: { _ceq: 'id' } } }, 'exists(parts default.t#1(id, a) where a eq #1.id)'],
  [
    { parts: { _exists: { _table: 't', _where: OF_ROOT } } },
    'exists(parts default.t#1(a) where exists-table(default.t#2(a) where a eq #0.id))',
  ],
])('the rule %j lets through: %s', (rule, rows) => {
  expect(ruled(rule)).toBe(rows);
});

test('the long lists of a rule are told from short ones', () => {
  const plan = printed({ catalog: STAFF, role: 'one_of_many', query: '{ note { id } }' });
  expect(plan).toContain('$0 integer[] long = ');
  expect(plan).toContain('$1 text[] long from session list');
});

test('a condition inside another row, or inside two negations, takes a hidden cell for null', () => {
  const shown = (table: string, condition: string): string =>
    printed({ catalog: STAFF, role: 'both', query: `{ ${table}(where: ${condition}) { name } }` });
  expect(shown('employee', '{_not: {_not: {salary: {_gt: 1}}}}')).toContain(
    'not not ((id eq $1) is true and salary gt $0)',
  );
  expect(shown('manager', '{_not: {staff: {salary: {_gt: 1}}}}')).toMatch(
    /not exists\(staff .* and \(id eq \$1\) is true and salary gt \$0\)\)$/m,
  );
  expect(
    shown('manager', '{_not: {staff_aggregate: {count: {filter: {salary: {_gt: 9}}, predicate: {_eq: 1}}}}}'),
  ).toMatch(/not count\(\*\) eq .* and \(id eq \$2\) is true and salary gt \$1\)\)$/m);
});

test('related rows are counted in a condition as far as the role sees them, and only if it may aggregate them', () => {
  const many = 'count: {arguments: [sku], distinct: true, predicate: {_gt: 1}}';
  expect(
    printed({ role: 'clerk', query: `{ order(where: {items_aggregate: {${many}}}) { id } }` }),
  ).toContain(
    'count(distinct sku) gt $0 over (items pg1.item#1(order_id, sku) where exists(order pg1.order#2(id, paid) where paid eq $1))',
  );
  const alone = '{ order(where: {items_aggregate: {count: {distinct: true, predicate: {_gt: 1}}}}) { id } }';
  expect(printed({ role: 'clerk', query: alone })).toContain('count(*) gt $0');
  expect(
    refusal({
      role: 'clerk',
      query: '{ user(where: {orders_aggregate: {count: {predicate: {_gt: 1}}}}) { name } }',
    })?.message,
  ).toBe("field 'orders_aggregate' not found in type: 'user_bool_exp'");
});

test('of a key of several columns each has to be seen', () => {
  const permissions = { some: { columns: ['a', 'c'] }, all: { columns: ['b', 'a'] } };
  const t = { columns: { a: 'integer!', b: 'integer!', c: 'text' }, primaryKey: ['a', 'b'], permissions };
  const catalog = catalogOf({ default: { tables: { t } } });
  const ask = (role: string) => refusal({ catalog, role, query: '{ t_by_pk(a: 1, b: 1) { a } }' })?.path;
  expect([ask('some'), ask('all')]).toEqual(['$.selectionSet.t_by_pk', undefined]);
});

test('the condition of a cell counts once for each place where the cell stands', () => {
  const nodes = (cells: string): number =>
    planFor({ catalog: STAFF, role: 'both', query: `{ employee { name ${cells} } }` }).nodes;
  const none = nodes('');
  expect([nodes('salary'), nodes('salary again: salary')]).toEqual([none + 2, none + 4]);
});

test('a role shown no rows sees none, and inherits what its parents may ask for', () => {
  const permissions = {
    none: { limit: 0, queryRootFields: ['select'] as const },
    few: { limit: 2, queryRootFields: ['select_aggregate'] as const, allowAggregations: true },
    every: { queryRootFields: [] },
  };
  const catalog = catalogOf(
    { default: { tables: { t: { columns: { id: 'integer!' }, permissions } } } },
    {
      inheritedRoles: new Map([
        ['two', ['none', 'few']],
        ['three', ['two', 'every']],
      ]),
    },
  );
  const limit = (role: string) => /limit \d+/.exec(printed({ catalog, role, query: '{ t { id } }' }))?.[0];
  // A permission without a limit, as that of `every`, lifts none of another's.
  expect([limit('none'), limit('two'), limit('three')]).toEqual(['limit 0', 'limit 2', 'limit 2']);
  const counted = (role: string) =>
    refusal({ catalog, role, query: '{ t_aggregate { aggregate { count } } }' });
  expect([counted('none')?.message, counted('two')]).toEqual([
    "field 't_aggregate' not found in type: 'query_root'",
    null,
  ]);
});

test('a rule that does not fit its table lets nothing through', () => {
  expect(refusal({ catalog: STAFF, role: 'broken', query: '{ note { id } }' })).toEqual({
    code: 'unexpected',
    path: '$',
    message:
      'the permission rule of table "note" is invalid: "nothing" is neither a column nor a relationship',
  });
});

test('a role without any permission has one field that says so', () => {
  expect(printed({ role: 'nobody', query: '{ no_queries_available __typename }' })).toMatchInlineSnapshot(`
    "no_queries_available = "There are no queries available to the current role. Either there are no sources or remote schemas configured, or the current role doesn't have the required permissions."
    __typename = "query_root"
    "
  `);
  expect(refusal({ query: '{ no_queries_available }' })?.message).toBe(
    "field 'no_queries_available' not found in type: 'query_root'",
  );
});

test('a permission may leave out a root field', () => {
  const catalog = catalogOf({
    default: {
      tables: {
        t: {
          columns: { id: 'integer!' },
          primaryKey: ['id'],
          permissions: { r: { queryRootFields: ['select_by_pk'] } },
        },
      },
    },
  });
  expect(refusal({ catalog, role: 'r', query: '{ t { id } }' })?.path).toBe('$.selectionSet.t');
  expect(refusal({ catalog, role: 'r', query: '{ t_by_pk(id: 1) { id } }' })).toBe(null);
  expect(refusal({ catalog, role: 'r', query: 'subscription { t { id } }' })).toBe(null);
});

test('a permission leaves out root fields of subscriptions by themselves', () => {
  const permissions = { r: { subscriptionRootFields: ['select_by_pk'] as const } };
  const catalog = catalogOf({
    default: { tables: { t: { columns: { id: 'integer!' }, primaryKey: ['id'], permissions } } },
  });
  expect(refusal({ catalog, role: 'r', query: '{ t { id } }' })).toBe(null);
  expect(refusal({ catalog, role: 'r', query: 'subscription { t_by_pk(id: 1) { id } }' })).toBe(null);
  expect(refusal({ catalog, role: 'r', query: 'subscription { t { id } }' })).toMatchObject({
    path: '$.selectionSet.t',
    message: "field 't' not found in type: 'subscription_root'",
  });
});
