import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { type PostgresServer, startPostgres } from '../../src/embedded/server.ts';
import { FeedRig } from '../support/feed.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { makePlayground, type Playground } from '../support/processes.ts';

// A target that is stopped and started again, as for an update of its software.

let playground: Playground;
let server: PostgresServer | undefined;
let rig: FeedRig | undefined;

afterEach(async () => {
  await rig?.close();
  await server?.stop();
  playground.remove();
});

function databaseOn(target: PostgresServer): TestDatabase {
  const { host, port, version } = target;
  const url = (database: string): string => target.url(database);
  const pool = new pg.Pool({ connectionString: url('postgres'), max: 2, allowExitOnIdle: true });
  pool.on('error', () => undefined); // the restart ends idle sessions
  return {
    url: url('postgres'),
    name: 'postgres',
    server: { host, port, version, url },
    query: (sql, params = []) => pool.query(sql, [...params]),
    drop: () => pool.end(),
  };
}

test('a feed goes on by itself when its target was restarted', async () => {
  playground = makePlayground();
  const directory = `${playground.path}/server`;
  server = await startPostgres({ directory, fsync: false });
  const { port } = server;
  rig = await FeedRig.open(
    ['create table item (id int primary key)', 'insert into item select generate_series(1, 100)'],
    { item: [] },
    databaseOn(server),
  );
  rig.start();
  await rig.ready();
  await rig.caughtUp();
  const before = (await rig.tableStatus('item'))?.relation;
  const begunMs = performance.now();
  await server.stop();
  // A walsender lets its server go only when the reader has confirmed everything.
  expect(performance.now() - begunMs).toBeLessThan(5_000);
  await rig.until('the loss to be noticed', async () => (await rig?.status())?.state === 'retrying');
  server = await startPostgres({ directory, fsync: false, port });
  await rig.target.query('insert into item select generate_series(101, 150)');
  await rig.target.query('delete from item where id <= 20');
  await rig.until('streaming', async () => (await rig?.status())?.state === 'streaming');
  await rig.caughtUp();
  const { target, cache } = await rig.contents('item');
  expect(cache).toEqual(target);
  expect(cache).toHaveLength(130);
  expect((await rig.tableStatus('item'))?.relation).toBe(before);
});
