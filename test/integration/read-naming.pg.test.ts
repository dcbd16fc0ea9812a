import { afterAll, beforeAll, expect, test } from 'vitest';
import { ThreeWays, type World } from '../support/three-ways.ts';

// The naming convention `graphql-default`: requests in its spelling, one answer by every route.

const customization = { naming_convention: 'graphql-default' };
const WORLD: World = {
  sql: [
    `create table week_days (day_name text primary key);
     insert into week_days values ('Monday'), ('tuesday'), ('FRIDAY');
     create table log_days (day_name text primary key);
     insert into log_days select day_name from week_days;
     create table app_users (user_id int primary key, user_name text not null, last_seen timestamptz, favourite_day text references week_days);
     create table log_entries (entry_id int primary key, user_id int, entry_size float8, is_final boolean, json_data jsonb, weekday text references log_days);
     insert into app_users values (1, 'ann', '2024-01-01', 'Monday'), (2, 'bob', null, 'tuesday'), (3, 'cyd', '2023-05-05', null);
     insert into log_entries select n, n % 3 + 1, n * 1.5, n % 2 = 0, jsonb_build_object('k' || n % 2, n),
       (array['Monday', 'tuesday', 'FRIDAY', null])[n % 4 + 1] from generate_series(1, 12) n;`,
  ],
  tables: {
    app_users: {
      database: 'pg1',
      relationships: { log_entries: { kind: 'array', to: 'log_entries', on: { user_id: 'user_id' } } },
      permissions: {
        reader: {
          columns: '*',
          filter: { favourite_day: { _in: ['Monday', 'tuesday'] }, last_seen: { _is_null: false } },
        },
      },
    },
    log_entries: {
      database: 'pg2',
      relationships: { appUser: { kind: 'object', to: 'app_users', on: { user_id: 'user_id' } } },
      permissions: { reader: { columns: '*', filter: { weekday: 'FRIDAY' }, allow_aggregations: true } },
    },
    week_days: { database: 'pg1', more: { is_enum: true } },
    log_days: { database: 'pg2', more: { is_enum: true } },
  },
  metadata: { customization: { pg1: customization, pg2: customization } },
};

let ways: ThreeWays;

beforeAll(async () => {
  ways = await ThreeWays.open(WORLD);
});

afterAll(() => ways?.close());

test.each<[string, unknown]>([
  [
    '{ appUsers(orderBy: {userId: DESC}, where: {lastSeen: {_isNull: false}}) { userId userName __typename } }',
    {
      appUsers: [
        { userId: 3, userName: 'cyd', __typename: 'AppUsers' },
        { userId: 1, userName: 'ann', __typename: 'AppUsers' },
      ],
    },
  ],
  ['{ appUsersByPk(userId: 2) { favouriteDay } }', { appUsersByPk: { favouriteDay: 'TUESDAY' } }],
  [
    '{ appUsers(where: {favouriteDay: {_in: [MONDAY, TUESDAY]}}, orderBy: {favouriteDay: ASC_NULLS_FIRST, userId: ASC}) { userId favouriteDay } }',
    {
      appUsers: [
        { userId: 1, favouriteDay: 'MONDAY' },
        { userId: 2, favouriteDay: 'TUESDAY' },
      ],
    },
  ],
  [
    '{ appUsers(orderBy: [{logEntriesAggregate: {stddevPop: {entrySize: ASC}}}, {userId: ASC}]) { userId logEntriesAggregate(distinctOn: isFinal, orderBy: {isFinal: ASC, entryId: ASC}) { aggregate { count stddevPop { entrySize } __typename } nodes { entryId appUser { userName } } } } }',
    {
      appUsers: [
        {
          userId: 1,
          logEntriesAggregate: {
            aggregate: { count: 2, stddevPop: { entrySize: 2.25 }, __typename: 'LogEntriesAggregateFields' },
            nodes: [
              { entryId: 3, appUser: { userName: 'ann' } },
              { entryId: 6, appUser: { userName: 'ann' } },
            ],
          },
        },
        expect.anything(),
        expect.anything(),
      ],
    },
  ],
  [
    '{ appUsers(where: {logEntriesAggregate: {bool_or: {arguments: isFinal, filter: {jsonData: {_hasKey: "k1"}}, predicate: {_isNull: true}}}}) { userId } }',
    { appUsers: [] },
  ],
  [
    '{ appUsers(where: {logEntriesAggregate: {count: {predicate: {_eq: 4}, filter: {jsonData: {_containedIn: {k0: 2, k1: 3}}}}}}) { userId } }',
    { appUsers: [] },
  ],
  [
    '{ appUsers(where: {log_entries: {jsonData: {_cast: {String: {_like: "%: 12}"}}}}}) { userId log_entries(where: {weekday: {_eq: MONDAY}}, orderBy: {entryId: ASC}) { entryId weekday } } }',
    {
      appUsers: [
        {
          userId: 1,
          log_entries: [{ entryId: 12, weekday: 'MONDAY' }],
        },
      ],
    },
  ],
])('%s', async (query, wanted) => {
  expect(await ways.agree(query)).toEqual(wanted);
});

test('variables are spelled as the schema is, and rules as the database is', async () => {
  const query =
    'query ($day: [WeekDaysEnum!], $by: [LogEntriesOrderBy!], $way: OrderBy) { appUsers(where: {favouriteDay: {_in: $day}}, orderBy: {userId: $way}) { userId log_entries(orderBy: $by, limit: 1) { entryId weekday } } }';
  const variables = { day: ['MONDAY', 'TUESDAY'], by: [{ entryId: 'DESC' }], way: 'DESC' };
  expect(await ways.agree(query, { variables })).toEqual({
    appUsers: [
      { userId: 2, log_entries: [{ entryId: 10, weekday: 'FRIDAY' }] },
      { userId: 1, log_entries: [{ entryId: 12, weekday: 'MONDAY' }] },
    ],
  });
  expect(await ways.agree(query, { variables: { ...variables, way: 'ASC' }, role: 'reader' })).toEqual({
    appUsers: [{ userId: 1, log_entries: [{ entryId: 6, weekday: 'FRIDAY' }] }],
  });
});

test.each<[string, string]>([
  ['{ app_users { userId } }', "field 'app_users' not found in type: 'query_root'"],
  ['{ appUsers { user_id } }', "field 'user_id' not found in type: 'AppUsers'"],
  ['{ appUsers(order_by: {}) { userId } }', "'appUsers' has no argument named 'order_by'"],
  [
    '{ appUsers(where: {userId: {_is_null: true}}) { userId } }',
    "field '_is_null' not found in type: 'IntComparisonExp'",
  ],
  [
    '{ appUsers(orderBy: {userId: asc}) { userId } }',
    "expected one of the values ['ASC', 'ASC_NULLS_FIRST', 'ASC_NULLS_LAST', 'DESC', 'DESC_NULLS_FIRST', 'DESC_NULLS_LAST'] for type 'OrderBy', but found 'asc'",
  ],
])('%s is refused', async (query, message) => {
  await expect(ways.dealt.query(query)).rejects.toThrow(message);
});
