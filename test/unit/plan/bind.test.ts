import { expect, test } from 'vitest';
import { NumberText } from '../../../src/plan/value/input.ts';
import { bound, refusal } from './plan-for.ts';

test('values are bound in Postgres text form', () => {
  const query = `query ($name: String!, $big: bigint, $tags: [String!], $json: jsonb, $off: Int) {
    order(offset: $off, where: {note: {_eq: $name}, user_id: {_eq: $big}, extra: {_contains: $json}}) { id }
    item(where: {tags: {_contains: $tags}, sku: {_in: ["a", $name]}}) { id }
  }`;
  const variables = {
    name: 'it\'s "x"',
    big: new NumberText('9223372036854775807'),
    tags: ['a,b', 'c"\\d'],
    json: { a: [1, new NumberText('1.50'), null], b: 'ü' },
    off: '12',
  };
  expect(bound({ query, variables })).toEqual([
    'it\'s "x"',
    '9223372036854775807',
    '{"a":[1,1.50,null],"b":"ü"}',
    '12',
    '{"a,b","c\\"\\\\d"}',
    '{"a","it\'s \\"x\\""}',
  ]);
});

test('a single value stands for a list of one, also inside a variable', () => {
  const query = 'query ($w: order_bool_exp) { order(where: $w) { id } }';
  expect(bound({ query, variables: { w: { _and: { id: { _in: 7 } } } } })).toEqual(['{"7"}']);
});

test('a path into JSON becomes a list of keys', () => {
  const query = `{ order { a: extra(path: "$.a.b[0]") b: extra(path: "a['k.1']") c: extra(path: "objs.[0].[\\"k\\"]") d: extra(path: "$") } }`;
  expect(bound({ query })).toEqual(['{"a","b","0"}', '{"a","k.1"}', '{"objs","0","k"}', '{}']);
});

test('a quoted step of a path is a JSON string in either quotes', () => {
  const path = String.raw`$['it\'s "x"'].["\t\\\u00e9"][007]['\n']ä-1`;
  const query = 'query ($path: String!) { order { extra(path: $path) } }';
  expect(bound({ query, variables: { path } })).toEqual([
    String.raw`{"it's \"x\"","	\\é","7","
","ä-1"}`,
  ]);
});

test.each([
  '',
  '0',
  '0k',
  'k l',
  '$$',
  '$.',
  'a..b',
  '[x]',
  'k[-1]',
  '$[',
  '["a',
  '["\\x"]',
  '["\n"]',
  '.a\\b',
  'a$',
])('%j is no path into JSON', (path) => {
  const query = 'query ($path: String!) { order { extra(path: $path) } }';
  expect(refusal({ query, variables: { path } })).toEqual({
    code: 'validation-failed',
    path: '$.selectionSet.order.selectionSet.extra.args',
    message: `parse json path error: ${path}. Accept letters, digits, underscore (_) or hyphen (-) only. Use quotes enclosed in bracket (["..."]) if there is any special character`,
  });
});

test('a session variable is bound as it came', () => {
  expect(bound({ role: 'buyer', query: '{ order { id } }', session: { 'x-hasura-name': 'Ann' } })).toEqual([
    'Ann',
  ]);
});

test('a list that is too long is refused with the limit', () => {
  const query = 'query ($ids: [Int!]) { order(where: {id: {_in: $ids}}) { id } }';
  expect(refusal({ query, variables: { ids: Array.from({ length: 100_001 }, () => 1) } })).toEqual({
    code: 'query-too-complex',
    path: '$.selectionSet.order.args.where.id._in',
    message: 'query is too complex: a list of more than 100000 values',
  });
});

test('JSON nested without end is refused, not followed', () => {
  let deep: unknown = 1;
  for (let level = 0; level < 20_000; level += 1) deep = [deep];
  const query = 'query ($j: jsonb) { order(where: {extra: {_eq: $j}}) { id } }';
  expect(refusal({ query, variables: { j: deep } })?.code).toBe('parse-failed');
});
