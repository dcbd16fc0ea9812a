import { describe, expect, test } from 'vitest';
import type { Connector } from '../../../connectors/connector.ts';
import type { Queryable } from '../../../src/cache/queryable.ts';
import type { Generation } from '../../../src/cache/table/stored.ts';
import { ComparedRows, keyText, type RowKey, type RowMark } from '../../../src/core/rows/compared-rows.ts';
import { systemClock } from '../../../src/core/waiting/clock.ts';
import { differingKeys } from '../../../src/replicate/verify/compare-table.ts';
import { judge, type ProvenRow } from '../../../src/replicate/verify/proof.ts';
import { repairRows } from '../../../src/replicate/verify/repair.ts';
import { isSameOrder } from '../../../src/replicate/verify/sides.ts';

/** A row by what it says and when it was written. */
const row = (digest: string, version = digest): RowMark => ({ key: ['1'], digest, version, bytes: 1 });
const NONE = undefined;

test.each([
  // equal once the cache has caught up
  [row('a'), row('b'), row('a'), row('a'), 'same'],
  [NONE, row('a'), NONE, NONE, 'same'],
  // unchanged on the target all the while: the cache is wrong
  [row('a'), NONE, row('a'), NONE, 'insert'],
  [row('a'), row('b'), row('a'), row('b'), 'update'],
  [NONE, row('b'), NONE, row('b'), 'delete'],
  // written meanwhile, on either side
  [row('a', '1'), row('b'), row('a', '2'), row('b'), 'undecided'],
  [row('a'), row('b'), row('c'), row('b'), 'undecided'],
  [row('a'), row('a'), row('a'), row('b'), 'undecided'],
  [NONE, NONE, row('a'), NONE, 'undecided'],
  [row('a'), row('a'), NONE, row('a'), 'undecided'],
  [NONE, row('b', '1'), NONE, row('b', '2'), 'undecided'],
  [NONE, NONE, NONE, row('b'), 'undecided'],
] as const)(
  'before %j, in the cache %j, exactly %j, in the cache after it %j: %s',
  (...[before, here, there, after, verdict]) => {
    expect(judge({ before, here, there, after })).toBe(verdict);
  },
);

test('keys differ that are on one side only or have another checksum', () => {
  const mark = (key: string, digest: string): RowMark => ({ key: [key], digest, version: '', bytes: 1 });
  const there = [mark('1', 'a'), mark('2', 'b'), mark('3', 'c')];
  const here = [mark('3', 'c'), mark('2', 'x'), mark('4', 'd')];
  expect(differingKeys(there, here)).toEqual([['1'], ['2'], ['4']]);
});

test.each([
  [[{ name: 'id', type: 'bigint', oid: 20 }], true],
  [[{ name: 'id', type: 'uuid', oid: 2950 }], true],
  // a collation decides
  [[{ name: 'id', type: 'text', oid: 25 }], false],
  [[{ name: 'id', type: 'character(3)', oid: 1042 }], false],
  // an enum, cached as text
  [[{ name: 'id', type: 'text', oid: 70_001 }], false],
  // what is no part of the key does not matter
  [
    [
      { name: 'id', type: 'text', oid: 25 },
      { name: 'n', type: 'integer', oid: 23 },
    ],
    false,
  ],
] as const)('a key of %j has the same order everywhere: %s', (columns, same) => {
  expect(isSameOrder({ columns, key: ['id'] })).toBe(same);
});

const KEY: RowKey = ['1'];
const stored: Generation = {
  target: 'pg2',
  table: { schema: 'public', name: 't' },
  relation: 'r',
  columns: [{ name: 'id', type: 'integer', oid: 23 }],
  key: ['id'],
  shape: null,
  parts: null,
  exists: true,
  modifiers: [-1],
};

const mark = (version: string, key = KEY): RowMark => ({ key, digest: version, version, bytes: 1 });

/** A side that shows these rows, and their keys as values. */
function showing(marks: readonly RowMark[]): ComparedRows {
  const columns = [{ name: 'id', isBytes: false }];
  return new ComparedRows(
    { relation: 'r', columns, key: [{ name: 'id', type: 'integer' }] },
    (text, [keys]) => {
      const asked = new Set((keys as readonly string[]).map((key) => keyText([key])));
      const there = marks.filter(({ key }) => asked.has(keyText(key)));
      return Promise.resolve(there.map((row) => ({ ...row, key: keyText(row.key), c1: row.key[0], text })));
    },
  );
}

