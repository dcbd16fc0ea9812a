import { expect, test } from 'vitest';
import { lsnFromBits as at } from '../../../../src/core/position/lsn.ts';
import { Stuck } from '../../../../src/replicate/lead/stuck.ts';

test('a change that cannot be sent is passed by when it breaks the stream again, the next ones less and less often', () => {
  let now = 0;
  const stuck = new Stuck({ monotonicMs: () => now, delay: () => Promise.resolve() }, () => 1);
  expect([
    stuck.broke(null),
    stuck.broke(null),
    stuck.broke(at(1n)),
    stuck.broke(at(2n)),
    stuck.broke(at(2n)),
  ]).toEqual(['try again', 'try again', 'try again', 'try again', 'pass by']);
  now += 599_999;
  expect([stuck.broke(at(3n)), stuck.broke(at(3n)), stuck.broke(at(3n))]).toEqual([
    'try again',
    'rest',
    'rest',
  ]);
  now += 1;
  expect(stuck.broke(at(3n))).toBe('pass by');
  now += 600_000;
  expect([stuck.broke(at(4n)), stuck.broke(at(4n))]).toEqual(['try again', 'rest']);
  stuck.forget();
  expect(stuck.broke(at(4n))).toBe('pass by');
});
