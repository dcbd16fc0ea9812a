import { expect, test } from 'vitest';
import type { TableShape } from '../../../../src/core/rows/table-shape.ts';
import { changedParts, sameShape, shapeMismatch } from '../../../../src/replicate/table/shape-check.ts';

const plain: TableShape = {
  publication: '7 100 8',
  relation: 1,
  columns: { id: 1, n: 2, other: 3 },
  written: { id: '100', n: '100', other: '100' },
  isPartitioned: false,
  files: { 1: 10 },
  labels: { 5: 'sad', 6: 'glad' },
  composites: { 9: '1 23,2 25' },
  versions: { 'label 5': '90', 'label 6': '90' },
};
const parted: TableShape = {
  ...plain,
  isPartitioned: true,
  files: { 2: 20, 3: 30 },
  versions: { 'partition 2': '90' },
};

test.each<[string, TableShape, Partial<TableShape>, boolean]>([
  ['nothing', plain, {}, true],
  ['a column nobody copied made again', plain, { columns: { id: 1, n: 2, other: 4 } }, true],
  [
    'a column added',
    plain,
    { columns: { ...plain.columns, more: 4 }, written: { ...plain.written, more: '101' } },
    true,
  ],
  ['what was not noted before', { ...plain, versions: {} }, { versions: { 'label 5': '90' } }, true],
  ['the file alone', plain, { files: { 1: 11 } }, true],
  ['a column definition alone', plain, { written: { ...plain.written, n: '101' } }, true],
  [
    'a label added',
    plain,
    { labels: { ...plain.labels, 7: 'so-so' }, versions: { ...plain.versions, 'label 7': '91' } },
    true,
  ],
  [
    'the file, where all tables are published',
    { ...plain, publication: '7 100' },
    { files: { 1: 11 } },
    false,
  ],
  ['file and column definition', plain, { files: { 1: 11 }, written: { ...plain.written, n: '101' } }, false],
  [
    'a column added to every row',
    plain,
    { files: { 1: 11 }, columns: { ...plain.columns, more: 4 }, written: { ...plain.written, more: '101' } },
    true,
  ],
  [
    'file and the definition of a column nobody copied',
    plain,
    { files: { 1: 11 }, written: { ...plain.written, other: '101' } },
    true,
  ],
  ['the publication', plain, { publication: '7 101 8' }, false],
  ['the relation', plain, { relation: 2 }, false],
  ['a column made again', plain, { columns: { id: 1, n: 4 } }, false],
  ['two columns that changed their names', plain, { columns: { id: 2, n: 1 } }, false],
  ['a label', plain, { labels: { 5: 'blue', 6: 'glad' } }, false],
  ['a label that was renamed for a moment', plain, { versions: { 'label 5': '91', 'label 6': '90' } }, false],
  ['a partition that was detached for a moment', parted, { versions: { 'partition 2': '91' } }, false],
  ['a composite type', plain, { composites: { 9: '1 23' } }, false],
  ['a partition more', parted, { files: { 2: 20, 3: 30, 4: 40 } }, false],
  ['a partition less', parted, { files: { 2: 20 } }, false],
  ["a partition's file", parted, { files: { 2: 20, 3: 31 } }, false],
])('a copy and what changed: %s', (_name, then, change, fits) => {
  const now = { ...then, ...change };
  expect(shapeMismatch(then, now, ['id', 'n']) === null).toBe(fits);
  expect(sameShape(then, now)).toBe(Object.keys(change).length === 0);
});

test('a copy of which nothing is known fits nothing', () => {
  expect(shapeMismatch(null, plain, ['id'])).not.toBeNull();
});

test('the order of keys is no difference', () => {
  const { relation, ...rest } = plain;
  expect(sameShape(plain, { relation, ...rest, labels: { 6: 'glad', 5: 'sad' } })).toBe(true);
});

const part = (from: string, to: string, column = { name: 'id', type: 23, isEnum: false }) => [
  {
    kind: 'between' as const,
    columns: [column],
    from: { values: [from], isAfter: false },
    to: { values: [to], isAfter: false },
    isNot: false,
  },
];
const divided: TableShape = {
  ...parted,
  files: { 2: 20, 3: 30, 4: 40 },
  versions: { 'partition 2': '90', 'partition 3': '90', 'partition 4': '90' },
  keys: { 2: part('0', '10'), 3: part('10', '20') },
  unclaimed: [part('90', '99')],
};
const held = {
  columns: ['id', 'n'].map((name) => ({ name, type: 'integer', oid: 23 })),
  key: ['id'],
};

