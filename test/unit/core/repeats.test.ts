import { expect, test } from 'vitest';
import { Repeats } from '../../../src/core/repeats.ts';

test('the same failure is said at once and then at growing distances, with the number left out', () => {
  let now = 0;
  const repeats = new Repeats({ monotonicMs: () => now, delay: () => Promise.resolve() });
  const said: [minutes: number, leftOut: number][] = [];
  for (; now < 16 * 60_000; now += 1_000) {
    const leftOut = repeats.heard('gone');
    if (leftOut !== null) said.push([now / 60_000, leftOut]);
  }
  expect(said).toEqual([
    [0, 0],
    [1, 59],
    [3, 119],
    [7, 239],
    [15, 479],
  ]);
  expect(repeats.heard('something else')).toBe(0);
  expect(repeats.heard('gone')).toBeNull();
  repeats.forget();
  expect(repeats.heard('gone')).toBe(0);
});
