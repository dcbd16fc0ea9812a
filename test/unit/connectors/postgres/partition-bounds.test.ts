import { expect, test } from 'vitest';
import {
  type DividedTable,
  type PartitionColumn,
  type PartitionLevel,
  partOf,
  unclaimed,
} from '../../../../connectors/postgres/publication/partition-bounds.ts';
import { inOneOf } from '../../../../src/core/rows/key-part.ts';

const column = (name: string | null, type: number, more: Partial<PartitionColumn> = {}): PartitionColumn => ({
  name,
  type,
  domain: null,
  isEnum: false,
  isUsual: true,
  ...more,
});
const ID = [column('id', 23)];
const PAIR = [column('a', 23), column('b', 1082)];
const KIND = [column('kind', 25)];
const level = { strategy: 'r', columns: ID, bound: null, beside: [] };
const list = { strategy: 'l', columns: KIND };

function conditionOf(levels: readonly PartitionLevel[]): string | null {
  const part = partOf(levels);
  return part === null ? null : inOneOf([part]);
}

test.each<[string, Partial<PartitionLevel>, string | null]>([
  [
    'a range',
    { bound: "FOR VALUES FROM (0) TO ('-5')" },
    `(("id") >= ('0'::integer) and ("id") < ('-5'::integer))`,
  ],
  ['one without a beginning', { bound: 'FOR VALUES FROM (MINVALUE) TO (5)' }, `(("id") < ('5'::integer))`],
  [
    'one of two columns',
    { columns: PAIR, bound: "FOR VALUES FROM (1, '2026-01-01') TO (1, '2026-01-02')" },
    `("a" = '1'::integer and ("b") >= ('2026-01-01'::date) and ("b") < ('2026-01-02'::date))`,
  ],
  [
    'one of two columns with others of the first',
    { columns: PAIR, bound: "FOR VALUES FROM (1, '2026-01-01') TO (2, MINVALUE)" },
    `("a" >= '1'::integer and ("a", "b") >= ('1'::integer, '2026-01-01'::date) and ("a") < ('2'::integer))`,
  ],
  [
    'one of one of the first',
    { columns: PAIR, bound: 'FOR VALUES FROM (1, MINVALUE) TO (1, MAXVALUE)' },
    `("a" = '1'::integer)`,
  ],
  [
    'one of two columns to the ends of the second',
    { columns: PAIR, bound: 'FOR VALUES FROM (1, MINVALUE) TO (2, MAXVALUE)' },
    `(("a") >= ('1'::integer) and ("a") <= ('2'::integer))`,
  ],
  [
    'one between those ends',
    { columns: PAIR, bound: 'FOR VALUES FROM (1, MAXVALUE) TO (2, MINVALUE)' },
    `(("a") > ('1'::integer) and ("a") < ('2'::integer))`,
  ],
  [
    'one whose second column is a text',
    { columns: [column('id', 23), column('kind', 25)], bound: "FOR VALUES FROM (1, 'a') TO (2, 'b')" },
    `(("id") >= ('1'::integer) and ("id") <= ('2'::integer))`,
  ],
  [
    'a list of texts with quotes',
    { ...list, bound: "FOR VALUES IN ('it''s', ') TO (')" },
    `("kind" in ('it''s'::text, ') TO ('::text))`,
  ],
  [
    'a list of labels',
    { ...list, columns: [column('k', 16400, { isEnum: true })], bound: "FOR VALUES IN ('up')" },
    `("k" in ('up'))`,
  ],
  [
    'a list of truths',
    { ...list, columns: [column('k', 16)], bound: 'FOR VALUES IN (true)' },
    `("k" in ('true'::boolean))`,
  ],
  [
    'a list with null',
    { ...list, columns: ID, bound: 'FOR VALUES IN (1, NULL)' },
    `("id" in ('1'::integer))`,
  ],
  [
    'a domain',
    { columns: [column('id', 23, { domain: 16400 })], bound: "FOR VALUES FROM ('0') TO ('5')" },
    `(("id") >= ('0'::integer) and ("id") < ('5'::integer))`,
  ],
  ['a list of null', { ...list, columns: ID, bound: 'FOR VALUES IN (NULL)' }, null],
  ['all there is', { bound: 'FOR VALUES FROM (MINVALUE) TO (MAXVALUE)' }, null],
  ['a text with a backslash', { ...list, bound: "FOR VALUES IN (E'\\\\')" }, null],
  ['a range of texts', { columns: KIND, bound: "FOR VALUES FROM ('a') TO ('b')" }, null],
  [
    'a range of labels',
    { columns: [column('k', 16400, { isEnum: true })], bound: "FOR VALUES FROM ('a') TO ('b')" },
    null,
  ],
  ['a hash', { strategy: 'h', bound: 'FOR VALUES WITH (modulus 2, remainder 0)' }, null],
  ['an expression', { columns: [column(null, 0)], bound: 'FOR VALUES FROM (0) TO (5)' }, null],
  [
    'values compared otherwise',
    { columns: [column('id', 23, { isUsual: false })], bound: 'FOR VALUES FROM (0) TO (5)' },
    null,
  ],
  ['a type of its own', { columns: [column('id', 16400)], bound: 'FOR VALUES FROM (0) TO (5)' }, null],
])('what is known of the keys in %s', (_name, one, condition) => {
  expect(conditionOf([{ ...level, ...one }])).toBe(condition);
});

