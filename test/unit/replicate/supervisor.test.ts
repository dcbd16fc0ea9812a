import { expect, test } from 'vitest';
import type { WantedTable } from '../../../src/catalog/catalog.ts';
import { systemClock } from '../../../src/core/waiting/clock.ts';
import { DEFAULT_LIMITS } from '../../../src/replicate/feed-options.ts';
import type { NotedSlot } from '../../../src/replicate/slot/slot-book.ts';
import { Supervisor } from '../../../src/replicate/supervisor.ts';
import { logInto } from '../../support/log-lines.ts';
import { memoryBook } from '../../support/slot-book.ts';

test('no feed begins that came to be wanted before all were stopped, and was waited for until then', async () => {
  let isBegun = false;
  const wanted = {
    source: 'pg1',
    target: 'pg2',
    lookups: [],
    mapping: null,
    get table() {
      isBegun = true; // whoever runs a feed looks at its tables
      return { ref: { schema: 'public', name: 'item' } };
    },
  } as unknown as WantedTable;
  const snapshot = {
    catalog: { sources: new Map(), wanted: [wanted], resourceVersion: 1 },
    urls: new Map([['pg1', 'this address leads nowhere']]),
  };
  let read: (slots: readonly NotedSlot[]) => void = () => undefined;
  const slots = new Promise<readonly NotedSlot[]>((resolve) => {
    read = resolve;
  });
  let ask: () => void = () => undefined;
  const isAsked = new Promise<void>((resolve) => {
    ask = resolve;
  });
  const noted = (): Promise<readonly NotedSlot[]> => {
    ask();
    return slots;
  };
  const supervisor = new Supervisor({
    catalogs: {
      changes: async function* () {
        yield snapshot;
      },
      refresh: () => Promise.resolve(),
    },
    connect: () => {
      throw new Error('never used');
    },
    limits: DEFAULT_LIMITS,
    clock: systemClock,
    random: () => 0.5,
    log: logInto([]),
    onProbe: () => undefined,
    book: { ...memoryBook(), noted },
  });
  supervisor.start();
  await isAsked;
  const stopped = supervisor.stop();
  read([]);
  await stopped;
  expect(isBegun).toBe(false);
});
