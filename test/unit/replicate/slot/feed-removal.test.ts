import { expect, test } from 'vitest';
import { type Connector, ConnectorError } from '../../../../connectors/connector.ts';
import { systemClock } from '../../../../src/core/waiting/clock.ts';
import { DEFAULT_LIMITS, type FeedOptions } from '../../../../src/replicate/feed-options.ts';
import { FeedRemoval } from '../../../../src/replicate/slot/feed-removal.ts';
import { SourceClock } from '../../../../src/replicate/source-clock.ts';
import { serverError } from '../../../support/server-error.ts';

interface Said {
  readonly text: string;
  readonly fields: object;
}

/** A removal whose target answers every drop with this, and everything it says. */
function removal(answer: ConnectorError | null): {
  readonly drop: () => Promise<void>;
  readonly lose: (failure: Error, name?: string | null) => Promise<boolean>;
  readonly said: Said[];
  readonly wait: (ms: number) => void;
} {
  const said: Said[] = [];
  let now = 0;
  const say = (fields: object, text: string): void => void said.push({ text, fields });
  const connector: Pick<Connector, 'slot' | 'drop' | 'close'> = {
    slot: 'nearjoin_1_pg2',
    drop: () => (answer === null ? Promise.resolve() : Promise.reject(answer)),
    close: () => Promise.resolve(),
  };
  const options: FeedOptions = {
    source: 'pg1',
    target: 'pg2',
    sourceUrl: 'postgres://me:secret@host/orders',
    targetUrl: 'postgres://me:secret@host/people',
    connect: () => connector as Connector,
    connector: 'postgres',
    limits: DEFAULT_LIMITS,
    clock: { ...systemClock, monotonicMs: () => now },
    pace: null,
    random: () => 0.5,
    log: { debug: say, info: say, warn: say, error: say },
    onProbe: () => undefined,
    sourceClock: new SourceClock(systemClock),
    unavailable: null,
    notedSlot: null,
    installation: null,
    onNamed: () => undefined,
    refreshCatalog: () => Promise.resolve(),
  };
  const tested = new FeedRemoval(options);
  return {
    drop: () => tested.freeTarget(connector as Connector),
    lose: (failure, name = connector.slot) =>
      tested.withoutSource({ slot: name, connect: options.connect }, failure, new AbortController().signal),
    said,
    wait: (ms) => {
      now += ms;
    },
  };
}

const HOUR_MS = 3_600_000;
const away = new ConnectorError('retry', 'the target is away');
const noRight = new ConnectorError('unfit', 'must be owner', serverError('42501'));
const noDatabase = new ConnectorError('unfit', 'no such database', serverError('3D000'));
const NAMES = {
  slot: 'nearjoin_1_pg2',
  publication: 'nearjoin_1_pg2',
  sourceDatabase: 'orders',
  targetDatabase: 'people',
};

test('a target that is away is tried again for an hour, then given up with one line', async () => {
  const { drop, said, wait } = removal(away);
  wait(HOUR_MS - 1);
  await expect(drop()).rejects.toBe(away);
  expect(said).toEqual([]);
  wait(1);
  await drop();
  await drop();
  expect(said).toMatchObject([{ text: expect.stringContaining('by hand'), fields: NAMES }]);
  expect(JSON.stringify(said)).not.toContain('secret');
});

test.each([noRight, noDatabase])(
  'what time does not change is given up at once: $message',
  async (failure) => {
    const { drop, said } = removal(failure);
    await drop();
    expect(said).toMatchObject([{ fields: NAMES }]);
  },
);

test('a source that is away keeps nobody from freeing the target; a source that is gone ends it', async () => {
  const { lose, said } = removal(null);
  expect(await lose(new Error('connection refused'))).toBe(false);
  expect(said).toEqual([]);
  expect(await lose(serverError('3D000'))).toBe(true);
  expect(said).toMatchObject([{ text: expect.stringContaining('on its target only'), fields: NAMES }]);
});

test('a source that is gone does not end it while the target is still to be freed', async () => {
  const { lose, said, wait } = removal(away);
  expect(await lose(serverError('3D000'))).toBe(false);
  wait(HOUR_MS);
  expect(await lose(serverError('3D000'))).toBe(true);
  const texts = said.map(({ text }) => text.replace(/:.*/, ''));
  expect(texts).toEqual(['gave up on a target', 'gave up a feed']);
});
