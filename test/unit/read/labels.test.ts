import { expect, test } from 'vitest';
import type { Lsn } from '../../../src/core/lsn.ts';
import { faultOf, improved } from '../../../src/read/labels.ts';

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
