import { expect, test } from 'vitest';
import type { SlotHealth } from '../../../../connectors/connector.ts';
import { lsnFromBits } from '../../../../src/core/position/lsn.ts';
import { systemClock } from '../../../../src/core/waiting/clock.ts';
import { Unread } from '../../../../src/replicate/slot/unread.ts';

const LOST: SlotHealth = { kind: 'lost', reason: 'the target invalidated the slot (wal_removed)' };
const UNFINISHED: SlotHealth = { kind: 'unfinished', retainedWalBytes: 0 };

function slot(confirmed: bigint, activePid: number | null = null): SlotHealth {
  return {
    kind: 'usable',
    confirmed: lsnFromBits(confirmed),
    retainedWalBytes: 0,
    retainedForCopies: 0,
    activePid,
    isSynced: false,
    heldBack: null,
  };
}

/** One look each second, of one that drops what nobody has read from for two. */
function look(...healths: readonly SlotHealth[]): readonly boolean[] {
  let now = 0;
  const clock = { ...systemClock, monotonicMs: () => (now += 1_000) };
  const unread = new Unread({ clock, limits: { unreadMs: 2_000 } });
  return healths.map((health) => unread.isLong(health));
}

test('a slot that nobody reads from is left when that has lasted', () => {
  expect(look(slot(7n), slot(7n), slot(7n))).toEqual([false, false, true]);
});

test('one that is read, or is being made, is not, and the time begins anew', () => {
  expect(look(slot(7n), slot(7n), slot(7n, 11), slot(7n), slot(7n), slot(7n))).toEqual([
    false,
    false,
    false,
    false,
    false,
    true,
  ]);
  expect(look(UNFINISHED, UNFINISHED, UNFINISHED, UNFINISHED)).toEqual([false, false, false, false]);
});

test('nor is one that somebody has read from between two looks', () => {
  expect(look(slot(7n), slot(7n), slot(8n), slot(8n), slot(8n))).toEqual([false, false, false, false, true]);
});

test('nobody can read from one that is lost or gone', () => {
  expect(look(LOST, { kind: 'missing' })).toEqual([true, true]);
});
