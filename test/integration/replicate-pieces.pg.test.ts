import { randomInt } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import type { CopyLimits } from '../../src/replicate/feed-options.ts';
import type { Step } from '../../src/replicate/steps.ts';
import { CHANGING_TABLES, changeTable, digest, makeTables } from '../support/changing-tables.ts';
import { FeedRig } from '../support/feed.ts';
import { Writer } from '../support/writer.ts';

// Large tables are copied piece by piece, each piece from a snapshot of its own. Here every table is large and a piece is
// a page. Whatever is written meanwhile, the copy is the target: in the end, and at every watermark.

const BUDGET_MS = Number(process.env['NEARJOIN_PIECES_SECONDS'] ?? 5) * 1000;
/** Which further steps a copy takes hangs on what is written meanwhile; crash/replicator waits for each of them. */
const STEPS: readonly Step[] = ['pieces:read', 'pieces:deduplicated'];
const SEED = Number(process.env['NEARJOIN_SEED'] ?? randomInt(2 ** 31));

const TINY: CopyLimits = {
  wholeBytes: 0,
  pieceBytes: 1,
  apartRows: 0,
  snapshotMs: 0,
  mergePages: 1,
  bytesPerS: null,
};
const LIMITS = { copy: TINY, batch: { rows: 50, bytes: 1 << 20 } };

let rig: FeedRig | undefined;

afterEach(async () => {
  await rig?.close();
  rig = undefined;
});

function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Compares each table of the cache with what the journal beside it, of the same watermark, says of it. */
async function expectJournalled(made: FeedRig): Promise<void> {
  const journal = (await made.tableStatus('journal'))?.relation;
  for (const name of CHANGING_TABLES) {
    const cached = await made.tableStatus(name);
    if (cached?.state.kind !== 'ready') throw new Error(`${name} is not ready`);
    const { rows } = await made.source.query(
      `select ${digest(`nearjoin."${cached.relation}"`)} as is,
         (select digest from nearjoin."${journal}" where name = '${name}' order by round desc limit 1) as said`,
    );
    expect(rows[0]?.['is'], `${name}, seed ${SEED}`).toBe(rows[0]?.['said']);
  }
}

test(`every kind of change during the copy of every kind of table (seed ${SEED})`, async () => {
  const made = await FeedRig.open(makeTables(100), { journal: [] });
  rig = made;
  const reached = new Set<Step>();
  made.start({ limits: LIMITS, onStep: (step) => void reached.add(step) });
  await made.ready();
  const pick = random(SEED);
  const followed = (): Promise<void> => made.caughtUp();
  const writers = CHANGING_TABLES.map((name) => {
    return new Writer(made.target.url, (round) => changeTable(name, round, { pick }), followed);
  });
  const all = Object.fromEntries(['journal', ...CHANGING_TABLES].map((name) => [name, []]));
  const began = performance.now();
  try {
    for (;;) {
      await made.track(all);
      await made.ready();
      for (let look = 0; look < 5; look += 1) await expectJournalled(made);
      if (performance.now() - began > BUDGET_MS) break;
      await made.track({ journal: [] });
      await made.until('the copies to be gone', async () => (await made.status())?.tables.length === 1);
    }
  } finally {
    await Promise.all(writers.map((writer) => writer.stop()));
  }
  await made.track(all);
  await made.ready();
  await made.caughtUp();
  await expectJournalled(made);
  for (const name of CHANGING_TABLES) {
    const { target, cache } = await made.contents(name);
    expect(cache, `${name}, seed ${SEED}`).toEqual(target);
  }
  expect([...reached]).toEqual(expect.arrayContaining([...STEPS]));
  expect(made.log.filter((line) => line.startsWith('warn') && !line.includes('rewritten'))).toEqual([]);
});

const PLAIN = [
  'create table doc (id int primary key, note text)',
  `insert into doc select i, rpad('n' || i, 500) from generate_series(1, 200) i`,
  'create table small (id int primary key)',
  'insert into small values (1)',
];

interface Stored {
  readonly relation: string;
  readonly state: string;
  readonly rows_copied: number;
  readonly piece_cursor: { readonly next: number; readonly end: number; readonly rows: number } | null;
}

async function stored(made: FeedRig): Promise<Stored> {
  const { rows } = await made.source.query<Stored & Record<string, unknown>>(
    `select relation, state, rows_copied::int, piece_cursor from nearjoin.cache_table where table_name = 'doc'`,
  );
  if (rows[0] === undefined) throw new Error('doc is not known');
  return rows[0];
}