const range = (from: string, to: string): string => `FOR VALUES FROM (${from}) TO (${to})`;

test.each<[string, Partial<PartitionLevel>, string | null]>([
  [
    'ranges without a gap',
    { beside: [range('5', '9'), 'DEFAULT', range('0', '5'), range('9', '12')] },
    `(not (("id") >= ('0'::integer) and ("id") < ('12'::integer)))`,
  ],
  [
    'ranges with one',
    { beside: [range('MINVALUE', '5'), range('6', '9'), range('9', 'MAXVALUE')] },
    `(not (("id") < ('5'::integer)) and not (("id") >= ('6'::integer)))`,
  ],
  [
    'lists',
    { ...list, beside: ["FOR VALUES IN ('a', 'b')", "FOR VALUES IN ('c', NULL)"] },
    `("kind" not in ('a'::text, 'b'::text, 'c'::text))`,
  ],
  ['ranges of all there is', { beside: [range('MINVALUE', '5'), range('5', 'MAXVALUE')] }, null],
  ['nothing else', { beside: ['DEFAULT'] }, null],
  [
    'ranges by a second column that is a text',
    { columns: [column('id', 23), column('kind', 25)], beside: [range("1, 'a'", "2, 'b'")] },
    null,
  ],
  ['lists one of which is not understood', { ...list, beside: ["FOR VALUES IN (E'\\\\')"] }, null],
  ['not known what', {}, null],
])('what is known of the keys in the partition for the rest, beside %s', (_name, one, condition) => {
  expect(conditionOf([{ ...level, bound: 'DEFAULT', ...one }])).toBe(condition);
});

test('what one level does not tell another may', () => {
  const hash = { ...level, strategy: 'h', bound: 'FOR VALUES WITH (modulus 2, remainder 0)' };
  const part = partOf([{ ...level, bound: 'FOR VALUES FROM (0) TO (5)' }, hash]);
  expect(part).toHaveLength(1);
});

const hashed = (modulus: number, remainder: number): string =>
  `FOR VALUES WITH (modulus ${modulus}, remainder ${remainder})`;
const ids = { strategy: 'r', columns: ID };
const hash = { strategy: 'h', columns: ID };
const under = (bound: string): PartitionLevel => ({ ...level, bound, beside: [bound, 'DEFAULT'] });
const root = { path: [], division: ids, bounds: [range('0', '5'), 'DEFAULT'] };
const outside = `(not (("id") >= ('0'::integer) and ("id") < ('5'::integer)))`;

test.each<[string, readonly DividedTable[], string | null]>([
  ['ranges', [root], outside],
  ['ranges of all there is', [{ ...root, bounds: [range('MINVALUE', '5'), range('5', 'MAXVALUE')] }], ''],
  ['a hash', [{ ...root, division: hash, bounds: [hashed(2, 0), hashed(4, 1), hashed(4, 3)] }], ''],
  ['a hash that lacks one', [{ ...root, division: hash, bounds: [hashed(2, 0), hashed(4, 1)] }], null],
  ['the default only', [{ ...root, bounds: ['DEFAULT'] }], null],
  ['none', [{ ...root, bounds: [] }], null],
  [
    'ranges, one of them divided',
    [root, { path: [under(range('0', '5'))], division: ids, bounds: [range('0', '3')] }],
    `${outside} or (("id") >= ('0'::integer) and ("id") < ('5'::integer) and not (("id") >= ('0'::integer) and ("id") < ('3'::integer)))`,
  ],
  [
    'ranges, the default divided by what nobody knows',
    [root, { path: [under('DEFAULT')], division: { strategy: 'r', columns: KIND }, bounds: ['DEFAULT'] }],
    outside,
  ],
  [
    'ranges, one divided by what nobody knows',
    [
      root,
      {
        path: [under(range('0', '5'))],
        division: { strategy: 'r', columns: KIND },
        bounds: [range('a', 'b')],
      },
    ],
    null,
  ],
])('keys that no partition claims, of %s', (_name, tables, condition) => {
  const parts = unclaimed(tables);
  expect(parts === null ? null : inOneOf(parts)).toBe(condition);
});
