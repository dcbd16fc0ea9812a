import { expect, test } from 'vitest';
import { NO_TYPES } from '../../../src/catalog/type/held-type.ts';
import type { Fallback } from '../../../src/core/fallback.ts';
import type { Lsn } from '../../../src/core/position/lsn.ts';
import type { SourceTime } from '../../../src/core/position/watermark.ts';
import { judge } from '../../../src/read/judge.ts';
import { ProbeBoard } from '../../../src/read/probe-board.ts';
import type { Reading } from '../../../src/read/reading.ts';
import type { TargetRead } from '../../../src/read/target-read.ts';

const SECOND = 1_000_000;
const lsn = (position: bigint): Lsn => position as Lsn;
const AT = 1_000 * SECOND;
const LIVE = { route: 'live', reason: 'request', detail: 'asked-for', unmet: false } as const;
const CACHE = { route: 'cache', tables: [] } as const;

function readOf(choice: TargetRead['choice'], fallback: Fallback, token: Lsn | null): TargetRead {
  return {
    use: { source: 'pg1', target: 'pg2', tables: [], options: [], computes: false, known: NO_TYPES },
    policy: {
      boundMs: 1_000,
      fallback,
      token: token === null ? null : { position: token, history: null },
      noCache: false,
      cacheOff: false,
      staleWhenDown: false,
    },
    forced: null,
    anyAge: false,
    history: null,
    choice,
  };
}

/** Rows fetched live between two positions. */
function liveRows(before: bigint | null, after: bigint): Reading {
  const at = (position: bigint) => ({ position: lsn(position), history: null });
  const reached = { before: before === null ? null : at(before), after: at(after) };
  return { cells: [], now: null, labels: new Map(), positions: new Map([['pg2', reached]]) };
}

/** Rows of a cache, read when the source's clock showed `now`. */
function cachedRows(now: SourceTime, freshAsOf: SourceTime): Reading {
  const label = { position: lsn(5n), freshAsOf, history: null };
  return { cells: [], now, labels: new Map([['pg2', label]]), positions: new Map() };
}

const asked = (read: TargetRead, arrival: SourceTime | null = null) => ({
  group: { source: 'pg1' },
  reads: [read],
  arrival,
});

test('a token is held against what the target had before the snapshot of live rows, not against what it has had since', () => {
  const read = readOf(LIVE, 'live', lsn(50n));
  expect(() => judge(liveRows(40n, 60n), asked(read), new ProbeBoard())).toThrow(
    `the token's position on "pg2" has not been written there`,
  );
  const met = judge(liveRows(50n, 60n), asked(read), new ProbeBoard());
  expect(met).toMatchObject({ targets: [{ route: 'live', position: 60n, stalenessMs: 0 }] });
});

test('a bound counts from now, also in a later attempt, and for who waits from when the request came', () => {
  const later = AT + 2 * SECOND;
  const rows = cachedRows(later, AT + SECOND / 2);
  for (const fallback of ['live', 'stale', 'error'] as const) {
    const read = readOf(CACHE, fallback, null);
    const verdict = judge(rows, asked(read, AT), new ProbeBoard());
    if (fallback === 'stale') expect(verdict).toMatchObject({ targets: [{ detail: 'stale-allowed' }] });
    else expect(verdict).toEqual({ read, fault: 'lagging' });
  }
  const waiting = judge(rows, asked(readOf(CACHE, 'wait', null), AT), new ProbeBoard());
  expect(waiting).toMatchObject({ targets: [{ detail: 'fresh', stalenessMs: 1_500 }] });
});

test('a request came when the first rows were read for it', () => {
  const waiting = asked(readOf(CACHE, 'wait', null));
  const old = judge(cachedRows(AT, AT - 2 * SECOND), waiting, new ProbeBoard());
  expect(old).toEqual({ read: waiting.reads[0], fault: 'lagging' });
  judge(cachedRows(AT + SECOND, AT - 2 * SECOND), waiting, new ProbeBoard());
  expect(waiting.arrival).toBe(AT);
});

test('rows are as fresh as the newest probe that their position covers', () => {
  const probes = new ProbeBoard();
  probes.put('pg1', 'pg2', { position: lsn(5n), freshAsOf: AT - SECOND / 2 });
  probes.put('pg1', 'pg2', { position: lsn(6n), freshAsOf: AT });
  const verdict = judge(cachedRows(AT, AT - 2 * SECOND), asked(readOf(CACHE, 'error', null)), probes);
  expect(verdict).toMatchObject({ targets: [{ detail: 'fresh', stalenessMs: 500, position: 5n }] });
});
