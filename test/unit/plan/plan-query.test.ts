import { expect, test } from 'vitest';
import { printed } from './plan-for.ts';

test('a remote relationship is a join to a table of another source, told among the remotes', () => {
  expect(
    printed({
      query: '{ order(where: {id: {_gt: 1}}, limit: 2, order_by: {id: desc}) { id user { name } } }',
    }),
  ).toMatchInlineSnapshot(`
    "order = list of pg1.order#0(id, user_id) key id
      where id gt $0
      order by id desc
      limit 2
      id: id
      user: object of pg2.user#1(id, name) key id over user on user_id = id unique
        name: name
    $0 integer = "1"
    remote pg1 <- pg2: user(id, name) [cache true, staleness null, fallback null, down error]
    "
  `);
});

test('a permission is merged wherever its table is reached', () => {
  expect(
    printed({
      role: 'clerk',
      query:
        '{ order(where: {items: {sku: {_eq: "a"}}}, order_by: {user: {name: asc}}) { id items(limit: 9) { sku } user { name } } }',
    }),
  ).toMatchInlineSnapshot(`
    "order = list of pg1.order#0(id, user_id, paid) key id
      where (paid eq $3 and exists(items pg1.item#1(order_id, sku) where (exists(order pg1.order#2(id, paid) where paid eq $1) and sku eq $0)))
      order by user#3[age gte $2].name asc
      limit 10
      id: id
      items: array of pg1.item#4(id, order_id, sku) key id over items on id = order_id
        where exists(order pg1.order#5(id, paid) where paid eq $4)
        limit 3
        sku: sku
      user: object of pg2.user#6(id, name, age) key id over user on user_id = id unique
        where age gte $5
        name: name
    $0 text = "a"
    $1 boolean = "true"
    $2 integer = "18"
    $3 boolean = "true"
    $4 boolean = "true"
    $5 integer = "18"
    remote pg1 <- pg2: user(id, name, age) [cache true, staleness null, fallback null, down error]
    "
  `);
});

test('going there and back again reads the source table locally', () => {
  expect(printed({ query: '{ order { user { boss { orders { total } } } } }' })).toMatchInlineSnapshot(`
    "order = list of pg1.order#0(id, user_id) key id
      user: object of pg2.user#1(id, boss_id) key id over user on user_id = id unique
        boss: object of pg2.user#2(id) key id over boss on boss_id = id unique
          orders: array of pg1.order#3(id, user_id, total) key id over orders on id = user_id
            total: total
    remote pg1 <- pg2: user(id, boss_id) [cache true, staleness null, fallback null, down error]
    "
  `);
});

test('aggregates read values and nodes of one set of rows', () => {
  expect(
    printed({
      query:
        '{ order_aggregate(where: {paid: {_eq: true}}) { __typename a: aggregate { count(columns: [note], distinct: true) sum { total t: __typename } } nodes { id items_aggregate { aggregate { count } } } } }',
    }),
  ).toMatchInlineSnapshot(`
    "order_aggregate = aggregate of pg1.order#0(id, total, note, paid) key id
      where paid eq $0
      __typename: "order_aggregate"
      a: values
        count: count(distinct note)
        sum: sum(total: total, t: "order_sum_fields")
      nodes: nodes
        id: id
        items_aggregate: aggregate of pg1.item#1(id, order_id) key id over items on id = order_id
          aggregate: values
            count: count(*)
    $0 boolean = "true"
    "
  `);
});

test('conditions of all kinds', () => {
  expect(
    printed({
      query: `query ($ids: [Int!], $w: item_bool_exp) {
        item(where: {
          _or: [{id: {_in: $ids}}, {_not: {sku: {_is_null: true}}}, {color: {_in: [red]}}],
          _and: {order: {extra: {_contains: {a: [1.50, "x"]}, _cast: {String: {_like: "%"}}}}},
          tags: {_contains: ["a", "b"]}
        }, order_by: [{order: {user: {name: desc_nulls_last}}}]) { id }
        more: item(where: $w) { id }
      }`,
      variables: { ids: [1, 2], w: { order: { items_aggregate: { count: { predicate: { _gt: 1 } } } } } },
    }),
  ).toMatchInlineSnapshot(`
    "item = list of pg1.item#0(id, order_id, sku, color, tags) key id
      where ((id in $0 or not sku is null or color in $1) and exists(order pg1.order#1(id, extra) where (extra contains $2 and extra::text like $3)) and tags contains $4)
      order by order#2.user#3.name desc nulls last
      id: id
    more = list of pg1.item#4(id, order_id) key id
      where exists(order pg1.order#5(id) where count(*) gt $5 over (items pg1.item#6(order_id) where true))
      id: id
    $0 integer[] from variable ids
    $1 text[] = "{\\"red\\"}"
    $2 jsonb = "{\\"a\\":[1.50,\\"x\\"]}"
    $3 text = "%"
    $4 text[] = "{\\"a\\",\\"b\\"}"
    $5 integer from variable w.order.items_aggregate.count.predicate._gt
    remote pg1 <- pg2: user(id, name) [cache true, staleness null, fallback null, down error]
    "
  `);
});

test('a by_pk field has its key as a condition', () => {
  expect(
    printed({ query: 'query ($id: Int!) { order_by_pk(id: $id) { id } }', variables: { id: 3 } }),
  ).toMatchInlineSnapshot(`
    "order_by_pk = one of pg1.order#0(id) key id
      where id eq $0
      id: id
    $0 integer from variable id
    "
  `);
});
