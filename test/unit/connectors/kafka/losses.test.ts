import { describe, expect, test } from 'vitest';
import { Losses } from '../../../../connectors/kafka/losses.ts';
import { LostChange } from '../../../../connectors/kafka/merge.ts';
import { lsnFromBits } from '../../../../src/core/position/lsn.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const TOPIC = { topic: 'shop.public.item', isThere: true };

/** What a loss leads to at each of these times, in minutes; each at a later place of the log. */
function kindsAt(minutes: readonly number[], lookedIn = TOPIC): readonly string[] {
  let now = 0;
  const losses = new Losses(() => now);
  return minutes.map((minute, at) => {
    now = minute * MINUTE;
    return losses.failureOf(lostAt(BigInt(at)), lookedIn).failure;
  });
}

function lostAt(end: bigint): LostChange {
  return new LostChange({ collection: 'public.item', end: lsnFromBits(end) });
}

describe('a change that Kafka does not hold', () => {
  test('makes everything be copied again, and so does the next one; soon after that none does', () => {
    expect(kindsAt([0, 1, 2])).toEqual(['slot-lost', 'slot-lost', 'unfit']);
    expect(kindsAt([0, 1, 10, 32])).toEqual(['slot-lost', 'slot-lost', 'unfit', 'slot-lost']);
  });

  test('makes one copy where its topic is not there', () => {
    const nowhere = { ...TOPIC, isThere: false };
    expect(kindsAt([0, 1, 31], nowhere)).toEqual(['slot-lost', 'unfit', 'slot-lost']);
  });

  test('makes copies ever more seldom, up to once a day', () => {
    const copies = [0, 0, 10, 30, 70, 150, 310, 630, 1270, 2550, 3990, 5430];
    expect(kindsAt(copies).every((kind) => kind === 'slot-lost')).toBe(true);
    for (const [before, at] of copies.entries()) {
      if (before >= 2) expect(kindsAt([...copies.slice(0, before), at - 1]).at(-1)).toBe('unfit');
    }
  });

  test('makes one at once where the last one is long ago', () => {
    const later = (2 * DAY) / MINUTE;
    expect(kindsAt([0, 0, later, later, later + 9])).toEqual([
      ...Array.from({ length: 4 }, () => 'slot-lost'),
      'unfit',
    ]);
  });

  test('may be looked for again and again: that takes no more time until the copy', () => {
    let now = 0;
    const losses = new Losses(() => now);
    for (const first of [10n, 11n]) losses.failureOf(lostAt(first), TOPIC);
    for (; now < 10 * MINUTE; now += MINUTE)
      expect(losses.failureOf(lostAt(20n), TOPIC).failure).toBe('unfit');
    expect(losses.failureOf(lostAt(20n), TOPIC).failure).toBe('slot-lost');
  });

  test('says what may keep it away', () => {
    const losses = new Losses(() => 0);
    const said = (isThere: boolean): string => losses.failureOf(lostAt(1n), { ...TOPIC, isThere }).message;
    for (const first of [0n, 2n]) losses.failureOf(lostAt(first), TOPIC);
    expect(said(true)).toMatch(/in its topic.*transforms that leave messages out.*resync.*within an hour/);
    expect(said(false)).toMatch(/no topic shop\.public\.item, so take transforms that rename topics/);
  });
});
