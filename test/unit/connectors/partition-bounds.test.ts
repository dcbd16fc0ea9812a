import { expect, test } from 'vitest';
import { partOf } from '../../../connectors/postgres/partition-bounds.ts';
import { inOneOf } from '../../../src/core/key-range.ts';

const level = { strategy: 'r', column: 'id', type: 23, width: 1, isUsual: true, bound: null };

test.each<[string, Partial<Parameters<typeof partOf>[0][number]>, string | null]>([
  ['a range', { bound: "FOR VALUES FROM (0) TO ('-5')" }, `("id" >= '0'::integer and "id" < '-5'::integer)`],
  ['one without a beginning', { bound: 'FOR VALUES FROM (MINVALUE) TO (5)' }, `("id" < '5'::integer)`],
  [
    'one of two columns',
    { width: 2, bound: 'FOR VALUES FROM (1, MINVALUE) TO (2, 7)' },
    `("id" >= '1'::integer and "id" <= '2'::integer)`,
  ],
  [
    'a list of texts with quotes',
    { strategy: 'l', type: 25, bound: "FOR VALUES IN ('it''s', ') TO (')" },
    `("id" in ('it''s'::text, ') TO ('::text))`,
  ],
  ['all there is', { bound: 'FOR VALUES FROM (MINVALUE) TO (MAXVALUE)' }, null],
  ['a list with null', { strategy: 'l', bound: 'FOR VALUES IN (1, NULL)' }, null],
  ['a text with a backslash', { strategy: 'l', type: 25, bound: "FOR VALUES IN (E'\\\\')" }, null],
  ['a range of texts', { type: 25, bound: "FOR VALUES FROM ('a') TO ('b')" }, null],
  ['a hash', { strategy: 'h', bound: 'FOR VALUES WITH (modulus 2, remainder 0)' }, null],
  ['the rest', { bound: 'DEFAULT' }, null],
  ['an expression', { column: null, type: null, bound: 'FOR VALUES FROM (0) TO (5)' }, null],
  ['values compared otherwise', { isUsual: false, bound: 'FOR VALUES FROM (0) TO (5)' }, null],
  ['a type of its own', { type: 16400, bound: 'FOR VALUES FROM (0) TO (5)' }, null],
])('what is known of the keys in %s', (_name, one, condition) => {
  const part = partOf([{ ...level, ...one }]);
  expect(part === null ? null : inOneOf([part])).toBe(condition);
});

test('what one level does not tell another may', () => {
  const hash = { ...level, strategy: 'h', bound: 'FOR VALUES WITH (modulus 2, remainder 0)' };
  const part = partOf([{ ...level, bound: 'FOR VALUES FROM (0) TO (5)' }, hash]);
  expect(part).toHaveLength(1);
});
