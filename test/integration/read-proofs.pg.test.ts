import { afterEach, beforeEach, expect, test } from 'vitest';
import type { TargetReport } from '../../src/read/freshness.ts';
import { FeedRig } from '../support/feed.ts';
import { TestLane } from '../support/lane.ts';
import { leadingTo } from '../support/leading-to.ts';
import { poll } from '../support/poll.ts';
import { createDatabase } from '../support/postgres.ts';

const USER = {
  name: 'user',
  definition: leadingTo('pg2', 'user', { user_id: 'id' }),
};
const TABLES = { pg1: [{ table: 'order', remote_relationships: [USER] }], pg2: [{ table: 'user' }] };
const QUERY = '{ order { id user { name } } }';
const BOUND_MS = 50;
const NEVER_BY_ITSELF_MS = 600_000;

let rig: FeedRig;
let lane: TestLane;

beforeEach(async () => {
  rig = await FeedRig.open(
    ['create table "user" (id bigint primary key, name text)', `insert into "user" values (10, 'Ada')`],
    { user: [['id']] },
  );
  await rig.source.query('create table "order" (id int primary key, user_id int)');
  await rig.source.query('insert into "order" values (1, 10)');
  lane = await TestLane.open({ pg1: rig.source, pg2: rig.target }, TABLES);
});

afterEach(async () => {
  await lane?.close();
  await rig?.close();
});

async function ask(maxStalenessMs = BOUND_MS): Promise<TargetReport | undefined> {
  const { text, targets } = await lane.query(QUERY, { freshness: { maxStalenessMs } });
  expect(text).toBe('{"order":[{"id":1,"user":{"name":"Ada"}}]}');
  return targets[0];
}

async function untilHit(): Promise<void> {
  await poll('an answer from the cache within the bound', async () => {
    const report = await ask();
    if (report?.reason !== 'hit') return false;
    expect(report.stalenessMs).toBeLessThanOrEqual(BOUND_MS);
    return true;
  });
}

async function watermarks(): Promise<number> {
  const { rows } = await rig.source.query<{ seq: string }>('select max(seq) as seq from nearjoin.watermark');
  return Number(rows[0]?.seq);
}

test('a small bound is met by the cache of a feed that another process leads', async () => {
  rig.start({ limits: { probeIntervalMs: NEVER_BY_ITSELF_MS } });
  await rig.ready();
  await untilHit();
});

test('rows of another database than the metadata names are in no answer, whatever is asked', async () => {
  const other = await createDatabase('target', [
    'create table "user" (id bigint primary key, name text)',
    `insert into "user" values (10, 'Grace')`,
  ]);
  rig.start();
  await rig.ready();
  const elsewhere = await TestLane.open({ pg1: rig.source, pg2: other }, TABLES);
  try {
    const maxStalenessMs = 60_000;
    for (const fallback of ['live', 'stale'] as const) {
      const { text, targets } = await elsewhere.query(QUERY, { freshness: { maxStalenessMs, fallback } });
      expect(text).toBe('{"order":[{"id":1,"user":{"name":"Grace"}}]}');
      expect(targets).toMatchObject([{ route: 'live', reason: 'miss', detail: 'other-database' }]);
    }
    const insisting = elsewhere.query(QUERY, { freshness: { maxStalenessMs, fallback: 'error' } });
    await expect(insisting).rejects.toMatchObject({ code: 'not-fresh' });
    await untilHit();
  } finally {
    await elsewhere.close();
    await other.drop();
  }
});

test('the usual bound is met by the cache of a feed through Kafka, which proves itself once a minute', async () => {
  rig.start({ limits: { probeIntervalMs: NEVER_BY_ITSELF_MS } });
  await rig.ready();
  const before = await watermarks();
  await rig.source.query(`update nearjoin.feed set connector = 'kafka'`);
  await poll('proofs that were wished for', async () => {
    await lane.query(QUERY);
    return (await watermarks()) >= before + 10;
  });
});

test('proofs heard in memory come at short intervals while asked for and seldom again afterwards', async () => {
  const usualMs = 400;
  rig.start({
    limits: { probeIntervalMs: usualMs },
    onProbe: (probe) => lane.probes.put('pg1', 'pg2', probe),
  });
  await rig.ready();
  await rig.until('a proof heard in memory', async () => rig.probes.length > 0);
  await untilHit();
  // While a machine stands still nothing is heard, and what is asked for then comes in writing.
  await poll('fifty proofs, few of them in writing', async () => {
    const begunMs = performance.now();
    const [written, proved] = [await watermarks(), rig.probes.length];
    await poll('fifty proofs', async () => {
      await ask();
      return rig.probes.length - proved >= 50;
    });
    return (await watermarks()) - written < 10 + (performance.now() - begunMs) / usualMs;
  });
  await poll('proofs to be seldom', async () => {
    const [before, last] = rig.probes.slice(-2).map(({ freshAsOf }) => freshAsOf / 1000);
    return before !== undefined && last !== undefined && last - before >= usualMs - 1;
  });
});

test('proofs of a feed that another process leads are all in writing, and no oftener, for a bound that they just meet', async () => {
  const usualMs = 100;
  rig.start({ limits: { probeIntervalMs: usualMs } });
  await rig.ready();
  await poll('twenty proofs, all of them in writing', async () => {
    const begunMs = performance.now();
    const [written, proved] = [await watermarks(), rig.probes.length];
    await poll('twenty proofs', async () => {
      await ask(300);
      return rig.probes.length - proved >= 20;
    });
    const isUsual = (performance.now() - begunMs) / usualMs >= 18;
    return isUsual && (await watermarks()) - written >= 18;
  });
});