test.each<[string, Partial<TableShape>, readonly string[] | null]>([
  ['nothing', {}, null],
  ["one partition's file", { files: { ...divided.files, 2: 21 } }, ['0', '0', '90']],
  [
    'one partition less',
    { files: { 2: 20, 4: 40 }, versions: { 'partition 2': '90', 'partition 4': '90' } },
    ['10', '90'],
  ],
  [
    'one partition more',
    { files: { ...divided.files, 5: 50 }, keys: { ...divided.keys, 5: part('30', '40') } },
    ['30', '90'],
  ],
  [
    'one that was detached for a moment',
    { versions: { ...divided.versions, 'partition 2': '91' } },
    ['0', '0', '90'],
  ],
  ['one of which nobody knows the keys', { files: { ...divided.files, 4: 41 } }, null],
  ['most of them', { files: { 2: 21, 3: 31, 4: 40 } }, null],
  [
    'three partitions more and one less',
    {
      files: { 3: 30, 4: 40, 5: 50, 6: 60, 7: 70 },
      versions: { 'partition 3': '90', 'partition 4': '90' },
      keys: { ...divided.keys, 5: part('30', '40'), 6: part('40', '50'), 7: part('50', '60') },
    },
    ['0', '30', '40', '50', '90'],
  ],
  ['one, where others claim all keys', { files: { ...divided.files, 2: 21 }, unclaimed: [] }, ['0', '0']],
  ['one, where any key may be unclaimed', { files: { ...divided.files, 2: 21 }, unclaimed: null }, null],
  ['a column too', { files: { ...divided.files, 2: 21 }, written: { ...divided.written, n: '101' } }, null],
  ['the publication too', { files: { ...divided.files, 2: 21 }, publication: '7 101 8' }, null],
])('the parts of a copy that may be wrong: %s changed', (_name, change, froms) => {
  const parts = changedParts(divided, { ...divided, ...change }, held);
  const first = Object.values(parts ?? {})
    .flat()
    .map(([test]) => (test?.kind === 'between' ? test.from?.values[0] : null));
  expect(parts === null ? null : first).toEqual(froms);
});

test('a partition that has partitions itself, and was detached for a moment, is read again beside another', () => {
  const versions = { ...divided.versions, 'partition 8': '90' };
  const then = { ...divided, versions, keys: { ...divided.keys, 8: part('60', '70') } };
  const now = { ...then, files: { ...then.files, 2: 21 }, versions: { ...versions, 'partition 8': '91' } };
  expect(Object.keys(changedParts(then, now, held) ?? {})).toEqual(['2', '8', 'unclaimed']);
});

test('parts by a column that is not in the key, or is held as another type, are not told apart', () => {
  const now = { ...divided, files: { ...divided.files, 2: 21 } };
  expect(changedParts(divided, now, { ...held, key: ['n'] })).toBeNull();
  const columns = [{ name: 'id', type: 'text', oid: 23 }];
  expect(changedParts(divided, now, { columns, key: ['id'] })).toBeNull();
});

test('a column of a domain is held as one of the same', () => {
  const column = { name: 'id', type: 23, domain: 16400, isEnum: false };
  const then = { ...divided, keys: { 2: part('0', '10', column) }, unclaimed: [] };
  const now = { ...then, files: { ...divided.files, 2: 21 } };
  const heldAs = (oid: number) => ({ columns: [{ name: 'id', type: 'integer', oid }], key: ['id'] });
  expect(changedParts(then, now, heldAs(16400))?.['2']).toHaveLength(2);
  expect(changedParts(then, now, heldAs(23))).toBeNull();
});

test('labels are told apart where they are held as texts', () => {
  const label = { name: 'id', type: 16400, isEnum: true };
  const then = { ...divided, keys: { 2: part('0', '10', label) }, unclaimed: [] };
  const now = { ...then, files: { ...divided.files, 2: 21 } };
  const heldAs = (type: string) => ({ columns: [{ name: 'id', type, oid: 16400 }], key: ['id'] });
  expect(changedParts(then, now, heldAs('text'))?.['2']).toHaveLength(2);
  expect(changedParts(then, now, heldAs('mood'))).toBeNull();
});
