import { expect, test } from 'vitest';
import type { Lsn } from '../../../src/core/position/lsn.ts';
import type { Policy } from '../../../src/read/freshness.ts';
import { faultOf, improved, type Label } from '../../../src/read/labels.ts';

const SECOND = 1_000_000;
const position = 100n as Lsn;
const history = null;
const nothing = () => null;
const policy = {
  boundMs: 1_000,
  fallback: 'live' as const,
  token: null,
  noCache: false,
  cacheOff: false,
  staleWhenDown: false,
};

const AT = 1_000 * SECOND;
const FRESH: Label = { position, freshAsOf: AT - SECOND, history: '7.1' };

test.each<[what: string, label: Label, over: Partial<Policy>, fault: string | null]>([
  ['as old as the bound', FRESH, {}, null],
  ['older', { ...FRESH, freshAsOf: AT - SECOND - 1000 }, {}, 'lagging'],
  ['of no age', { ...FRESH, freshAsOf: null }, {}, 'lagging'],
  ['of no position', { ...FRESH, position: null }, {}, 'slot-lost'],
  ['as far as the token', FRESH, { token: { position, history: '7.1' } }, null],
  ['as far as a token of any history', FRESH, { token: { position, history: null } }, null],
  ['behind the token', FRESH, { token: { position: 101n as Lsn, history: '7.1' } }, 'token-ahead'],
  ['of another history', FRESH, { token: { position: 1n as Lsn, history: '7.2' } }, 'token-ahead'],
])('rows %s are judged', (_what, label, over, fault) => {
  expect(faultOf(label, { ...policy, ...over }, AT)).toBe(fault);
});

test('a finished probe makes a label younger, and never older', () => {
  expect(improved({ position, freshAsOf: 5, history }, () => 7, SECOND)).toEqual({
    position,
    freshAsOf: 7,
    history,
  });
  expect(improved({ position, freshAsOf: 5, history }, () => 3, SECOND)).toEqual({
    position,
    freshAsOf: 5,
    history,
  });
  expect(improved({ position, freshAsOf: 5, history }, nothing, SECOND).freshAsOf).toBe(5);
  expect(improved({ position, freshAsOf: null, history }, nothing, SECOND)).toEqual({
    position,
    freshAsOf: null,
    history,
  });
});

test('a time beyond the clock, from before it was set back, proves nothing', () => {
  const now = 1_000 * SECOND;
  const label = { position, freshAsOf: now + 60 * SECOND, history };
  expect(faultOf(improved(label, nothing, now), policy, now)).toBe('lagging');
  expect(
    faultOf(
      improved(label, () => now + 30 * SECOND, now),
      policy,
      now,
    ),
  ).toBe('lagging');
  expect(
    faultOf(
      improved(label, () => now - SECOND / 2, now),
      policy,
      now,
    ),
  ).toBeNull();
});

test('a probe that finished while the statement ran counts', () => {
  const now = 1_000 * SECOND;
  expect(improved({ position, freshAsOf: null, history }, () => now + SECOND / 2, now).freshAsOf).toBe(
    now + SECOND / 2,
  );
});
