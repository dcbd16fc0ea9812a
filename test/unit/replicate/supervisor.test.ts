import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Connector } from '../../../connectors/connector.ts';
import type { WantedTable } from '../../../src/catalog/catalog.ts';
import { systemClock } from '../../../src/core/waiting/clock.ts';
import { type Settleable, settleable } from '../../../src/core/waiting/settleable.ts';
import { DEFAULT_LIMITS } from '../../../src/replicate/feed-options.ts';
import type { NotedSlot } from '../../../src/replicate/slot/slot-book.ts';
import { type CatalogFeed, Supervisor, type SupervisorOptions } from '../../../src/replicate/supervisor.ts';
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
  const slots = gate<readonly NotedSlot[]>();
  const supervisor = supervise({
    catalogs: catalogsOf(async function* () {
      yield snapshot;
    }),
    connect: () => {
      throw new Error('never used');
    },
    book: { ...memoryBook(), noted: slots.pass },
  });
  supervisor.start();
  await slots.reached.promise;
  const stopped = supervisor.stop();
  slots.open.resolve([]);
  await stopped;
  expect(isBegun).toBe(false);
});

test('a target that moves while another feed ends is left once', async () => {
  const urls = (pg2: string) =>
    new Map([
      ['pg1', NOWHERE],
      ['pg2', pg2],
      ['pg3', 'third'],
    ]);
  const listed = new Map(['pg1', 'pg2'].map((name) => [name, { kafka: null, unavailable: 'away' }]));
  const snapshot = (resourceVersion: number, pg2: string, targets: readonly string[]) => ({
    catalog: { sources: listed, wanted: targets.map(wantedFrom), resourceVersion },
    urls: urls(pg2),
  });
  const [seen, ended, books, closing, moves] = [
    settleable<void>(),
    gate<void>(),
    gate<void>(),
    gate<void>(),
    settleable<void>(),
  ];
  let connections = 0;
  const connect = (url: string): Connector => {
    if (url === 'before') connections += 1;
    const isFirst = url === 'before' && connections === 1;
    return {
      kind: 'kafka',
      slotHealth: async () => {
        if (isFirst) seen.resolve();
        return { kind: 'missing' };
      },
      protect: async () => undefined,
      drop: async () => undefined,
      close: isFirst ? closing.pass : async () => undefined,
    } as unknown as Connector;
  };
  let readings = 0;
  const noted = async (): Promise<readonly NotedSlot[]> => {
    readings += 1;
    if (readings === 2) await books.pass();
    return ['pg2', 'pg3'].map((target) => ({ slot: `slot_${target}`, source: 'pg1', target }));
  };
  const supervisor = supervise({
    catalogs: catalogsOf(async function* () {
      yield snapshot(1, 'before', ['pg2', 'pg3']);
      await moves.promise;
      yield snapshot(2, 'after', ['pg2']);
    }),
    connect,
    limits: { ...DEFAULT_LIMITS, giveUpAfterMs: 0 },
    book: { ...memoryBook(), noted, forget: ended.pass },
  });
  supervisor.start();
  await Promise.all([seen.promise, ended.reached.promise]);
  moves.resolve();
  await books.reached.promise;
  ended.open.resolve();
  await closing.reached.promise;
  books.open.resolve();
  await setImmediate();
  closing.open.resolve();
  await setImmediate();
  await supervisor.stop();
  // One for who watched its slot, two for who leaves it.
  expect(connections).toBe(3);
});

const NOWHERE = 'postgres://127.0.0.1:1/nowhere';

function wantedFrom(target: string): WantedTable {
  const table = { ref: { schema: 'public', name: 'item' }, columns: [] };
  return { source: 'pg1', target, lookups: [], mapping: null, table } as unknown as WantedTable;
}

interface Gate<T> {
  readonly reached: Settleable<void>;
  readonly open: Settleable<T>;
  readonly pass: () => Promise<T>;
}

/** Something that a test lets through when it wants to. */
function gate<T>(): Gate<T> {
  const [reached, open] = [settleable<void>(), settleable<T>()];
  const pass = (): Promise<T> => {
    reached.resolve();
    return open.promise;
  };
  return { reached, open, pass };
}

function catalogsOf(changes: () => AsyncIterable<unknown>): CatalogFeed {
  return { changes: changes as CatalogFeed['changes'], refresh: () => Promise.resolve() };
}

function supervise(
  given: Pick<SupervisorOptions, 'catalogs' | 'connect' | 'book'> & Partial<SupervisorOptions>,
): Supervisor {
  return new Supervisor({
    limits: DEFAULT_LIMITS,
    clock: systemClock,
    random: () => 0.5,
    log: logInto([]),
    onProbe: () => undefined,
    ...given,
  });
}
