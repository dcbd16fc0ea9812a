import { expect, test } from 'vitest';
import { type Connector, ConnectorError } from '../../../connectors/connector.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { AwayWatch } from '../../../src/replicate/away-watch.ts';
import { DEFAULT_LIMITS } from '../../../src/replicate/feed-options.ts';

test('a slot is held to its ceiling, also where a published table cannot be let go', async () => {
  const say = (): void => undefined;
  let dropped: () => void = say;
  const drop = new Promise<void>((resolve) => {
    dropped = resolve;
  });
  const connector: Pick<Connector, 'slot' | 'protect' | 'slotHealth' | 'drop' | 'close'> = {
    slot: 'nearjoin_1_pg2',
    protect: () => Promise.reject(new ConnectorError('unfit', 'must be owner of publication')),
    slotHealth: () =>
      Promise.resolve({ kind: 'unfinished', retainedWalBytes: DEFAULT_LIMITS.maxRetainedWalBytes + 1 }),
    drop: () => Promise.resolve(dropped()),
    close: () => Promise.resolve(),
  };
  const watch = new AwayWatch(
    {
      clock: systemClock,
      limits: DEFAULT_LIMITS,
      log: { debug: say, info: say, warn: say, error: say },
      source: 'pg1',
      target: 'pg2',
    },
    connector as Connector,
  );
  await drop;
  await expect(watch.stop()).resolves.toBeUndefined();
});
