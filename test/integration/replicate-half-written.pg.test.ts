import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { ItemQueue } from '../../connectors/item-queue.ts';
import { ensureFeed } from '../../src/cache/feed/row.ts';
import { migrate } from '../../src/cache/schema/migrate.ts';
import { must } from '../../src/core/assert.ts';
import type { Lsn } from '../../src/core/position/lsn.ts';
import type { Change, EarlyItem, Relation, StreamItem } from '../../src/core/rows/change.ts';
import { rowOf } from '../../src/core/rows/row.ts';
import { type Clock, systemClock } from '../../src/core/waiting/clock.ts';
import { DEFAULT_LIMITS, type EarlyLimits } from '../../src/replicate/feed-options.ts';
import { Progress } from '../../src/replicate/follow/progress.ts';
import { Pump } from '../../src/replicate/follow/pump.ts';
import { acquireLease } from '../../src/replicate/lead/lease.ts';
import { Patience } from '../../src/replicate/lead/patience.ts';
import { Session } from '../../src/replicate/session.ts';
import { untilFirstFailure } from '../../src/replicate/together.ts';
import { Applier } from '../../src/replicate/write/applier.ts';
import { cacheSink, Sinks } from '../../src/replicate/write/sink.ts';
import { HandClock } from '../support/hand-clock.ts';
import { poll } from '../support/poll.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

let source: TestDatabase | undefined;
const clients: pg.Client[] = [];

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.end()));
  await source?.drop();
});

async function connect(database: TestDatabase): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: database.url, pipeline: true } as pg.ClientConfig);
  clients.push(client);
  await client.connect();
  return client;
}

const table = { schema: 'public', name: 'item' };
const relation: Relation = {
  oid: 1,
  table,
  replicaIdentity: 'd',
  columns: [{ name: 'id', typeOid: 23, typeModifier: -1, isKey: true }],
};

function sinks(): Sinks {
  const all = new Sinks(new Set());
  const columns = [{ name: 'id', type: 'integer', oid: 23 }];
  const known = { shape: null, parts: null, exists: true };
  const copy = { target: 'pg2', table, relation: 'copy', columns, key: ['id'], ...known };
  all.set(cacheSink({ ...copy, modifiers: [-1] }));
  return all;
}

function inserts(from: number, count: number): readonly Change[] {
  return Array.from({ length: count }, (_, at) => ({
    kind: 'insert',
    relation,
    after: rowOf([String(from + at)]),
  }));
}

/** Of a transaction that goes on, more than are written at a time. */
function part(from: number): EarlyItem {
  return { kind: 'early-part', xid: 7, subxid: 7, changes: inserts(from, 20) };
}

interface Pumping {
  readonly items: ItemQueue;
  readonly pump: Pump;
  /** What the stream was told about gathering. */
  readonly gathered: readonly boolean[];
  /** Of which transactions it was asked whether the target shows them, and which are applied, in order. */
  readonly steps: readonly string[];
  readonly pid: number;
  /** Rejects with the first failure. */
  readonly done: Promise<void>;
  stop(): Promise<void>;
}

/** Writes what is put into the queue, at most so many changes at a time. */
async function pumping(
  rows: number,
  { early = {}, clock = systemClock }: { readonly early?: Partial<EarlyLimits>; readonly clock?: Clock } = {},
): Promise<Pumping> {
  const { url } = (source = await createDatabase('source'));
  const [control, client] = [await connect(source), await connect(source)];
  await migrate(control);
  await ensureFeed(control, 'pg2', 'postgres');
  await control.query('create table nearjoin.copy (id int primary key)');
  const stopping = new AbortController();
  const candidate = { target: 'pg2', leader: 'one', patience: new Patience(60_000, systemClock) };
  const lease = await acquireLease(control, candidate, systemClock, stopping.signal);
  if (lease === null) throw new Error('no lease');
  const items = new ItemQueue({ drained: () => undefined, left: () => undefined });
  const nothing = (): void => undefined;
  const gathered: boolean[] = [];
  const steps: string[] = [];
  const gather = (isWriting: boolean): void => void gathered.push(isWriting);
  const stream = { isEarly: false, acknowledge: nothing, requestProgress: nothing, gather };
  const pump = new Pump({
    stream: { ...stream, items, close: () => items.end() },
    applier: new Applier({ client, stage: null, lease, seq: 0n }),
    sinks: sinks(),
    progress: new Progress({ after: 1n as Lsn, freshAsOf: null, lastCommit: null }),
    limits: { rows, bytes: 1 << 20 },
    clock,
    shown: async (xids) => void steps.push(`shown ${xids.join()}`),
    onApplied: (_, xids) => void steps.push(`applied ${xids.join()}`),
    early: {
      limits: { ...DEFAULT_LIMITS.early, pingMs: 20, ...early },
      stage: null,
      openSession: () =>
        Session.open(
          { url, applicationName: 'nearjoin feed one', pipeline: true },
          new AbortController().signal,
        ),
    },
  });
  const done = untilFirstFailure(stopping.signal, [
    (stop) => pump.read(stop),
    (stop) => pump.write(stop),
    (stop) => pump.early.watch(stop),
  ]);
  const { rows: found } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  return {
    items,
    pump,
    gathered,
    steps,
    pid: found[0]?.pid ?? 0,
    done,
    stop: async () => {
      stopping.abort();
      await done;
    },
  };
}

