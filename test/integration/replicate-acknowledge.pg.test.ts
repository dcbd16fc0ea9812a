import { afterEach, expect, test } from 'vitest';
import { FeedRig } from '../support/feed.ts';
import { insertPosition } from '../support/postgres.ts';

let rig: FeedRig | undefined;
let release: () => void = () => undefined;

afterEach(async () => {
  release(); // also where the test failed before
  await rig?.close();
});

/** Whether the target was told of more than the cache's newest committed watermark. */
async function isAhead(of: FeedRig): Promise<boolean> {
  const { rows: slots } = await of.target.query<{ confirmed: string }>(
    `select confirmed_flush_lsn::text as confirmed from pg_replication_slots
     where database = current_database() and not temporary`,
  );
  const { rows } = await of.source.query<{ ahead: boolean }>(
    'select position < $1::pg_lsn as ahead from nearjoin.watermark order by seq desc limit 1',
    [slots[0]?.confirmed],
  );
  return rows[0]?.ahead ?? true;
}

interface Held {
  readonly rig: FeedRig;
  /** How often the target was told since. */
  readonly ticks: () => number;
}

/** What comes of a hundred rows, which may be nothing but a watermark, is written and not committed. */
async function heldBeforeCommit(of: 'item' | 'other' = 'item'): Promise<Held> {
  const tables = ['create table item (id int primary key)', 'create table other (id int primary key)'];
  const held = await FeedRig.open(tables, { item: [] });
  rig = held;
  let isHeld = false;
  let ticks = 0;
  let reached = false;
  const released = new Promise<void>((resolve) => {
    release = () => {
      isHeld = false;
      resolve();
    };
  });
  held.start({
    onStep: async (step) => {
      if (step === 'apply:acknowledged') ticks += 1;
      if (!isHeld || step !== 'apply:watermark-written') return;
      reached = true;
      await released;
    },
  });
  await held.ready();
  await held.caughtUp();
  isHeld = true;
  await held.target.query(`insert into ${of} select generate_series(1, 100)`);
  await held.until('that to be written', () => Promise.resolve(reached));
  ticks = 0;
  return { rig: held, ticks: () => ticks };
}

test.each(['item', 'other'] as const)(
  'the target is told of a position only after it was committed here (%s)',
  async (of) => {
    const { rig: held, ticks } = await heldBeforeCommit(of);
    await held.until('the target to be told a few times', () => Promise.resolve(ticks() > 3));
    expect(await isAhead(held)).toBe(false);
    release();
    await held.caughtUp();
    expect(await isAhead(held)).toBe(false);
  },
);

test('rows and their watermark are seen together, when both are committed', async () => {
  const { rig: held } = await heldBeforeCommit();
  const relation = (await held.tableStatus('item'))?.relation;
  const seen = async (): Promise<unknown> => {
    const { rows } = await held.source.query(
      `select (select count(*)::int from nearjoin."${relation}") as rows,
         (select position::text from nearjoin.watermark order by seq desc limit 1) as position`,
    );
    return rows[0];
  };
  const before = await seen();
  expect(before).toMatchObject({ rows: 0 });
  expect(await insertPosition(held.target)).not.toBe((before as { position: string }).position);
  release();
  await held.caughtUp();
  expect(await seen()).toMatchObject({ rows: 100 });
});
