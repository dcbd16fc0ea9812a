import { expect, test } from 'vitest';
import { weightIn } from '../../../src/http/accepts.ts';

test.each([
  [undefined, 0],
  ['text/html, */*', 0],
  ['text/html, A/B', 1],
  ['a/b;charset=utf-8;q=0.5, text/html', 0.5],
  ['a/b ; Q=0.25', 0.25],
  ['a/b;q=0', 0],
  ['a/b;q=0.000', 0],
  ['a/b;q=high', 0],
  ['a/b;q=0.1, a/b;q=0.7', 0.7],
  ['a/bc, xa/b', 0],
])('%s wants a/b as much as %d', (header, weight) => {
  expect(weightIn(header, 'a/b')).toBe(weight);
});
