import { expect, test } from 'vitest';
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
