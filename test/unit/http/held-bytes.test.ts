import { expect, test } from 'vitest';
import { HeldBytes } from '../../../src/http/held-bytes.ts';

/** Memory for 100 bytes, and who was dropped from it. */
function held(): {
  readonly bytes: HeldBytes;
  readonly dropped: string[];
  drop: (name: string) => () => void;
} {
  const dropped: string[] = [];
  const bytes = new HeldBytes(100, (count) => dropped.push(`${count}`));
  return { bytes, dropped, drop: (name) => () => void dropped.push(name) };
}

test('past the limit the oldest are dropped, until the rest fits', () => {
  const { bytes, dropped, drop } = held();
  const sent = bytes.add(40, drop('a'));
  bytes.add(40, drop('b'));
  bytes.add(20, drop('c'));
  expect(dropped).toEqual([]);
  sent();
  bytes.add(60, drop('d'));
  expect(dropped).toEqual(['40', 'b']);
});

test('bytes that many hold count once, until the last of them has sent them', () => {
  const { bytes, dropped, drop } = held();
  const [old, newer] = [Buffer.alloc(60), Buffer.alloc(30)];
  const sent = ['a', 'b', 'c', 'd'].map((name) => bytes.share(old, drop(name)));
  bytes.share(newer, drop('e'));
  sent[0]?.();
  sent[0]?.();
  sent[1]?.();
  expect(dropped).toEqual([]);
  bytes.add(30, drop('f'));
  expect(dropped).toEqual(['60', 'c', 'd']);
  for (const leave of sent) leave();
  bytes.add(40, drop('g'));
  expect(dropped.length).toBe(3);
  const again = bytes.share(old, drop('h'));
  expect(dropped).toEqual(['60', 'c', 'd', '30', 'e', '30', 'f']);
  again();
  bytes.add(60, drop('i'));
  expect(dropped.length).toBe(7);
});
