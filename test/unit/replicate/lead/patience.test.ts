import { expect, test } from 'vitest';
import { acquireLease } from '../../../../src/replicate/lead/lease.ts';
import { Patience } from '../../../../src/replicate/lead/patience.ts';

test('who has ended a silent leader waits twice as long for the next, up to a minute, and after a while as ever', () => {
  let now = 0;
  const patience = new Patience(4_000, { monotonicMs: () => now });
  patience.spent('one');
  patience.spent('one');
  expect(patience.ms).toBe(8_000);
  for (const leader of ['two', 'three', 'four', 'five']) patience.spent(leader);
  expect(patience.ms).toBe(60_000);
  now = 600_000;
  expect(patience.ms).toBe(60_000);
  now += 1;
  expect(patience.ms).toBe(4_000);
});

test('a leader is ended when it was silent for longer than the patience of who waits, and that costs patience', async () => {
  let silentMs = 0;
  const ended: number[] = [];
  let isLeading = false;
  const clock = { monotonicMs: () => 0, delay: async () => void (silentMs += 1_000) };
  const patience = new Patience(4_000, clock);
  const rowsFor = (sql: string, values: readonly unknown[]): object[] => {
    if (sql.includes('pg_try_advisory_lock')) return [{ locked: isLeading }];
    if (sql.includes('updated_at)) > $2'))
      return silentMs > Number(values[1]) * 1_000 ? [{ leader: 'it' }] : [];
    if (sql.includes('pg_terminate_backend')) isLeading = ended.push(silentMs) > 0;
    return sql.includes('returning epoch') ? [{ epoch: '2' }] : [{ leader: null }];
  };
  const client = {
    query: (sql: unknown, values: readonly unknown[] = []) =>
      Promise.resolve({ rows: rowsFor(String(sql), values), rowCount: null, fields: [] }),
  };
  const stop = new AbortController().signal;
  const candidate = { target: 'pg2', leader: 'me', patience };
  await acquireLease(client as Parameters<typeof acquireLease>[0], candidate, clock, stop);
  [isLeading, silentMs] = [false, 0];
  await acquireLease(client as Parameters<typeof acquireLease>[0], candidate, clock, stop);
  expect(ended).toEqual([5_000, 9_000]);
});
