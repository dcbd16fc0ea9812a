import { expect, test } from 'vitest';
import { NumberText } from '../../../src/plan/value/input.ts';
import { planFor, refusal } from './plan-for.ts';

const code = 'query-too-complex';

test('fragments that double each other are counted, not expanded without end', () => {
  const names = Array.from({ length: 30 }, (_, index) => `f${index}`);
  const fragments = names.map((name, index) =>
    index === 29
      ? `fragment ${name} on user { name }`
      : `fragment ${name} on user { a${index}: boss { ...f${index + 1} } b${index}: boss { ...f${index + 1} } }`,
  );
  expect(refusal({ query: `{ user { ...f0 } } ${fragments.join(' ')}` })?.code).toBe(code);
});

test('deep selections, conditions and chains of fragments are refused before they cost', () => {
  const levels = 200;
  const selection = `{ user ${'{ boss '.repeat(levels)}{ id }${' }'.repeat(levels)} }`;
  const condition = `{ user(where: ${'{_not: '.repeat(levels)}{}${'}'.repeat(levels)}) { id } }`;
  const chain = Array.from(
    { length: 5000 },
    (_, index) => `fragment c${index} on user { ...c${index + 1} }`,
  ).join(' ');
  const nested = Array.from({ length: 20_000 }).reduce<unknown>((inner) => ({ _not: inner }), {});
  expect(refusal({ query: selection })?.code).toBe(code);
  expect(refusal({ query: condition })?.code).toBe(code);
  expect(refusal({ query: `{ user { ...c0 } } ${chain} fragment c5000 on user { id }` })?.code).toBe(code);
  expect(
    refusal({ query: 'query ($w: user_bool_exp) { user(where: $w) { id } }', variables: { w: nested } })
      ?.code,
  ).toBe(code);
});

test('wide requests are refused with the limit they pass', () => {
  const aliases = (count: number): string =>
    Array.from({ length: count }, (_, index) => `a${index}: id`).join(' ');
  expect(refusal({ query: `{ order { ${aliases(20_000)} } }` })).toEqual({
    code,
    path: '$.selectionSet.order.selectionSet',
    message: 'query is too complex: more than 10000 fields and conditions',
  });
  const roots = Array.from({ length: 201 }, (_, index) => `r${index}: order { id }`).join(' ');
  expect(refusal({ query: `{ ${roots} }` })?.message).toBe('query is too complex: more than 200 root fields');
  const conditions = Array.from({ length: 10_001 }, () => '{id: {_eq: 1}}').join(' ');
  expect(refusal({ query: `{ order(where: {_or: [${conditions}]}) { id } }` })?.code).toBe(code);
});

test('what a field costs beside itself counts: rows that it leads to, and the rules of the role there', () => {
  const nodes = (query: string, role: string): number => planFor({ query, role }).nodes;
  expect({
    columns: nodes('{ order { id note } }', 'admin'),
    rows: nodes('{ order { user { name } } }', 'admin'),
    rule: nodes('{ order { id note } }', 'buyer'),
  }).toEqual({ columns: 6, rows: 9, rule: 11 });
});

test('names of objects’ own members mean nothing', () => {
  for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
    expect(refusal({ query: `{ order { ${name} } }` })?.message).toBe(
      `field '${name}' not found in type: 'order'`,
    );
    const variables = { w: JSON.parse(`{"${name}": {"_eq": 1}}`) as unknown };
    expect(
      refusal({ query: 'query ($w: order_bool_exp) { order(where: $w) { id } }', variables })?.message,
    ).toBe(`field '${name}' not found in type: 'order_bool_exp'`);
  }
});

const CONDITION = 'query ($w: order_bool_exp) { order(where: $w) { id } }';
const like = (pattern: string): unknown => ({ note: { _like: pattern } });
const jsonpath = (path: string): unknown => ({ extra: { _jsonb_path_exists: path } });

