import { expect, test } from 'vitest';
import { catalogOf } from '../../../support/catalog.ts';
import { bound, printed, refusal } from '../plan-for.ts';

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
      where ((id eq $4 or manager_id eq $5 null-safe) and (id eq $1) is true and salary gt $0 and not ((not (id eq $1) is true or salary lt $2) and (not (manager_id eq $3 null-safe) is true or remarks is null)))
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
      where (id eq $0 or manager_id eq $1 null-safe)
      distinct on salary only if id eq $2
      nodes limit 5
      aggregate: values
        count: count(remarks only if manager_id eq $3 null-safe)
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
      where (owner eq $0 null-safe or owner in $1 or data has_keys_any $2 or data::text like $3 or (size gt #0.id and not tags contains $4) or exists(exists manager default.manager#1(id, name) where name is not null))
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

test('the long lists of a rule are told from short ones', () => {
  const plan = printed({ catalog: STAFF, role: 'one_of_many', query: '{ note { id } }' });
  expect(plan).toContain('$0 integer[] long = ');
  expect(plan).toContain('$1 text[] long from session list');
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
