import { expect, test } from 'vitest';
import { Stop } from '../../../src/core/waiting/stop-signal.ts';
import { ConnectionLost } from '../../../src/read/wire/failure.ts';
import { Leases } from '../../../src/read/wire/leases.ts';

test('whoever waits for a session hears at once that none can be made', async () => {
  const connect = (): Promise<never> => Promise.reject(new ConnectionLost('no connection'));
  const leases = new Leases({ most: 1, timeoutMs: 2_000, connect });
  const asked = await Promise.allSettled([leases.take(null), leases.take(null), leases.take(null)]);
  expect(asked.map((one) => (one.status === 'rejected' ? String(one.reason) : 'lent'))).toEqual(
    asked.map(() => 'ConnectionLost: no connection'),
  );
});

test('who has gone already waits for none', async () => {
  const never = (): Promise<never> => new Promise(() => undefined);
  const leases = new Leases({ most: 1, timeoutMs: 2_000, connect: never });
  void leases.take(null);
  const gone = new Stop();
  gone.abort(new Error('gone'));
  await expect(leases.take(gone)).rejects.toBe(gone.reason);
});
