import { expect, test } from 'vitest';
import { refusal } from './plan-for.ts';

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
