import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { poll } from '../support/poll.ts';
import { testServer } from '../support/postgres.ts';
import { type Proxy, startProxy } from '../support/proxy.ts';
import { ask, WireRig } from '../support/wire-rig.ts';

// Sessions that are read through and whose connections fall silent, while new ones can be made.

let rig: WireRig;
let proxy: Proxy;

beforeAll(async () => {
  rig = await WireRig.make([]);
  proxy = await startProxy(testServer('source'));
});

afterEach(() => rig.closePools());

afterAll(async () => {
  await rig.drop();
  await proxy.close();
});

test('a session whose server knows nothing of it is replaced while somebody waits, and so are its likes', async () => {
  const pool = rig.open({ url: proxy.through(rig.database.url), connectTimeoutMs: 1_000 });
  const loan = await pool.borrow(null);
  loan.release();
  const before = await ask(pool, 'select pg_backend_pid()::text');
  proxy.silence();
  expect(await ask(pool, 'select pg_backend_pid()::text')).not.toBe(before);
  const another = await pool.borrow(null);
  expect(another.connection).not.toBe(loan.connection);
  another.release();
});

test('a session that its server works for is waited for, however long it says nothing', async () => {
  const pool = rig.open({ url: proxy.through(rig.database.url), connectTimeoutMs: 300 });
  await ask(pool, 'select 1::text');
  const holder = new pg.Client({ connectionString: rig.database.url });
  await holder.connect();
  await holder.query('select pg_advisory_lock(7)');
  const asked = ask(pool, `select pg_advisory_xact_lock(7) || 'mine'`);
  const made = proxy.connectionsMade;
  await poll('it to be asked after twice', () => proxy.connectionsMade >= made + 2);
  await holder.end();
  expect(await asked).toBe('mine');
});
