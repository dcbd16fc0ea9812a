import { afterEach, expect, test } from 'vitest';
import type { PostgresServer } from '../../src/embedded/server.ts';
import { FeedRig } from '../support/feed.ts';
import { makePlayground, type Playground } from '../support/processes.ts';
import { startTarget } from '../support/servers.ts';
import { databaseAt } from '../support/standby.ts';

// A target that is stopped and started again, as for an update of its software.

let playground: Playground;
let server: PostgresServer | undefined;
let rig: FeedRig | undefined;

afterEach(async () => {
  await rig?.close();
  await server?.stop();
  playground.remove();
});

test('a feed goes on by itself when its target was restarted, and so does a copy that waited for that', async () => {
  playground = makePlayground();
  const directory = `${playground.path}/server`;
  server = await startTarget({ directory, settings: { max_replication_slots: '1' } });
  const { port } = server;
  rig = await FeedRig.open(
    ['create table item (id int primary key)', 'insert into item select generate_series(1, 100)'],
    { item: [] },
    databaseAt(server),
  );
  rig.start({ timings: { walSenderTimeoutMs: 600_000 }, limits: { unfitRetryMs: 600_000 } });
  await rig.until('the copy to want a slot', async () => {
    const state = (await rig?.tableStatus('item'))?.state;
    return state?.kind === 'failed' && state.reason.includes('max_replication_slots');
  });
  await server.stop();
  server = await startTarget({ directory, port });
  await rig.ready();
  await rig.caughtUp();
  const before = (await rig.tableStatus('item'))?.relation;
  // A walsender lets its server go only when the reader has confirmed everything, or after the time-out.
  await server.stop();
  await rig.until('the loss to be noticed', async () => (await rig?.status())?.state === 'retrying');
  server = await startTarget({ directory, port });
  await rig.target.query('insert into item select generate_series(101, 150)');
  await rig.target.query('delete from item where id <= 20');
  await rig.until('streaming', async () => (await rig?.status())?.state === 'streaming');
  await rig.caughtUp();
  const { target, cache } = await rig.contents('item');
  expect(cache).toEqual(target);
  expect(cache).toHaveLength(130);
  expect((await rig.tableStatus('item'))?.relation).toBe(before);
});
