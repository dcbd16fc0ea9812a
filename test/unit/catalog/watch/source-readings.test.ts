import { expect, test } from 'vitest';
import type { Asked } from '../../../../src/catalog/introspect/asked.ts';
import { NOTHING_ASKED } from '../../../../src/catalog/introspect/native-text.ts';
import { type Entry, latest } from '../../../../src/catalog/watch/source-readings.ts';

const NOTHING: Asked = { enumTables: [], functions: [], queries: NOTHING_ASKED };

function entry(times: Pick<Entry, 'begunAt' | 'lookedAt'>, url = 'postgres://a/a'): Entry {
  const found = { unavailable: 'made up' };
  return { url, asked: NOTHING, found, readAt: 0, dueAt: 0, failures: 0, isSilent: false, ...times };
}

const KNOWN = entry({ begunAt: 10, lookedAt: 20 });

test.each([
  ['a reading that began later, however early it ended', { begunAt: 11, lookedAt: 15 }, true],
  ['one that began earlier, however late it ended', { begunAt: 9, lookedAt: 30 }, false],
  ['a later look by which the same reading still holds', { begunAt: 10, lookedAt: 21 }, true],
  ['an earlier look', { begunAt: 10, lookedAt: 19 }, false],
])('of two readings of a database holds the one begun later: %s', (_, times, isTaken) => {
  const other = entry(times);
  expect(latest(KNOWN, other)).toBe(isTaken ? other : KNOWN);
});

test('a reading of another database, or of none, is not taken', () => {
  expect(latest(KNOWN, entry({ begunAt: 99, lookedAt: 99 }, 'postgres://b/b'))).toBe(KNOWN);
  expect(latest(KNOWN, undefined)).toBe(KNOWN);
});
