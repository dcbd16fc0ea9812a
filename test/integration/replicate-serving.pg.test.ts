import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { parseLsn } from '../../src/core/position/lsn.ts';
import type { Step } from '../../src/replicate/steps.ts';
import { FeedRig, type SupervisorSettings } from '../support/feed.ts';
import { TestLane } from '../support/lane.ts';
import { leadingTo } from '../support/leading-to.ts';
import { poll } from '../support/poll.ts';
import { insertPosition } from '../support/postgres.ts';

// A column is added to a cached table. The copy without it is read, and fed, until the copy with it is ready.

let rig: FeedRig;
let lane: TestLane;

let gates: Gate[] = [];

afterEach(async () => {
  for (const gate of gates) gate.open();
  gates = [];
  await lane?.close();
  await rig?.close();
});

const ROWS = 40;
const METADATA = {
  pg1: [
    {
      table: 'orders',
      remote_relationships: [
        {
          name: 'item',
          definition: leadingTo('pg2', 'item', { item_id: 'id' }),
        },
      ],
    },
  ],
  pg2: [{ table: 'item' }],
};

async function open(settings: SupervisorSettings = {}): Promise<void> {
  rig = await FeedRig.open(
    [
      'create table item (id int primary key, n int not null, name text)',
      `insert into item select g, 0, 'name ' || g from generate_series(1, ${ROWS}) g`,
    ],
    { item: [['id']] },
  );
  await rig.source.query('create table orders (id int primary key, item_id int)');
  await rig.source.query(`insert into orders select g, g from generate_series(1, ${ROWS}) g`);
  rig.start(settings);
  await rig.ready();
  lane = await openLane();
}

/** As the databases are now; a busy machine is no reason to answer live. */
function openLane(): Promise<TestLane> {
  const patient = { waitMs: 30_000, connectTimeoutMs: 30_000 };
  return TestLane.open({ pg1: rig.source, pg2: rig.target }, METADATA, patient);
}

/** Holds the replicator at one step after another, until it is let go on. */
class Gate {
  #step: Step | null = null;
  #reached: () => void = () => undefined;
  #release: () => void = () => undefined;

  constructor() {
    gates.push(this);
  }

