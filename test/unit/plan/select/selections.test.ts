import { expect, test } from 'vitest';
import { catalogOf } from '../../../support/catalog.ts';
import { printed, refusal } from '../plan-for.ts';

test('fragments are spread, and fields of one response key become one', () => {
  expect(
    printed({
      query: `{ order { id ...F user { name } } ...R }
        fragment F on order { id user { age ...U } ... @include(if: true) { total } ... on other { nothing } }
        fragment U on user { __typename }
        fragment R on query_root { order { note } t: __typename }`,
    }),
  ).toMatchInlineSnapshot(`
    "order = list of pg1.order#0(id, user_id, total, note) key id
      id: id
      user: object of pg2.user#1(id, name, age) key id over user on user_id = id unique
        age: age
        __typename: "user"
        name: name
      total: total
      note: note
    t = "query_root"
    remote pg1 <- pg2: user(id, name, age) [cache true, staleness null, fallback null, down error]
    "
  `);
});

test('a field stays only if @include and @skip both let it', () => {
  const query = `query ($yes: Boolean!, $no: Boolean = false) {
    order { a: id @include(if: $yes) @skip(if: $no) b: id @include(if: $no) c: id @skip(if: $yes) d: id @include(if: true) @skip(if: true) }
  }`;
  expect(printed({ query, variables: { yes: true } })).toMatchInlineSnapshot(`
    "order = list of pg1.order#0(id) key id
      a: id
    "
  `);
});

test('null and unset variables in an ordering, a limit or a condition change nothing', () => {
  const query = `query ($o: order_by, $n: Int, $w: order_bool_exp, $d: [order_select_column!]) {
    order(order_by: [{id: $o, note: asc}, {total: null, user: null}], limit: $n, offset: null, where: $w, distinct_on: $d) { id }
  }`;
  expect(printed({ query })).toMatchInlineSnapshot(`
    "order = list of pg1.order#0(id, note) key id
      order by note asc
      id: id
    "
  `);
});

test('orderings by aggregates and through remote relationships', () => {
  expect(
    printed({
      role: 'clerk',
      query:
        '{ order(order_by: {items_aggregate: {count: desc, max: {sku: asc_nulls_first}}, user: {name: desc}}) { id } }',
    }),
  ).toMatchInlineSnapshot(`
    "order = list of pg1.order#0(id, user_id, paid) key id
      where paid eq $2
      order by items#1[exists(order pg1.order#2(id, paid) where paid eq $0)].count desc, items#1[exists(order pg1.order#2(id, paid) where paid eq $0)].max(sku) asc nulls first, user#3[age gte $1].name desc
      limit 10
      id: id
    $0 boolean = "true"
    $1 integer = "18"
    $2 boolean = "true"
    remote pg1 <- pg2: user(id, name, age) [cache true, staleness null, fallback null, down error]
    "
  `);
});

test('introspection and constants stand among the root fields in their order', () => {
  expect(
    printed({ query: '{ a: __typename __schema { x } b: __type(name: "order") { name } order { id } }' }),
  ).toMatchInlineSnapshot(`
    "a = "query_root"
    __schema = introspection 0
    b = introspection 1
    order = list of pg1.order#0(id) key id
      id: id
    "
  `);
});

test('a namespace holds the fields of its source', () => {
  const catalog = catalogOf({
    one: {
      namespace: 'shop',
      tables: { t: { columns: { id: 'integer!', Name: 'text' }, customColumns: { Name: 'name' } } },
    },
  });
  expect(
    printed({ catalog, query: '{ shop { __typename t(where: {name: {_eq: "x"}}) { name } } }' }),
  ).toMatchInlineSnapshot(`
    "shop = object
      __typename = "shop_query"
      t = list of one.t#0(Name)
        where Name eq $0
        name: Name
    $0 text = "x"
    "
  `);
  expect(refusal({ catalog, query: '{ t { id } }' })?.message).toBe(
    "field 't' not found in type: 'query_root'",
  );
  expect(refusal({ catalog, query: '{ shop { u { id } } }' })?.message).toBe(
    "field 'u' not found in type: 'shop_query'",
  );
});

test('a subscription is planned like a query of one root field', () => {
  expect(printed({ query: 'subscription { order { id } }' })).toBe(printed({ query: '{ order { id } }' }));
  for (const query of [
    'subscription { order { id } other: order { id } }',
    'subscription { order { id } __typename }',
  ])
    expect(refusal({ query })).toMatchObject({
      code: 'validation-failed',
      path: '$',
      message: 'subscriptions must select one top level field',
    });
  expect(refusal({ query: 'subscription { __typename }' })).toMatchObject({ code: 'not-supported' });
  expect(refusal({ query: 'subscription { __schema { __typename } }' })?.message).toBe(
    "field '__schema' not found in type: 'subscription_root'",
  );
});

test('the namespace of a source has a type of its own in subscriptions', () => {
  const catalog = catalogOf({ one: { namespace: 'shop', tables: { t: { columns: { id: 'integer!' } } } } });
  expect(printed({ catalog, query: 'subscription { shop { __typename t { id } } }' })).toContain(
    '__typename = "shop_subscription"',
  );
});

test('the freshness directive belongs to the operation', () => {
  expect(refusal({ query: 'query @freshness(max_staleness_ms: 5) { order { id } }' })).toBe(null);
  expect(refusal({ query: '{ order @freshness(max_staleness_ms: 5) { id } }' })?.message).toBe(
    "directive 'freshness' is not allowed on a field",
  );
});