/** Counts pieces; the work stands still after each of the given numbers of them, until let go on. */
class PieceCount {
  read = 0;
  /** Copies that wait for nothing but their turn, or have had it. */
  settled = 0;
  readonly #stopAfter: readonly number[];
  #letGo: () => void = () => undefined;

  constructor(...stopAfter: readonly number[]) {
    this.#stopAfter = stopAfter;
  }

  readonly onStep = async (step: Step): Promise<void> => {
    if (step === 'copy:settled') this.settled += 1;
    if (step !== 'pieces:read') return;
    this.read += 1;
    if (!this.#stopAfter.includes(this.read)) return;
    await new Promise<void>((resolve) => {
      this.#letGo = resolve;
    });
  };

  letGo(): void {
    this.#letGo();
  }
}

async function expectCopied(made: FeedRig): Promise<void> {
  await made.caughtUp();
  const { target, cache } = await made.contents('doc');
  expect(cache).toEqual(target);
}

async function stoppedAfterTwoPieces(made: FeedRig): Promise<void> {
  const count = new PieceCount(2);
  const supervisor = made.start({ limits: LIMITS, onStep: count.onStep });
  await made.until('two pieces', async () => count.read === 2);
  await made.until('a third, read meanwhile, to wait for the second', async () => {
    const { rows } = await made.source.query(
      `select from pg_stat_activity where datname = current_database() and application_name like 'nearjoin feed%'
         and state = 'idle in transaction' and query like 'copy %'`,
    );
    return rows.length === 1;
  });
  const stopped = supervisor.stop();
  count.letGo();
  await stopped;
}

test('a replicator that stops between two pieces goes on with the third', async () => {
  const made = await FeedRig.open(PLAIN, { doc: [['note']] });
  rig = made;
  await stoppedAfterTwoPieces(made);
  await made.target.query(`update doc set note = 'while nobody looked' where id % 7 = 0`);
  const before = await stored(made);
  expect(before).toMatchObject({ state: 'copying', piece_cursor: { next: 2 } });
  expect(before.rows_copied).toBeGreaterThanOrEqual(before.piece_cursor?.rows ?? Number.NaN);
  const second = new PieceCount();
  const said = new Set<string | null | undefined>();
  made.start({
    limits: LIMITS,
    onStep: async (step) => {
      await second.onStep(step);
      if (step === 'pieces:deduplicated') said.add((await made.tableStatus('doc'))?.doing);
    },
  });
  await made.ready();
  expect(said).toEqual(new Set(['building indexes']));
  expect((await made.tableStatus('doc'))?.doing).toBeNull();
  await expectCopied(made);
  expect(second.read).toBe((before.piece_cursor?.end ?? 0) - 2);
  expect((await stored(made)).relation).toBe(before.relation);
});

test.each([
  ['restarted', 'another', false],
  ['the same process', null, true],
] as const)('a copy read past the position: the target was %s', async (_name, started, goesOn) => {
  const made = await FeedRig.open(PLAIN, { doc: [] });
  rig = made;
  await stoppedAfterTwoPieces(made);
  const before = await stored(made);
  // As when the stream was behind the copy.
  await made.source.query(
    `update nearjoin.cache_table set copied_at = (select max(position) + 1 from nearjoin.watermark)`,
  );
  await made.source.query('update nearjoin.feed set server_started = coalesce($1, server_started)', [
    started,
  ]);
  made.start({ limits: LIMITS });
  await made.ready();
  await expectCopied(made);
  expect((await stored(made)).relation === before.relation).toBe(goesOn);
});

test('a target that ends every session between two pieces has none read twice', async () => {
  const made = await FeedRig.open(PLAIN, { doc: [] });
  rig = made;
  const count = new PieceCount(3);
  const slow = { ...LIMITS, copy: { ...TINY, snapshotMs: 60_000 } };
  made.start({ limits: slow, onStep: count.onStep });
  await made.until('three pieces', async () => count.read === 3);
  const { relation, piece_cursor: cursor } = await stored(made);
  await made.target.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and application_name like 'nearjoin%'`,
  );
  count.letGo();
  await made.ready();
  await expectCopied(made);
  // The session of the fourth may be cut after its commit was sent, and before it is counted.
  expect([0, 1]).toContain((cursor?.end ?? 0) - count.read);
  expect((await stored(made)).relation).toBe(relation);
});

test('a small table does not wait for a large one', async () => {
  const made = await FeedRig.open(PLAIN, { doc: [] });
  rig = made;
  // Its turn comes long before the second stop, and the large one is not done there.
  const count = new PieceCount(2, 8);
  const limits = { ...LIMITS, copy: { ...TINY, wholeBytes: 20_000 }, parallelCopies: 1 };
  made.start({ limits, onStep: count.onStep });
  await made.until('two pieces', async () => count.read === 2);
  await made.track({ doc: [], small: [] });
  await made.until('the other to wait', async () => count.settled === 2);
  count.letGo();
  await made.until('the other', async () => (await made.tableStatus('small'))?.state.kind === 'ready');
  const { piece_cursor: cursor, state } = await stored(made);
  expect(state === 'copying' && cursor !== null && cursor.next < cursor.end, JSON.stringify(cursor)).toBe(
    true,
  );
  await made.until('the second stop', async () => count.read === 8);
  count.letGo();
  await made.ready();
  await expectCopied(made);
});

test('a copy that waits for its turn keeps its place when its table gets a column', async () => {
  const made = await FeedRig.open([...PLAIN, 'create table third (id int primary key)'], { doc: [] });
  rig = made;
  const count = new PieceCount(2);
  const limits = { ...LIMITS, copy: { ...TINY, wholeBytes: 20_000 }, parallelCopies: 1 };
  made.start({ limits, onStep: count.onStep });
  await made.until('two pieces', async () => count.read === 2);
  await made.track({ doc: [], small: [], third: [] });
  await made.until('both to wait', async () => count.settled === 3);
  const before = (await made.tableStatus('small'))?.columns.length ?? 0;
  await made.target.query('alter table small add column more int');
  await made.refresh();
  await made.until('the wider copy to wait', async () => {
    const small = await made.tableStatus('small');
    return small?.state.kind === 'pending' && small.columns.length === before + 1 && count.settled === 4;
  });
  count.letGo();
  await made.ready();
  const generation = async (name: string): Promise<number> =>
    Number((await made.tableStatus(name))?.relation.split('__g').at(-1));
  expect(await generation('small')).toBeLessThan(await generation('third'));
});

test('a table rewritten between two pieces is copied again from the beginning', async () => {
  const made = await FeedRig.open(PLAIN, { doc: [] });
  rig = made;
  const count = new PieceCount(2);
  made.start({ limits: LIMITS, onStep: count.onStep });
  await made.until('two pieces', async () => count.read === 2);
  const { relation } = await stored(made);
  await made.target.query('vacuum full doc');
  count.letGo();
  await made.until('another copy', async () => (await stored(made)).relation !== relation);
  await made.ready();
  await expectCopied(made);
});

test('a source without room fails the table, says so, and is tried again; the others stream on', async () => {
  const made = await FeedRig.open(PLAIN, { small: [] });
  rig = made;
  await made.source.query(
    `create function full() returns event_trigger language plpgsql as
     $$ begin raise exception 'no space left on device' using errcode = 'disk_full'; end $$`,
  );
  made.start({ limits: LIMITS });
  await made.ready();
  await made.source.query(
    `create event trigger no_room on ddl_command_start when tag in ('CREATE INDEX') execute function full()`,
  );
  await made.track({ doc: [], small: [] });
  const said = 'copying failed: the disk of the source database is full: no space left on device';
  await made.until('the failure', async () => {
    const state = (await made.tableStatus('doc'))?.state;
    return state?.kind === 'failed' && state.reason === said;
  });
  await made.target.query('insert into small values (2)');
  await made.caughtUp();
  expect((await made.contents('small')).cache).toHaveLength(2);
  await made.source.query('drop event trigger no_room');
  await made.ready();
  await expectCopied(made);
});

test('copies read no faster than they may', async () => {
  const made = await FeedRig.open(PLAIN, { doc: [] });
  rig = made;
  const bytesPerS = 200_000;
  const began = performance.now();
  made.start({
    limits: { ...LIMITS, copy: { ...TINY, wholeBytes: 1 << 30, snapshotMs: 60_000, bytesPerS } },
  });
  await made.ready();
  await expectCopied(made);
  // 200 rows of more than 500 bytes; the last piece of what is read is not waited for.
  expect(performance.now() - began).toBeGreaterThan(((100_000 - 65_536) / bytesPerS) * 1000);
});
