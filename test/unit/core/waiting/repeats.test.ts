import { expect, test } from 'vitest';
import { Repeats } from '../../../../src/core/waiting/repeats.ts';

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

test.each([
  [true, 'held by session 4711 (psql)', 'held by session 4712 (psql)'],
  [
    true,
    'the slot is at 0/1BD3020, past the position 0/1BD3000',
    'the slot is at A/1, past the position 9/FF',
  ],
  [true, 'transaction 71234 of 12 bytes, 3', 'transaction 5 of 1 bytes, 4'],
  [true, 'connect to 127.0.0.1:5432: process 1.', 'connect to 127.0.0.1:5432: process 2.'],
  [false, 'refused a value (SQLSTATE 22003)', 'refused a value (SQLSTATE 22012)'],
  [false, 'refused it (42501)', 'refused it (42502)'],
  [false, 'relation t1', 'relation t2'],
  [false, 'relation "1"', 'relation "2"'],
  [true, 'relation "pg2__public__t__g1"', 'relation "pg2__public__t__g23"'],
  [false, 'connect to 127.0.0.1', 'connect to 127.0.0.2'],
  [false, 'connect to host:5432', 'connect to host:5433'],
])('%s: a repetition of one another are “%s” and “%s”', (isOne, first, second) => {
  const repeats = new Repeats({ monotonicMs: () => 0, delay: () => Promise.resolve() });
  repeats.heard(first);
  expect(repeats.heard(second)).toBe(isOne ? null : 0);
});
