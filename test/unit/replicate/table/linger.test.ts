import { expect, test } from 'vitest';
import type { WantedTable } from '../../../../src/catalog/catalog.ts';
import { Linger } from '../../../../src/replicate/table/linger.ts';
import type { Wanted } from '../../../../src/replicate/table/wanted.ts';

let now = 0;
const clock = { monotonicMs: () => now, delay: () => Promise.resolve() };
const table = (name: string): WantedTable =>
  ({
    source: 'pg1',
    target: 'pg2',
    table: { ref: { schema: 'public', name } },
    lookups: [],
  }) as unknown as WantedTable;
const ref = (name: string) => ({ schema: 'public', name });
const tables = (...names: readonly string[]): Wanted => ({
  kind: 'tables',
  tables: names.map(table),
  lingering: [],
});
const keeping = (wanted: readonly string[], lingering: readonly string[]): Wanted => ({
  kind: 'tables',
  tables: wanted.map(table),
  lingering: lingering.map(ref),
});

test('a table is wanted a while longer, and no time is left over when it comes back', () => {
  now = 0;
  const linger = new Linger(100, clock);
  expect(linger.soften(tables('a', 'b'))).toEqual(tables('a', 'b'));
  expect(linger.nextMs()).toBeNull();
  expect(linger.soften(tables('a'))).toEqual(keeping(['a'], ['b']));
  now = 60;
  expect(linger.nextMs()).toBe(40);
  expect(linger.soften({ kind: 'unknown' })).toEqual({ kind: 'unknown' });
  expect(linger.soften(tables('a', 'b'))).toEqual(tables('a', 'b'));
  expect(linger.nextMs()).toBeNull();
  expect(linger.soften(tables('a'))).toEqual(keeping(['a'], ['b']));
  now = 160;
  expect(linger.soften(tables('a'))).toEqual(tables('a'));
});

test('what is meant takes effect at once', () => {
  now = 0;
  const linger = new Linger(100, clock);
  linger.soften(tables('a'));
  linger.forget();
  expect(linger.soften(tables())).toEqual(tables());
  expect(new Linger(0, clock).soften(tables())).toEqual(tables());
});

test('a successor goes on with the time that is left, and gives all of it to what nobody has noticed', () => {
  now = 0;
  const linger = new Linger(100, clock);
  linger.soften(tables('a'));
  linger.restore([
    { table: ref('a'), leftMs: 5 },
    { table: ref('b'), leftMs: 40 },
    { table: ref('c'), leftMs: null },
    { table: ref('d'), leftMs: -1 },
    { table: ref('e'), leftMs: 2 ** 40 },
  ]);
  expect(linger.soften(tables('a'))).toEqual(keeping(['a'], ['b', 'c', 'e']));
  expect(linger.nextMs()).toBe(40);
  now = 40;
  expect(linger.soften(tables('a'))).toEqual(keeping(['a'], ['c', 'e']));
  now = 100;
  expect(linger.soften(tables('a'))).toEqual(tables('a'));
  const meant = new Linger(100, clock);
  meant.forget();
  meant.restore([{ table: ref('b'), leftMs: 40 }]);
  expect(meant.soften(tables())).toEqual(tables());
  meant.soften(tables('a'));
  meant.restore([{ table: ref('b'), leftMs: 40 }]);
  expect(meant.soften(tables('a'))).toEqual(keeping(['a'], ['b']));
});