test.each([
  ['backslashes', like(`${'\\'.repeat(200_000)}a`), null],
  ['backslashes at its end', like('\\'.repeat(200_001)), 'bad-request'],
  ['quotes', jsonpath('"\\'.repeat(200_000)), null],
  ['comments', jsonpath(`${'/*a'.repeat(200_000)}$x`), null],
  ['strings before a variable', jsonpath(`${'"$a"'.repeat(200_000)}$x`), 'data-exception'],
])('a pattern of many %s is judged in one pass', (_, w, refused) => {
  expect(refusal({ query: CONDITION, variables: { w } })?.code ?? null).toBe(refused);
});

test('one value or name that a short text uses again and again is counted each time', () => {
  const uses = Array.from({ length: 3000 }, () => '{note: {_eq: $x}}').join(' ');
  const query = `query ($x: String!) { order(where: {_or: [${uses}]}) { id } }`;
  expect(refusal({ query, variables: { x: 'x'.repeat(1000) } })).toBe(null);
  expect(refusal({ query, variables: { x: 'x'.repeat(30_000) } })).toEqual({
    code,
    path: '$',
    message: 'query is too complex: values of more than 67108864 characters',
  });
  const aliased = `{ order { ${'k'.repeat(700_000)}: id } }`;
  expect(refusal({ query: aliased })?.code).toBe(code);
});

test('a path into JSON is as long as paths are', () => {
  const query = 'query ($p: String!) { order { extra(path: $p) } }';
  expect(refusal({ query, variables: { p: `$${'.a'.repeat(1000)}` } })).toBe(null);
  expect(refusal({ query, variables: { p: `$${'.a'.repeat(1_000_000)}` } })?.code).toBe(code);
});

test('a long literal in a fragment is counted wherever that is spread', () => {
  const long = Array.from({ length: 10_000 }, (_, index) => index).join();
  const twice = Array.from({ length: 2 }, () => `a: orders(where: {id: {_in: [${long}]}}) { id }`).join(' ');
  const uses = Array.from({ length: 20 }, (_, index) => `u${index}: user { ...f }`).join(' ');
  expect(refusal({ query: `{ ${uses} } fragment f on user { ${twice} }` })).toBe(null);
  const more = Array.from({ length: 20 }, (_, index) => `b${index}: boss { ...f }`).join(' ');
  const spread = `{ ${uses.replaceAll('...f', '...g')} } fragment g on user { ${more} } fragment f on user { ${twice} }`;
  expect(refusal({ query: spread })?.code).toBe(code);
});

test('a list that a short text uses again and again is not read each time', () => {
  const ids = Array.from({ length: 100_000 }, (_, index) => index);
  const tooMany = { code, path: '$', message: 'query is too complex: more than 500000 values' };
  const lists = (uses: number): string => {
    const conditions = Array.from({ length: uses }, () => '{id: {_in: $ids}}').join(' ');
    return `query ($ids: [Int!]!) { order(where: {_or: [${conditions}]}) { id } }`;
  };
  expect(refusal({ query: lists(4), variables: { ids } })).toBe(null);
  expect(refusal({ query: lists(300), variables: { ids } })).toEqual(tooMany);
  const members = Array.from({ length: 3000 }, (_, index) => `m${index}: $doc`).join(' ');
  const documents = `query ($doc: jsonb!) { order(where: {extra: {_contains: {${members}}}}) { id } }`;
  expect(refusal({ query: documents, variables: { doc: ids.slice(0, 100) } })).toBe(null);
  expect(refusal({ query: documents, variables: { doc: ids } })).toEqual(tooMany);
  const long = { code, path: '$', message: 'query is too complex: values of more than 67108864 characters' };
  expect(refusal({ query: documents, variables: { doc: { ['x'.repeat(1_000_000)]: 1 } } })).toEqual(long);
});

test('a number of a million digits is told to be none of a column’s before it is read', () => {
  const query = 'query ($id: Int!) { order(where: {id: {_eq: $id}}) { id } }';
  const id = new NumberText('9'.repeat(1_000_000));
  expect(refusal({ query, variables: { id } })?.message).toMatch('lies outside the bounds');
});
