import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import type { FeedLimits } from '../../src/replicate/feed-options.ts';
import { EARLY_TARGET, halfWritten } from '../support/early.ts';
import { FeedRig } from '../support/feed.ts';
import { spawnReplicator } from './process.ts';

// Two replicators in processes of their own: the leader is killed, or stopped and woken again.

let rig: FeedRig;
const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) {
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await exited;
  }
  await rig?.close();
});

function run(limits: Partial<FeedLimits>): ChildProcess {
  const child = spawnReplicator(rig, limits);
  children.push(child);
  return child;
}

async function epoch(): Promise<number> {
  return Number((await rig.source.query('select epoch from nearjoin.feed')).rows[0]?.['epoch']);
}

/** Takes no other leader for dead while a test goes on. */
const PATIENT = { leaderStaleMs: 600_000 };

/** A leader and a second in waiting. */
async function open(waiting: Partial<FeedLimits>): Promise<{ leader: ChildProcess; relation: string }> {
  rig = await FeedRig.open(
    [
      EARLY_TARGET,
      'create table item (id int primary key, n int)',
      'insert into item select g, g from generate_series(1, 50) g',
    ],
    { item: [] },
  );
  const leader = run(PATIENT);
  await rig.until('the leader', async () => (await rig.status()) !== undefined);
  await rig.ready();
  await rig.caughtUp();
  run(waiting);
  await rig.until('the second to wait', async () => {
    const waiting = await rig.source.query(
      `select from pg_stat_activity where datname = current_database() and application_name like 'nearjoin feed %'
         and query like 'select leader from nearjoin.feed%updated_at%'`,
    );
    return (waiting.rowCount ?? 0) > 0;
  });
  return { leader, relation: (await rig.tableStatus('item'))?.relation ?? '' };
}

/** Waits until what is written now is in the cache. */
async function served(id: number): Promise<void> {
  await rig.target.query('delete from item where id = $1', [id]);
  await rig.caughtUp();
}

test('a leader that is killed is followed at once, without another copy', async () => {
  const { leader, relation } = await open(PATIENT);
  leader.kill('SIGKILL');
  await served(1);
  expect((await rig.tableStatus('item'))?.relation).toBe(relation);
  const { target, cache } = await rig.contents('item');
  expect(cache).toEqual(target);
});

test('a leader that is stopped is replaced, and writes nothing when it goes on', async () => {
  const { leader, relation } = await open(PATIENT);
  // Among what it has written is half of a transaction that goes on; its locks must not outlive its lead.
  const large = new pg.Client({ connectionString: rig.target.url });
  await large.connect();
  await large.query('begin');
  await large.query('update item set n = n + 1 where id > 40');
  await large.query('insert into item select g, 0 from generate_series(1001, 3000) g');
  await halfWritten(rig);
  const before = await epoch();
  leader.kill('SIGSTOP');
  // However slow the machine, the test alone says when it was silent for too long.
  await rig.until('another leader', async () => {
    const silent = `update nearjoin.feed set updated_at = clock_timestamp() - interval '1 hour' where epoch = $1`;
    await rig.source.query(silent, [before]);
    return (await epoch()) > before;
  });
  await served(1);
  const after = await epoch();
  expect(after).toBe(before + 1);
  leader.kill('SIGCONT');
  for (let id = 2; id <= 20; id += 1) await served(id);
  await large.query('commit');
  await large.end();
  await rig.caughtUp();
  expect(await epoch()).toBe(after);
  expect((await rig.tableStatus('item'))?.relation).toBe(relation);
  const { target, cache } = await rig.contents('item');
  expect(cache).toEqual(target);
  expect(cache).toHaveLength(2_030);
});
