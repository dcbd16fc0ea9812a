import { expect, test } from 'vitest';
import { ReadPacer } from '../../../connectors/postgres/read-pacer.ts';

/** Whether a nap followed each of the reads, given as time and bytes. */
function naps(reads: readonly (readonly [ms: number, bytes: number])[]): boolean[] {
  const pacer = new ReadPacer();
  return reads.map(([ms, bytes]) => pacer.shouldNap(bytes, ms));
}

test('messages at an ordinary rate are never held up', () => {
  const reads = Array.from({ length: 100 }, (_, index) => [index * 0.3, 200] as const);
  expect(naps(reads)).not.toContain(true);
});

test('a flood of small reads is gathered, a large read is followed at once', () => {
  const flood = Array.from({ length: 9 }, (_, index) => [index * 0.01, 200] as const);
  expect(naps([...flood, [1, 65_536], [1, 65_536], [1, 900]])).toEqual([
    ...Array.from({ length: 8 }, () => false),
    true,
    false,
    false,
    true,
  ]);
});

test('when a nap gathered little the target is read eagerly again', () => {
  const flood = Array.from({ length: 9 }, (_, index) => [index * 0.01, 200] as const);
  expect(naps([...flood, [1.1, 300], [1.2, 300]]).slice(9)).toEqual([false, false]);
});
