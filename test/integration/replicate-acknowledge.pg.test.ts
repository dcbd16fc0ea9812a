import { afterEach, expect, test } from 'vitest';
import { FeedRig } from '../support/feed.ts';

let rig: FeedRig | undefined;

afterEach(() => rig?.close());

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

test('the target is told of a position only after it was committed here', async () => {
  rig = await FeedRig.open(['create table item (id int primary key)'], { item: [] });
  let isHeld = false;
  let ticks = 0;
  let reached = false;
  let release: () => void = () => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  rig.start({
    onStep: async (step) => {
      if (step === 'apply:acknowledged') ticks += 1;
      if (!isHeld || step !== 'apply:watermark-written') return;
      reached = true;
      await released;
    },
  });
  await rig.ready();
  await rig.caughtUp();
  isHeld = true;
  await rig.target.query('insert into item select generate_series(1, 100)');
  await rig.until('the batch to be written and not committed', () => Promise.resolve(reached));
  ticks = 0;
  await rig.until('the target to be told a few times', () => Promise.resolve(ticks > 3));
  expect(await isAhead(rig)).toBe(false);
  isHeld = false;
  release();
  await rig.caughtUp();
  expect(await isAhead(rig)).toBe(false);
});
