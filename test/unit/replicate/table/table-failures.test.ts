import { expect, test } from 'vitest';
import { TableFailures } from '../../../../src/replicate/table/table-failures.ts';

const table = { schema: 'public', name: 'item' };

test('a table that fails again and again rests longer and longer, and one that was well for long begins anew', () => {
  let now = 0;
  const clock = { monotonicMs: () => now, delay: () => Promise.resolve() };
  const failures = new TableFailures(clock, () => 1);
  const restOf = (): number | null => {
    failures.copyFailed(table, 'no', 0);
    return failures.nextMs();
  };
  expect([restOf(), restOf(), restOf()]).toEqual([2_000, 4_000, 8_000]);
  now += 3_599_999;
  expect(restOf()).toBe(16_000);
  now += 3_600_000;
  expect(restOf()).toBe(2_000);
  now += 3_600_000;
  // At once, the first time.
  failures.broke({ table, relation: 'copy', message: 'no' }, 0);
  expect([failures.nextMs(), [...failures.broken()]]).toEqual([null, [['copy', 'no']]]);
  failures.discarded();
  expect([failures.broken().size, restOf()]).toEqual([0, 4_000]);
});

test('a table whose rest ended while the others were looked at is due at once', () => {
  let now = 1_000;
  const clock = { monotonicMs: () => now, delay: () => Promise.resolve() };
  const failures = new TableFailures(clock, () => 1);
  failures.copyFailed(table, 'no', 0);
  failures.looked();
  expect([failures.resting().size, failures.nextMs()]).toEqual([1, 2_000]);
  now += 2_500;
  expect(failures.nextMs()).toBe(0);
  failures.looked();
  expect([failures.resting().size, failures.nextMs()]).toEqual([0, null]);
});

test('a copy that was interrupted waits as it is; one that failed, or broke, goes', () => {
  let now = 1_000;
  const clock = { monotonicMs: () => now, delay: () => Promise.resolve() };
  const failures = new TableFailures(clock, () => 1);
  const left = (): readonly number[] => [failures.interrupted().size, failures.resting().size];
  failures.copyInterrupted(table, 'no');
  expect(left()).toEqual([1, 0]);
  now += 2_000;
  expect(left()).toEqual([0, 0]);
  failures.copyFailed(table, 'no', 0);
  expect(left()).toEqual([0, 1]);
  failures.copyInterrupted(table, 'no');
  failures.broke({ table, relation: 'copy', message: 'no' }, 10);
  expect(left()).toEqual([0, 1]);
});

test('a table that breaks for the first time because a disk is full rests all the same', () => {
  const failures = new TableFailures({ monotonicMs: () => 0, delay: () => Promise.resolve() }, () => 1);
  failures.broke({ table, relation: 'copy', message: 'no' }, 30_000);
  expect(failures.nextMs()).toBe(30_000);
});