/** 150 rows of a transaction are written, and the session was heard of since. */
async function halfWritten({ items, pid }: Pumping): Promise<void> {
  items.put([{ kind: 'begin', xid: 1, commit: 10n as Lsn }, ...inserts(1, 150)], 1);
  await poll('the half to be written, and the session to be heard of', async () => {
    const found = await source?.query(
      `select from pg_stat_activity where pid = $1 and state = 'idle in transaction' and query = 'select 1'`,
      [pid],
    );
    return found?.rows.length === 1;
  });
}

test.each([50, 0])(
  'a session that has written a part of a transaction, and has nothing of it to write for long, is not silent; %i rows follow',
  async (more) => {
    const pumped = await pumping(100);
    const { items, pump } = pumped;
    await halfWritten(pumped);
    // What was proved meanwhile may not be stored: that would commit the half.
    pump.probed(true);
    await new Promise((resolve) => setImmediate(resolve));
    items.put([...inserts(151, more), { kind: 'commit', end: 20n as Lsn, time: 1 }], 1);
    await poll('the whole of it', async () => {
      const found = await source?.query<{ rows: number }>('select count(*)::int as rows from nearjoin.copy');
      return found?.rows[0]?.rows === 150 + more;
    });
    await pumped.stop();
    const marks = await source?.query('select position::text from nearjoin.watermark');
    expect(marks?.rows).toEqual([{ position: '0/14' }]);
  },
);

test('who waits for a turn when the feed stops is told, and who comes after that', async () => {
  const pumped = await pumping(100);
  const { pump } = pumped;
  await halfWritten(pumped);
  const turn = (): Promise<unknown> => pump.exclusively(async () => 'a turn').catch(String);
  const waiting = turn();
  const stopped = pumped.stop().then(() => 'the end');
  expect(await Promise.race([waiting, stopped])).toBe('Error: the feed stopped');
  await stopped;
  const later = new Promise((resolve) => setImmediate(resolve, 'later'));
  expect(await Promise.race([turn(), later])).toBe('Error: the feed stopped');
});

test('a stream gathers while much is written, and is read at once while little is', async () => {
  const pumped = await pumping(1_000);
  const { items, gathered } = pumped;
  const isWritten = (rows: number): Promise<void> =>
    poll(`${rows} rows`, async () => {
      const found = await source?.query<{ rows: number }>('select count(*)::int as rows from nearjoin.copy');
      return found?.rows[0]?.rows === rows;
    });
  const commit = (end: bigint): StreamItem => ({ kind: 'commit', end: end as Lsn, time: 1 });
  items.put([{ kind: 'begin', xid: 1, commit: 10n as Lsn }, ...inserts(1, 20), commit(20n)], 1);
  await isWritten(20);
  expect(gathered).toEqual([]);
  items.put([{ kind: 'begin', xid: 2, commit: 30n as Lsn }, ...inserts(21, 400), commit(40n)], 1);
  await isWritten(420);
  await poll('the answer', async () => gathered.length === 2);
  expect(gathered).toEqual([true, false]);
  await pumped.stop();
});

async function sessionsOfEarly(which: string): Promise<number | undefined> {
  const found = await source?.query(
    `select from pg_stat_activity
     where datname = current_database() and application_name = 'nearjoin feed one' and ${which}`,
  );
  return found?.rows.length;
}

test.each<[string, (pumped: Pumping, pid: number) => unknown]>([
  ['is cut', (_, pid) => source?.query('select pg_terminate_backend($1)', [pid])],
  ['goes on', ({ items }) => items.put([part(21)], 1)],
])(
  'one that has to end early is ended for that, also when it %s before its end has come',
  async (_name, meanwhile) => {
    const clock = new HandClock();
    const pumped = await pumping(10, { early: { openMs: 200 }, clock });
    const { items, pump, done } = pumped;
    done.catch(() => undefined); // told below
    const holder = await connect(must(source, 'a source'));
    await holder.query('begin; lock table nearjoin.copy');
    items.put([part(1)], 1);
    await poll('it to be begun', async () => pump.early.pids.length === 1);
    const [pid = 0] = pump.early.pids;
    // What is on its way to the source keeps its session from being closed at once.
    await poll('its end', async () => {
      await clock.pass(20);
      return pump.early.pids.length === 0;
    });
    await meanwhile(pumped, pid);
    await expect(done).rejects.toThrow(
      'transaction 7 is not written before it commits: it goes on for too long',
    );
    await holder.query('rollback');
    await poll('its sessions to be gone', async () => (await sessionsOfEarly('true')) === 0);
  },
);

test('the end of one that goes on waits for all before it', async () => {
  const pumped = await pumping(10);
  const { items, pid, steps } = pumped;
  items.put([part(1)], 1);
  const isWritten = `state = 'idle in transaction' and backend_xid is not null`;
  await poll('it to be written', async () => (await sessionsOfEarly(isWritten)) === 1);
  const holder = await connect(must(source, 'a source'));
  await holder.query('begin; insert into nearjoin.copy values (500)');
  const before: readonly StreamItem[] = [
    { kind: 'begin', xid: 8, commit: 10n as Lsn },
    ...inserts(500, 1),
    { kind: 'commit', end: 20n as Lsn, time: 1 },
  ];
  items.put([...before, { kind: 'early-commit', xid: 7, commit: 30n as Lsn, end: 40n as Lsn, time: 2 }], 1);
  await poll('what is before it to be held up', async () => {
    const found = await source?.query(
      `select from pg_stat_activity where pid = $1 and wait_event_type = 'Lock'`,
      [pid],
    );
    return found?.rows.length === 1;
  });
  await holder.query('rollback');
  await poll('its end', async () => steps.length === 4);
  expect(steps).toEqual(['shown 8', 'applied 8', 'shown 7', 'applied 7']);
  await pumped.stop();
});
