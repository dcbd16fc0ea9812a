import { expect, test } from 'vitest';
import { type Connector, ConnectorError, type ConnectorFailure } from '../../../../connectors/connector.ts';
import { ZERO_LSN } from '../../../../src/core/position/lsn.ts';
import { systemClock } from '../../../../src/core/waiting/clock.ts';
import { DEFAULT_LIMITS } from '../../../../src/replicate/feed-options.ts';
import { SlotWatch } from '../../../../src/replicate/slot/slot-watch.ts';

/** What is done to a slot that holds so much more than it may, and whose tables cannot be let go, by the end of three looks. */
async function done(
  activePid: number | null,
  over = 1,
  failure: ConnectorFailure = 'unfit',
): Promise<readonly string[]> {
  const say = (): void => undefined;
  const steps: string[] = [];
  let thrice: () => void = say;
  const looked = new Promise<void>((resolve) => {
    thrice = resolve;
  });
  const retainedWalBytes = DEFAULT_LIMITS.maxRetainedWalBytes + over;
  const connector: Pick<Connector, 'slot' | 'protect' | 'slotHealth' | 'drop' | 'close'> = {
    slot: 'nearjoin_1_pg2',
    protect: () => {
      steps.push('protect');
      if (steps.filter((step) => step === 'protect').length === 3) thrice();
      return Promise.reject(new ConnectorError(failure, 'must be owner of publication'));
    },
    slotHealth: () =>
      Promise.resolve({
        kind: 'usable',
        confirmed: ZERO_LSN,
        retainedWalBytes,
        retainedForCopies: 0,
        activePid,
        isSynced: false,
        heldBack: null,
      }),
    drop: () => Promise.resolve(void steps.push('drop')),
    close: () => Promise.resolve(),
  };
  const watch = new SlotWatch(
    {
      clock: { ...systemClock, delay: (ms) => Promise.resolve(void steps.push(`rest ${ms}`)) },
      limits: { ...DEFAULT_LIMITS, unreadMs: 0 },
      log: { debug: say, info: say, warn: say, error: say },
    },
    connector as Connector,
  );
  await looked;
  await expect(watch.stop()).resolves.toBeUndefined();
  return steps.slice(0, steps.lastIndexOf('protect'));
}

test('a slot is held to its ceiling, also where a published table cannot be let go', async () => {
  expect(await done(null)).toContain('drop');
  expect(await done(null, 0)).not.toContain('drop');
});

test('one that somebody reads from is left to him', async () => {
  expect(await done(11)).not.toContain('drop');
});

test('a target that refuses the role is not asked every second', async () => {
  expect(await done(null)).not.toContain('rest 1000');
  expect(await done(null, 1, 'retry')).toContain('rest 1000');
});
