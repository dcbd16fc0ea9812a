import { once } from 'node:events';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { must } from '../../src/core/assert.ts';
import { type CopyLimits, DEFAULT_LIMITS, type FeedLimits } from '../../src/replicate/feed-options.ts';
import {
  APPLY_STEPS,
  ASK_STEPS,
  COPY_STEPS,
  EARLY_STEPS,
  PIECE_STEPS,
  REBUILD_STEPS,
  REPLACE_STEPS,
  type Step,
  TRIP_STEPS,
} from '../../src/replicate/steps.ts';
import { EARLY_TARGET } from '../support/early.ts';
import { FeedRig } from '../support/feed.ts';
import { poll } from '../support/poll.ts';
import { BUSY, spawnReplicator } from './process.ts';

// The replicator is killed at each named step, some steps twice, and started again; the target is written to all the
// while. In the end the cache is the target, its position never went back, and no change was applied twice.

let rig: FeedRig;
let audit: Audit;
/** Nothing has been killed, and nothing written, since the cache was found to be the target. */
let isSettled = false;

beforeAll(async () => {
  rig = await FeedRig.open(
    [
      'create table counter (id int primary key, n int not null, body text)',
      'alter table counter alter column body set storage external',
      'create table event (id int primary key generated always as identity, note text)',
    ],
    { counter: [['n']], event: [] },
  );
  await fill(0);
});

afterAll(() => rig?.close());

/** Pages that earlier tests left empty would be copied as well. */
async function fill(events: number): Promise<void> {
  await rig.target.query('truncate counter, event');
  await rig.target.query(
    `insert into counter (id, n, body) select g, 0, repeat('x', 2500) from generate_series(1, 60) g`,
  );
  await rig.target.query(`insert into event (note) select 'row ' || g from generate_series(1, ${events}) g`);
}

/** What the watermarks said, in the order they were stored; a position below an earlier one is a lie to a reader. */
class Audit {
  #highest = 0n;

  async look(): Promise<void> {
    const position = (await rig.status())?.position ?? null;
    if (position === null) return;
    expect(position >= this.#highest, 'the position went back').toBe(true);
    this.#highest = position;
  }
}

beforeEach(() => {
  audit = new Audit();
});

/** Rows that come whole make a batch of one trip; those that lack their long text must be counted. */
async function write(round: number, noteLength = 10): Promise<void> {
  await rig.target.query(`insert into event (note) values ('alone ${round}')`);
  const from = (round * 7) % 50;
  await rig.target.query(
    `do $$ begin
       update counter set n = n + 1 where id between ${from} and ${from + 9};
       insert into event (note) select rpad('round ${round}', ${noteLength}, '.')
         from generate_series(1, ${round % 4 === 0 ? 150 : 2});
       update counter set id = id + 1000 where id = ${from + 1};
       update counter set id = id - 1000 where id = ${1000 + from + 1};
       delete from event where id in (select min(id) from event);
     end $$`,
  );
}

/** Often more bytes than one read of a socket: who comes late to read it is to write it in parts too. */
function writeLong(round: number): Promise<void> {
  return write(round, 1_000);
}

/** Enough to be sent before it commits, with parts that are undone. */
async function writeLarge(round: number): Promise<void> {
  await write(round);
  await rig.target.query(
    `do $$ begin
       insert into event (note) select 'large ${round}' from generate_series(1, 600);
       begin
         update counter set n = n + 100;
         delete from event where note = 'large ${round}' and id % 2 = 0;
         raise exception 'undone';
       exception when raise_exception then null;
       end;
       update counter set n = n + 1;
       delete from event where note = 'large ${round}' and id % 4 > 0;
       insert into event (note) select 'more ${round}' from generate_series(1, 300);
       delete from event where note = 'more ${round - 1}';
     end $$`,
  );
}

/** Every table is large, and a piece is a page. */
const PIECES = { wholeBytes: 0, pieceBytes: 1, snapshotMs: 0, mergePages: 1 };

/** Every table's rows are kept before they are indexed. */
const APART = { apartRows: 0 };

/** From so many rows on they are copied into a stage first: no batch here has the one, all but the smallest the other. */
const STAGE = { never: { rows: 1_000_000, bytes: 1 << 30 }, always: { rows: 2, bytes: 4_000 } };

/** Where the replicator ends, after how many times, and how batches are written: statement by statement, with COPY. */
interface Killing {
  readonly at: Step;
  readonly skip?: number;
  readonly stepwise?: boolean;
  readonly staged?: boolean;
  readonly copy?: Partial<CopyLimits>;
}

function limits(copy: Partial<CopyLimits>, staged: boolean): Partial<FeedLimits> {
  const stage = staged ? STAGE.always : STAGE.never;
  return { copy: { ...DEFAULT_LIMITS.copy, ...copy }, stage };
}

/** Writes once before the replicator begins, and then until it has killed itself. */
async function killed(
  { at, skip = 0, stepwise = false, staged = false, copy = {} }: Killing,
  writing: (round: number) => Promise<void> = write,
): Promise<void> {
  isSettled = false;
  const child = spawnReplicator(rig, limits(copy, staged), { at, skip, inOneTrip: !stepwise });
  const exited = once(child, 'exit');
  let errors = '';
  child.stderr?.on('data', (chunk) => {
    errors += String(chunk);
  });
  await writing(0);
  await Promise.race([once(must(child.stdout, 'its output'), 'data'), exited]);
  let round = 0;
  await poll('the replicator to reach its end', async () => {
    round += 1;
    await writing(round);
    await audit.look();
    return child.exitCode !== null || child.signalCode !== null;
  }).catch((error: unknown) => {
    child.kill('SIGKILL');
    throw new Error(`${String(error)}\n${errors}`);
  });
  const [code, signal] = (await exited) as [number | null, string | null];
  expect({ code, signal }, errors).toEqual({ code: null, signal: 'SIGKILL' });
}

/** What a replicator that nobody kills makes of what the others left. */
async function settle(
  copy: Partial<CopyLimits> = {},
  look: () => Promise<void> = async () => {},
): Promise<void> {
  const replicator = rig.start({ limits: { ...BUSY, ...limits(copy, false) } });
  try {
    await rig.until('the tables', async () => {
      await audit.look();
      return (await rig.status())?.state === 'streaming';
    });
    await rig.until('them to be ready', async () => {
      await look();
      const { tables = [] } = (await rig.status()) ?? {};
      const ready = tables.filter(({ state, serving }) => state.kind === 'ready' && serving === null);
      return ready.length === rig.wanted.length;
    });
    await rig.caughtUp();
    await audit.look();
    for (const name of ['counter', 'event']) {
      const { target, cache } = await rig.contents(name);
      expect(cache).toEqual(target);
    }
    isSettled = true;
  } finally {
    await replicator.stop();
  }
}

/** From nothing: also the slot and the tables are new. */
async function startOver(events: number): Promise<void> {
  await rig.source.query('update nearjoin.feed set timeline = timeline + 1').catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === '42P01')) throw error;
  });
  await fill(events);
  audit = new Audit();
}

