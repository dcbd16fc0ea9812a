import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { requestPause, requestResume } from '../../src/cache/feed/requests.ts';
import { settleable } from '../../src/core/waiting/settleable.ts';
import type { StepHook } from '../../src/replicate/steps.ts';
import { databaseApart } from '../support/apart.ts';
import { FeedRig } from '../support/feed.ts';
import { dropSlots, type TestDatabase } from '../support/postgres.ts';

let rig: FeedRig;

beforeEach(() => open());

afterEach(() => rig?.close());

async function open(target?: TestDatabase): Promise<void> {
  const setUp = ['create table item (id int primary key)', 'insert into item select generate_series(1, 100)'];
  rig = await FeedRig.open(setUp, { item: [] }, target);
}

async function openApart(): Promise<void> {
  await rig.close();
  await open(await databaseApart());
}

async function relation(): Promise<string> {
  return (await rig.tableStatus('item'))?.relation ?? '';
}

async function pause(): Promise<void> {
  expect(await requestPause(rig.source, 'pg2')).toBe(true);
  await rig.until('the pause', async () => (await rig.status())?.state === 'paused');
}

async function same(): Promise<number> {
  await rig.ready();
  await rig.caughtUp();
  const { target, cache } = await rig.contents('item');
  expect(cache).toEqual(target);
  return cache.length;
}

async function writeLog(): Promise<void> {
  for (let n = 0; n < 8; n += 1)
    await rig.target.query(`select pg_logical_emit_message(false, 'test', repeat('x', 1000000))`);
}

async function slotDropped(): Promise<void> {
  await rig.until('the slot to be dropped', async () => {
    const { rows } = await rig.target.query(
      'select from pg_replication_slots where database = current_database() and not temporary',
    );
    return rows.length === 0;
  });
}

test('a slot that was asked after before it was made is not taken for a lost one', async () => {
  const held = settleable<void>();
  let asked = 0;
  rig.start({
    onConnect: (connector) => {
      const slotHealth = connector.slotHealth.bind(connector);
      connector.slotHealth = async () => {
        const isFirst = asked === 0;
        asked += 1;
        const health = await slotHealth();
        if (isFirst) await held.promise;
        return health;
      };
    },
  });
  await rig.ready();
  const [copy, before] = [await relation(), asked];
  held.resolve();
  await rig.until('the slot to be asked after again', () => Promise.resolve(asked >= before + 2));
  await rig.ready();
  expect(await relation()).toBe(copy);
});

test('too much retained log: the slot is dropped while paused, and the cache built anew on resume', async () => {
  await openApart();
  rig.start({ limits: { maxRetainedWalBytes: 4 * 1024 * 1024 } });
  await rig.ready();
  await pause();
  await writeLog();
  await slotDropped();
  expect((await rig.status())?.position).toBeNull();
  const said = /^\d{4}-\d\d-\d\dT.*Z .*more than the 4 MB allowed/;
  await rig.until('the reason', async () => said.test((await rig.status())?.lastError ?? ''));
  await rig.until('the pause to go on', async () => (await rig.status())?.state === 'paused');
  await rig.target.query('delete from item where id = 1');
  expect(await requestResume(rig.source, 'pg2')).toBe(true);
  await rig.until('streaming', async () => (await rig.status())?.state === 'streaming');
  await rig.ready();
  expect(await same()).toBe(99);
});

test('too much retained log: the slot is dropped while the feed rests after a failure', async () => {
  await openApart();
  let isIll = false;
  rig.start({
    limits: { maxRetainedWalBytes: 4 * 1024 * 1024, retryMs: { first: 600_000, longest: 600_000 } },
    onStep: (step) => {
      if (isIll && step === 'apply:begun') throw new Error('the source is ill');
    },
  });
  await rig.ready();
  isIll = true;
  await rig.target.query('delete from item where id = 1');
  await rig.until('the rest', async () => (await rig.status())?.state === 'retrying');
  await writeLog();
  await slotDropped();
  expect(await rig.status()).toMatchObject({ position: null });
});