/** The first words of what a repair writes when source and target show these rows by then. */
async function written(
  proven: readonly ProvenRow[],
  { here, there }: { readonly here: readonly RowMark[]; readonly there: readonly RowMark[] | null },
): Promise<readonly string[]> {
  const statements: string[] = [];
  const client: Queryable = {
    query: (statement, values = []) => {
      const text = typeof statement === 'string' ? statement : statement.text;
      if (!text.trimStart().startsWith('select')) statements.push(/^\s*(\w+)/.exec(text)?.[1] ?? '');
      const [keys] = values as readonly (readonly string[])[];
      const asked = here.filter(({ key }) => keys?.includes(key[0] ?? '') === true);
      const rows = asked.map((row) => ({ ...row, key: keyText(row.key) }));
      return Promise.resolve({ rows, rowCount: rows.length, fields: [] });
    },
  };
  const scene = {
    connector: {} as Connector,
    clock: {
      ...systemClock,
      delay: () => (there === null ? Promise.resolve() : new Promise<void>(() => undefined)),
    },
    applied: () => Promise.resolve(),
    exclusively: <T>(work: (client: Queryable, next: () => Promise<void>) => Promise<T>): Promise<T> => {
      statements.push('begin');
      return work(client, () => Promise.resolve());
    },
  };
  const silent = new ComparedRows(
    { relation: 'r', columns: [], key: [] },
    () => new Promise(() => undefined),
  );
  const sides = { stored, target: there === null ? silent : showing(there), cache: showing(here) };
  await repairRows({ scene, sides }, proven, showing(proven.flatMap(({ there: row }) => row ?? [])));
  return statements;
}

const missing: ProvenRow = {
  key: KEY,
  difference: 'insert',
  before: mark('a'),
  here: undefined,
  there: mark('a'),
  after: undefined,
};
const wrong: ProvenRow = { ...missing, difference: 'update', here: mark('b'), after: mark('b') };
const extra: ProvenRow = { ...wrong, difference: 'delete', before: undefined, there: undefined };

describe('a repair', () => {
  test.each([
    ['a row that is missing', missing, { here: [], there: [mark('a')] }, ['begin', 'insert']],
    ['but not when it has gone from the target', missing, { here: [], there: [] }, ['begin']],
    ['nor when it is another there', missing, { here: [], there: [mark('c')] }, ['begin']],
    ['nor when the stream has brought it', missing, { here: [mark('a')], there: [mark('a')] }, ['begin']],
    ['a row that is wrong', wrong, { here: [mark('b')], there: [] }, ['begin', 'insert']],
    ['but not when the stream has written it', wrong, { here: [mark('c')], there: [mark('a')] }, ['begin']],
    ['nor when the stream has deleted it', wrong, { here: [], there: [] }, ['begin']],
    ['a row too many goes', extra, { here: [mark('b')], there: [] }, ['begin', 'delete']],
    ['but not when the stream has written it', extra, { here: [mark('c')], there: [] }, ['begin']],
  ] as const)('%s', async (_, row, now, statements) => {
    expect(await written([row], now)).toEqual(statements);
  });

  test('does not wait long for a target that does not answer', async () => {
    await expect(written([missing], { here: [], there: null })).rejects.toThrow('did not answer in time');
  });

  test('holds the stream up for 500 rows at a time at most, or for 4 MB', async () => {
    const rows = (count: number, bytes: number): ProvenRow[] =>
      Array.from({ length: count }, (_, at) => {
        const there = { ...mark('a', [String(at)]), bytes };
        return { ...missing, key: there.key, before: there, there };
      });
    const begun = async (proven: readonly ProvenRow[]): Promise<number> => {
      const there = proven.flatMap(({ there: row }) => row ?? []);
      return (await written(proven, { here: [], there })).filter((one) => one === 'begin').length;
    };
    expect([await begun(rows(500, 1)), await begun(rows(501, 1)), await begun(rows(3, 2 << 20))]).toEqual([
      1, 2, 2,
    ]);
  });
});