// Batches go out in one trip or statement by statement, with arrays or with COPY, at every step: what is half done differs.
test.each([...REBUILD_STEPS, ...COPY_STEPS])('killed at %s while everything is copied', async (at) => {
  for (const stepwise of [true, false]) {
    await startOver(100);
    const copy = stepwise || at === 'copy:rows-kept' ? APART : {};
    await killed({ at, stepwise, staged: !stepwise, copy });
  }
  await settle();
});

test.each([...APPLY_STEPS, ...TRIP_STEPS])(
  'killed at %s while changes are applied, at once and later',
  async (at) => {
    const stepwise = at.startsWith('apply:');
    await killed({ at, stepwise }, writeLong);
    await killed({ at, stepwise, staged: true, skip: 3 }, writeLong);
    await settle();
  },
);

test.each(EARLY_STEPS)(
  'killed at %s while a transaction is written before it commits, at once and later',
  async (at) => {
    await rig.target.query(EARLY_TARGET);
    // With nothing to catch up with the first stream sends what goes on.
    if (!isSettled) await settle();
    await killed({ at }, writeLarge);
    await settle();
    await killed({ at, staged: true, skip: 2 }, writeLarge);
    await settle();
  },
);

/** The copies there are to read of the table that gets columns. */
async function served(): Promise<readonly string[]> {
  const { rows } = await rig.source.query<{ relation: string }>(
    `select c.relname as relation
     from nearjoin.cache_table t
     join pg_class c on c.relname = case t.state when 'ready' then t.relation else t.serving ->> 'relation' end
     where t.table_name = 'counter' and c.relnamespace = 'nearjoin'::regnamespace`,
  );
  return rows.map(({ relation }) => relation);
}

test.each([...REPLACE_STEPS, ...COPY_STEPS].map((step, index) => [step, index] as const))(
  'killed at %s while a copy is replaced by one with another column: one of them serves at all times',
  async (at, index) => {
    if ((await rig.status()) === undefined) await settle();
    await rig.target.query(`alter table counter add column extra_${index} int default ${index}`);
    await rig.refresh();
    const look = async (): Promise<void> => {
      expect(await served()).toHaveLength(1);
      expect((await rig.status())?.position ?? null).not.toBeNull();
    };
    await killed({ at, stepwise: index % 2 === 0, copy: at === 'copy:rows-kept' ? APART : {} });
    await look();
    await settle({}, look);
  },
);

async function relations(): Promise<readonly string[]> {
  const { rows } = await rig.source.query<{ relation: string }>(
    `select relation from nearjoin.cache_table where relation in (select relname from pg_class) order by relation`,
  );
  return rows.map(({ relation }) => relation);
}

test.each([
  ...PIECE_STEPS.map((step) => [step, 0] as const),
  ['pieces:read-uncommitted', 4],
  ['pieces:read', 5],
  ['pieces:index-built', 1],
  ...ASK_STEPS.map((step) => [step, 0] as const),
] as const)(
  'killed at %s, after %d times, while large tables are copied piece by piece: what was read stays',
  async (step, skip) => {
    await startOver(1_500);
    await killed({ at: step, skip, staged: skip === 0, copy: PIECES });
    const begun = await relations();
    expect(begun.length).toBeGreaterThan(0);
    await settle(PIECES);
    expect(await relations()).toEqual(expect.arrayContaining([...begun]));
  },
);