test('too much log retained by a snapshot that waits: it is let go, and the cache stays', async () => {
  await openApart();
  const holder = new pg.Client({ connectionString: rig.target.url });
  await holder.connect();
  await rig.target.query('create table other (id int primary key)');
  let isLater = false;
  const settled: StepHook = async (step) => {
    // Nothing of it is in the log, so that it holds back nothing of what the feed's own slot must send.
    if (step === 'copy:settled' && isLater) await holder.query('begin; select pg_current_xact_id()');
  };
  rig.start({ limits: { maxRetainedWalBytes: 4 * 1024 * 1024 }, onStep: settled });
  await rig.ready();
  const before = await relation();
  isLater = true;
  await rig.track({ item: [], other: [] });
  await rig.until('the snapshot to wait', async () => (await restartOf('temporary')) !== null);
  for (let n = 0; n < 6; n += 1) {
    const from = await restartOf('not temporary');
    await rig.target.query(`select pg_logical_emit_message(false, 'test', repeat('x', 1000000))`);
    await rig.until('the slot to move', async () => {
      await rig.target.query('checkpoint');
      return (await restartOf('not temporary')) !== from;
    });
  }
  await rig.until('it to be told', () =>
    Promise.resolve(rig.log.some((line) => /a snapshot that waits .* more than the 4 MB allowed/.test(line))),
  );
  isLater = false;
  await holder.end();
  await rig.until('the copy', async () => (await rig.tableStatus('other'))?.state.kind === 'ready');
  expect(await relation()).toBe(before);
});

/** The newest watermark, and when the leader was heard of last. */
async function newest(): Promise<{ readonly seq: string; readonly heardAt: number }> {
  const { rows } = await rig.source.query<{ seq: string }>(
    'select max(seq)::text as seq from nearjoin.watermark',
  );
  return { seq: rows[0]?.seq ?? '', heardAt: (await rig.status())?.heardAt ?? 0 };
}

async function restartOf(kind: string): Promise<string | null> {
  const { rows } = await rig.target.query<{ at: string }>(
    `select restart_lsn::text as at from pg_replication_slots where database = current_database() and ${kind}`,
  );
  return rows[0]?.at ?? null;
}

test('a slot that is lost while its feed is paused is told at once; the cache is not used, and is copied on resume', async () => {
  rig.start();
  await rig.ready();
  const before = await relation();
  await pause();
  expect((await rig.status())?.reason).toBe('paused by an administrator');
  await dropSlots(rig.target);
  const said = 'paused by an administrator; the cache was given up';
  await rig.until('the loss to be told', async () => (await rig.status())?.reason?.startsWith(said) === true);
  expect(await rig.status()).toMatchObject({ state: 'paused', position: null });
  expect((await rig.status())?.lastError).toContain('the replication slot is gone');
  expect(rig.log.filter((line) => line.includes('the replication slot is gone'))).toHaveLength(1);
  expect(await relation()).toBe(before);
  const given = await newest();
  await rig.until(
    'more looks at the slot',
    async () => ((await rig.status())?.heardAt ?? 0) > given.heardAt + 2_000_000,
  );
  expect(await newest()).toMatchObject({ seq: given.seq });
  await rig.target.query('delete from item where id = 1');
  await requestResume(rig.source, 'pg2');
  await rig.copiedAgain('item', before);
  expect(await same()).toBe(99);
});

test('pause keeps the slot and the rows; resume goes on', async () => {
  rig.start();
  await rig.ready();
  const before = await relation();
  await pause();
  await rig.target.query('delete from item where id = 1');
  expect((await rig.contents('item')).cache).toHaveLength(100);
  await requestResume(rig.source, 'pg2');
  expect(await same()).toBe(99);
  expect(await relation()).toBe(before);
});
