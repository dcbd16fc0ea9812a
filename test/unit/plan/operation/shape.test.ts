import { type OperationDefinitionNode, parse } from 'graphql';
import { expect, test } from 'vitest';
import { variableShape } from '../../../../src/plan/operation/shape.ts';
import { coerceVariables, prepareVariables } from '../../../../src/plan/operation/variables.ts';
import { NumberText } from '../../../../src/plan/value/input.ts';

const QUERY = `query ($w: order_bool_exp, $o: [order_order_by!], $n: Int, $id: Int, $skip: Boolean) {
  order(where: $w, order_by: $o, limit: $n) { id @skip(if: $skip) }
  more: order(where: {id: {_eq: $id}}) { id }
}`;

function shape(variables: Record<string, unknown>, query = QUERY): string {
  const document = parse(query);
  const operation = document.definitions[0] as OperationDefinitionNode;
  const prepared = prepareVariables(document, operation);
  return variableShape(prepared, coerceVariables(prepared, variables));
}

test('values that become parameters share a shape', () => {
  const one = { w: { id: { _in: [1, 2] }, note: { _eq: 'a' } }, id: 1 };
  const two = { w: { id: { _in: [3] }, note: { _eq: 'b' } }, id: 2 };
  expect(shape(one)).toBe(shape(two));
  const digits = { w: { id: { _in: [new NumberText('1234567890123456789')] }, note: { _eq: 'c' } }, id: 3 };
  expect(shape(digits)).toBe(shape(one));
});

test('shapes of any form share one', () => {
  const within = (shape: object) => ({ w: { place: { _st_within: shape } } });
  const point = within({ type: 'Point', coordinates: [1, 2] });
  const line = within({
    type: 'LineString',
    coordinates: [
      [1, 2],
      [3, 4],
    ],
    crs: null,
  });
  expect(shape(line)).toBe(shape(point));
  expect(shape({ w: { place: { _st_within: { type: { _eq: 'a' }, coordinates: [] } } } })).not.toBe(
    shape(point),
  );
});

test('everything that may change the plan changes the shape', () => {
  const shapes = [
    {},
    { id: 1 },
    { n: 1 },
    { n: 2 },
    { skip: true },
    { skip: false },
    { o: [{ id: 'asc' }] },
    { o: [{ id: 'desc' }] },
    { o: { id: 'desc' } },
    { w: {} },
    { w: { id: {} } },
    { w: { id: { _eq: 1 } } },
    { w: { id: { _gt: 1 } } },
    { w: { id: { _in: [1] } } },
    { w: { id: { _in: Array.from({ length: 51 }, (_, i) => i) } } },
    { w: { id: { _is_null: true } } },
    { w: { id: { _is_null: false } } },
    { w: { _and: [{ id: { _eq: 1 } }] } },
    { w: { _and: [{ id: { _eq: 1 } }, { id: { _eq: 1 } }] } },
    { w: { _or: [] } },
    { w: { id: { _eq: 1 }, note: { _eq: 'x' } } },
    { w: { items_aggregate: { count: { arguments: 'id', predicate: { _eq: 1 } } } } },
    { w: { items_aggregate: { count: { arguments: 'sku', predicate: { _eq: 1 } } } } },
  ].map((given) => shape(given));
  expect(new Set(shapes).size).toBe(shapes.length);
});

test.each([
  ['count: {arguments: $v, predicate: {_eq: 1}}', '[item_select_column!]'],
  ['count: {arguments: [$v], predicate: {_eq: 1}}', 'item_select_column!'],
  ['bool_and: {arguments: $v, predicate: {_eq: true}}', 'item_select_column!'],
  ['corr: {arguments: {X: $v, Y: x}, predicate: {_eq: 1}}', 'item_select_column!'],
])('columns that a condition aggregates are part of the plan: %s', (predicate, type) => {
  const query = `query ($v: ${type}) { order(where: {_and: [{items_aggregate: {${predicate}}}]}) { id } }`;
  expect(shape({ v: 'a' }, query)).not.toBe(shape({ v: 'b' }, query));
});

test('a column called as the member of an aggregate is is compared with values like any other', () => {
  const query = 'query ($v: Int) { order(where: {arguments: {_eq: $v}}) { id } }';
  expect(shape({ v: 1 }, query)).toBe(shape({ v: 2 }, query));
  expect(shape({ w: { arguments: { _eq: 1 } } })).toBe(shape({ w: { arguments: { _eq: 2 } } }));
});

test('a shape stays short', () => {
  const big = { w: { _or: Array.from({ length: 5000 }, (_, index) => ({ [`c${index}`]: { _eq: 1 } })) } };
  expect(shape(big).length).toBeLessThan(100);
});

test('also as deep down as any plan may be', () => {
  const nested = (comparison: object): Record<string, unknown> => {
    let inner: object = { id: comparison };
    for (let level = 0; level < 1000; level += 1) inner = { _not: inner };
    return { w: inner };
  };
  expect(shape(nested({ _eq: 1 }))).not.toBe(shape(nested({ _neq: 1 })));
});

test('of the arguments of a function it matters which are given, and which are null', () => {
  const all = (a: unknown): string => shape({ a }, 'query ($a: near_args) { near(args: $a) { id } }');
  const shapes = [undefined, {}, { of: 1 }, { of: null }, { of: 1, in: {} }].map(all);
  expect(new Set(shapes).size).toBe(shapes.length);
  expect(all({ of: 1, in: { a: [1] } })).toBe(all({ of: 2, in: { b: null } }));
  const one = (i: unknown): string => shape({ i }, 'query ($i: json) { near(args: {in: $i}) { id } }');
  expect(one({ a: 1 })).toBe(one({ b: [2] }));
  expect(one(null)).not.toBe(one(0));
});

test('of representations the order of their types counts, not how many there are, nor their keys', () => {
  const query = 'query ($r: [_Any!]!) { _entities(representations: $r) { __typename } }';
  const of = (r: unknown): string => shape({ r }, query);
  const [a, b] = [(id: unknown) => ({ __typename: 'a', id }), (id: unknown) => ({ __typename: 'b', id })];
  expect(of([a(1), a(2), b(3)])).toBe(of([a(9), b(1), b(2)]));
  const others = [
    [],
    [a(1)],
    [b(1)],
    [a(1), b(1)],
    [b(1), a(1)],
    [a(1), b(1), a(2)],
    [{ id: 1 }],
    [1],
    [a(1), 1],
  ];
  expect(new Set(others.map(of)).size).toBe(others.length);
});