  readonly onStep = async (step: Step): Promise<void> => {
    if (step !== this.#step) return;
    this.#step = null;
    const released = new Promise<void>((resolve) => {
      this.#release = resolve;
    });
    this.#reached();
    await released;
  };

  /** Resolves when the step is reached, where the replicator stays. */
  at(step: Step): Promise<void> {
    return new Promise((resolve) => {
      this.#step = step;
      this.#reached = resolve;
      this.#release();
    });
  }

  open(): void {
    this.#step = null;
    this.#release();
  }
}

/** Every row changes, so that a torn answer shows; one goes, one comes back, one changes its key for a while. */
async function write(round: number): Promise<void> {
  await rig.target.query(
    `begin;
     update item set n = ${round};
     delete from item where id = ${(round % 5) + 1};
     insert into item (id, n, name) select g, ${round}, 'back ' || g from generate_series(1, 5) g
       where g <> ${(round % 5) + 1} on conflict do nothing;
     update item set id = case id when 10 then 1010 else 10 end where id in (10, 1010);
     commit`,
  );
}

const query = (columns: string): string => `{ orders(order_by: {id: asc}) { id item { id ${columns} } } }`;

/** The cache's answer holds all that was committed before, and is the target's own and the one of a plain join. */
async function agree(columns: string): Promise<void> {
  const position = parseLsn(await insertPosition(rig.target));
  const tokens = new Map([['pg2', { position, history: null }]]);
  const cached = await lane.query(query(columns), {
    freshness: { tokens, fallback: 'wait', maxStalenessMs: 60_000 },
  });
  const live = await lane.query(query(columns), { freshness: { noCache: true } });
  expect(cached.targets).toMatchObject([{ route: 'cache', reason: 'hit' }]);
  expect(live.targets).toMatchObject([{ route: 'live' }]);
  const items = await rig.target.query<{ id: number }>(
    `select id, ${columns.split(' ').join(', ')} from item`,
  );
  const byId = new Map(items.rows.map((item) => [item.id, item]));
  const orders = Array.from({ length: ROWS }, (_, at) => ({ id: at + 1, item: byId.get(at + 1) ?? null }));
  const joined = JSON.stringify({ orders });
  expect({ cached: cached.text, live: live.text }).toEqual({ cached: joined, live: joined });
}

/** Reads all the while, whatever the age: always from a cache, never torn, never older than before. */
function reading(): { stop(): Promise<number> } {
  let isOver = false;
  let answers = 0;
  const run = async (): Promise<number> => {
    let before = 0;
    for (; !isOver; answers += 1) {
      const { text, targets } = await lane.query(query('n name'), { freshness: { fallback: 'stale' } });
      expect(targets).toMatchObject([{ route: 'cache', reason: 'hit' }]);
      const { orders } = JSON.parse(text) as { orders: { item: { n: number } | null }[] };
      const [n = 0, ...others] = new Set(orders.flatMap(({ item }) => (item === null ? [] : [item.n])));
      expect(others, 'an answer of two moments').toEqual([]);
      expect(n, 'an answer older than the one before').toBeGreaterThanOrEqual(before);
      before = n;
    }
    return answers;
  };
  const done = run();
  done.catch(() => undefined); // told when it is stopped
  return {
    stop: () => {
      isOver = true;
      return done;
    },
  };
}

/** Where the stream goes on, and freshness is proved, while the replicator is held there. */
const STREAMING: readonly Step[] = [
  'copy:begun',
  'copy:snapshot-taken',
  'copy:rows-copied',
  'copy:indexes-built',
  'copy:caught-up',
  'copy:ready',
];

test.each([
  ['a constant', 'add column extra int default 7'],
  ['a value of each row', 'add column extra int generated by default as identity'],
])(
  'with %s in the new column: the copy before answers until the new one is ready, and sees every write',
  async (_, change) => {
    const gate = new Gate();
    await open({ onStep: gate.onStep });
    const before = await rig.tableStatus('item');
    const reader = reading();
    let round = 1;
    await rig.target.query(`alter table item ${change}`);
    const noted = gate.at('replace:noted');
    await rig.refresh();
    await noted;
    await write(round++);
    for (const step of STREAMING) {
      await gate.at(step);
      await write(round++);
      await agree('n name');
    }
    await gate.at('replace:dropped');
    await write(round++);
    gate.open();
    await rig.ready();
    await agree('n name');
    expect(await reader.stop()).toBeGreaterThan(0);
    const now = await rig.tableStatus('item');
    expect(now).toMatchObject({ state: { kind: 'ready' }, serving: null });
    const { rows } = await rig.source.query('select to_regclass($1) as there', [
      `nearjoin."${before?.relation}"`,
    ]);
    expect(rows).toEqual([{ there: null }]);
    await lane.close();
    lane = await openLane();
    await agree('n name extra');
  },
);

test('a query that needs the new column is answered live until its copy is ready; the others are not', async () => {
  const gate = new Gate();
  await open({ onStep: gate.onStep });
  await rig.target.query(`alter table item add column extra text default 'filled'`);
  const held = gate.at('copy:snapshot-taken');
  await rig.refresh();
  await held;
  await lane.close();
  lane = await openLane();
  const { targets } = await lane.query(query('n extra'));
  expect(targets).toMatchObject([{ route: 'live', reason: 'miss', detail: 'copying' }]);
  await agree('n name');
  expect((await rig.tableStatus('item'))?.doing).toContain('serves meanwhile');
  gate.open();
  await rig.ready();
  await agree('n extra');
});

test('a replicator that stops in between is followed by one that goes on feeding the copy that serves', async () => {
  const gate = new Gate();
  await open({ onStep: gate.onStep });
  const before = await rig.tableStatus('item');
  const reader = reading();
  await rig.target.query('alter table item add column extra int default 7');
  const held = gate.at('copy:rows-copied');
  await rig.refresh();
  await held;
  const stopping = rig.stop();
  gate.open();
  await stopping;
  await write(1);
  const next = new Gate();
  const again = next.at('copy:snapshot-taken');
  rig.start({ onStep: next.onStep });
  await again;
  await agree('n name');
  expect((await rig.tableStatus('item'))?.serving?.relation).toBe(before?.relation);
  await write(2);
  await agree('n name');
  next.open();
  await rig.ready();
  await agree('n name');
  await reader.stop();
});

test('a copy that somebody reads goes on being fed when a newer one is ready, and goes afterwards', async () => {
  const gate = new Gate();
  await open({ onStep: gate.onStep });
  const before = await rig.tableStatus('item');
  const ready = gate.at('copy:ready');
  await rig.target.query('alter table item add column extra int default 7');
  await rig.refresh();
  await ready;
  const dump = new pg.Client({ connectionString: rig.source.url });
  await dump.connect();
  await dump.query(`begin; select from nearjoin."${before?.relation}" limit 1`);
  gate.open();
  for (const round of [1, 2]) {
    await write(round);
    await agree('n name');
  }
  const { rows } = await dump.query<{ n: number }>(`select distinct n from nearjoin."${before?.relation}"`);
  expect(rows).toEqual([{ n: 2 }]);
  await dump.query('commit');
  await rig.until('the older copy to go', async () => (await rig.tableStatus('item'))?.serving === null);
  await dump.end();
});

const HELD_MS = 3_000;

/**
 * What a reader would take once the given time is proved. Null when it is not proved for a while: the copy that is held
 * back may keep a look at the tables waiting, and nothing is called fresh meanwhile.
 */
async function readPast(time: string): Promise<string | null> {
  let relation: string | null = null;
  const isProved = async (): Promise<boolean> => {
    const { rows } = await rig.source.query<{ relation: string | null; fresh: boolean }>(
      `select case t.state when 'ready' then t.relation else t.serving ->> 'relation' end as relation,
         (select w.fresh_as_of > $1::bigint from nearjoin.watermark w order by w.seq desc limit 1) as fresh
       from nearjoin.cache_table t`,
      [time],
    );
    relation = rows[0]?.relation ?? null;
    return rows[0]?.fresh === true;
  };
  const proved = await poll('freshness past the change', isProved, HELD_MS).then(
    () => true,
    () => false,
  );
  return proved ? relation : null;
}

test.each([
  ['rewritten with other values', 'alter column n type int using n * 10'],
  ['of another type', 'alter column n type bigint'],
  ['renamed', 'rename column name to label'],
  ['dropped', 'drop column name'],
  ['made again', `drop column name, add column name text default 'other'`],
])(
  'a column %s while the copy without a new one serves: that copy is never called fresh past it',
  async (_, change) => {
    const gate = new Gate();
    await open({ onStep: gate.onStep });
    const before = await rig.tableStatus('item');
    const held = gate.at('copy:snapshot-taken');
    await rig.target.query('alter table item add column extra int default 7');
    await rig.refresh();
    await held;
    expect((await rig.tableStatus('item'))?.serving?.relation).toBe(before?.relation);
    await rig.target.query(`alter table item ${change}`);
    const { rows } = await rig.source.query<{ now: string }>(
      'select (extract(epoch from clock_timestamp()) * 1000000)::bigint::text as now',
    );
    const again = gate.at('copy:snapshot-taken');
    await rig.refresh();
    await again;
    expect(await readPast(rows[0]?.now ?? '')).not.toBe(before?.relation);
    gate.open();
    await rig.until('the copy to be the target', async () => {
      // Between two looks it may be copied once more: the stream has come to the change, or the catalog has.
      const found = await rig.contents('item').catch(() => null);
      return found !== null && JSON.stringify(found.target) === JSON.stringify(found.cache);
    });
  },
);
