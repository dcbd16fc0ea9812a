import { afterAll, beforeAll, expect, test } from 'vitest';
import { ThreeWays, type World } from '../support/three-ways.ts';

// Names that need quoting, other schemas, views, aliases longer than Postgres' names, and ways that lead back: the same
// answer by every route.

const LONG = 'a'.repeat(70);
const ODD = '"My "" schema; drop"."tä ble$1"';
const WORLD: World = {
  sql: [
    `create schema "My "" schema; drop";
     create table ${ODD} ("the id" int primary key, "select" text, "ünï" numeric, ${'b'.repeat(63)} int, "up" int);
     insert into ${ODD} select n, 'v' || n, n / 3.0, n, nullif(n / 2, 0) from generate_series(1, 9) n;
     create table box (id int primary key, item int, "order" int, name text);
     insert into box select n, nullif(n % 5, 0), n % 3, 'box ' || n from generate_series(1, 12) n;
     create view box_view as select id, item, name from box where id < 9;
     create materialized view box_count as select item, count(*) as boxes from box group by item;
     create view odd_view as select "the id" as id, "select" as label from ${ODD};`,
  ],
  tables: {
    odd: {
      database: 'pg2',
      ref: { schema: 'My " schema; drop', name: 'tä ble$1' },
      relationships: {
        boxes: { kind: 'array', to: 'box', on: { 'the id': 'item' } },
        up: { kind: 'object', to: 'odd', on: { up: 'the id' } },
        down: { kind: 'array', to: 'odd', on: { 'the id': 'up' } },
      },
      permissions: {
        part: {
          columns: ['the id', 'select'],
          filter: { _or: [{ 'the id': { _gt: 3 } }, { ünï: { _lt: 0.5 } }] },
          allow_aggregations: true,
          limit: 2,
        },
      },
      more: {
        configuration: {
          custom_name: 'odd',
          custom_root_fields: {
            select: { name: 'all_odd', comment: 'odd things' },
            select_aggregate: 'sum_odd',
          },
          column_config: { 'the id': { custom_name: 'id' }, up: { custom_name: 'upper' } },
          custom_column_names: { ünï: 'uni' },
        },
      },
    },
    box: {
      database: 'pg1',
      relationships: {
        thing: { kind: 'object', to: 'odd', on: { item: 'the id' } },
        seen: { kind: 'object', to: 'odd_view', on: { item: 'id' } },
      },
      permissions: {
        part: {
          columns: ['id', 'item'],
          filter: { thing: { boxes: { id: { _gt: 4 } } } },
          allow_aggregations: true,
        },
      },
    },
    box_view: {
      database: 'pg1',
      relationships: { thing: { kind: 'object', to: 'odd', on: { item: 'the id' } } },
    },
    box_count: {
      database: 'pg1',
      relationships: { thing: { kind: 'object', to: 'odd', on: { item: 'the id' } } },
    },
    odd_view: { database: 'pg2' },
  },
};

let ways: ThreeWays;

beforeAll(async () => {
  ways = await ThreeWays.open(WORLD);
});

afterAll(() => ways?.close());

const SHOWN = `id select ${'b'.repeat(63)} uni`;

test.each<[string, string]>([
  ['names that need quotes', `{ box(order_by: {id: asc}) { id order thing { ${SHOWN} __typename } } }`],
  [
    'aliases longer than a name of Postgres',
    `{ ${LONG}1: box(order_by: {id: asc}, limit: 3) { ${LONG}1: id ${LONG}2: thing { ${LONG}1: id ${LONG}2: id } ${LONG}3: thing { id } } ${LONG}2: box_aggregate { ${LONG}: aggregate { count ${LONG}: count } } }`,
  ],
  [
    'a view on the left',
    '{ box_view(order_by: {id: asc}, where: {thing: {uni: {_gt: 0.5}}}) { id thing { select } } }',
  ],
  [
    'a materialized view on the left',
    '{ box_count(order_by: [{thing: {id: desc_nulls_last}}]) { item boxes thing { id boxes_aggregate { aggregate { count } } } } }',
  ],
  [
    'there and back again',
    '{ box(where: {thing: {boxes: {thing: {boxes: {id: {_gt: 11}}}}}}, order_by: {id: asc}) { id thing { boxes(order_by: {id: desc}, limit: 2) { id thing { boxes_aggregate { aggregate { max { id } } } } } } } }',
  ],
  [
    'a remote table joined with itself',
    '{ box(order_by: [{thing: {upper: asc}}, {id: asc}], where: {_or: [{thing: {up: {up: {id: {_eq: 1}}}}}, {thing: {down_aggregate: {count: {predicate: {_eq: 2}}}}}]}) { id thing { id up { id up { id } } down(order_by: {id: desc}) { id boxes(order_by: {id: asc}) { id } } } } }',
  ],
  [
    'orderings by aggregates behind two databases',
    '{ box(order_by: [{thing: {boxes_aggregate: {max: {name: desc}}}}, {thing: {up: {down_aggregate: {sum: {uni: asc_nulls_first}}}}}, {id: asc}], limit: 5, offset: 1) { id } }',
  ],
])('%s', async (_what, query) => {
  const text = JSON.stringify(await ways.agree(query));
  expect(text).toMatch(/\d/);
});

test('a role sees as much everywhere', async () => {
  const query =
    '{ box(order_by: {id: asc}) { id thing { id select } } box_aggregate(where: {thing: {id: {_gt: 0}}}) { aggregate { count } nodes { id } } }';
  const { box } = await ways.agree(query, { role: 'part' });
  expect((box as { id: number }[]).map(({ id }) => id)).toEqual([1, 2, 3, 4, 6, 7, 8, 9, 11, 12]);
  await ways.agree('{ box { thing { down_aggregate { aggregate { count } nodes { id } } down { id } } } }', {
    role: 'part',
  });
});

test('a view of another database is read live, and says why', async () => {
  const query = '{ box(order_by: {id: asc}, where: {seen: {label: {_like: "v%"}}}) { id seen { label } } }';
  const wanted = await ways.together.query(query);
  const found = await ways.dealt.query(query, { freshness: { noCache: true } });
  expect(found.text).toBe(wanted.text);
  expect(ways.dealt.catalog.warnings.map(({ reason }) => reason)).toEqual([
    'Not cached, answered live: a view has no changes to replicate',
  ]);
});
