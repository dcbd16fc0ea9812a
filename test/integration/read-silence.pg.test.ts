import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { readApplied } from '../../src/cache/feed/applied-commits.ts';
import { systemClock } from '../../src/core/waiting/clock.ts';
import { FeedNews } from '../../src/subscribe/feed-news.ts';
import { poll } from '../support/poll.ts';
import { testServer } from '../support/postgres.ts';
import { type Proxy, startProxy } from '../support/proxy.ts';
import { ask, firstAnswer, WireRig } from '../support/wire-rig.ts';

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
  const pool = rig.open({ url: proxy.through(rig.database.url), silenceMs: 1_000 });
  const loan = await pool.borrow(null);
  loan.release();
  const before = await ask(pool, 'select pg_backend_pid()::text');
  proxy.silence();
  expect(await ask(pool, 'select pg_backend_pid()::text')).not.toBe(before);
  const another = await pool.borrow(null);
  expect(another.connection).not.toBe(loan.connection);
  another.release();
});

test('news of feeds go on over another session when the one that is asked has fallen silent', async () => {
  const pool = rig.open({ url: proxy.through(rig.database.url), silenceMs: 1_000 });
  const heard: string[] = [];
  const news = new FeedNews({
    // Each answer is another.
    applied: async () => {
      const text = await ask(pool, `select json_build_object('pg2', clock_timestamp())::text`);
      return readApplied(text ?? undefined);
    },
    clock: systemClock,
    everyMs: 10,
    retryMs: 10,
    onNews: (_source, target) => heard.push(target),
  });
  news.watch('pg1');
  await poll('news', () => heard.length > 0);
  proxy.silence();
  const before = heard.length + 1; // one answer may have come through
  await poll('more news', () => heard.length > before);
  news.unwatch('pg1');
});

test('a session whose server cannot be asked is given up', async () => {
  const pool = rig.open({ url: proxy.through(rig.database.url), silenceMs: 100, connectTimeoutMs: 1_000 });
  const isAnswered = (): Promise<boolean> =>
    ask(pool, 'select 1::text').then(
      () => true,
      () => false,
    );
  await poll('a session', isAnswered);
  proxy.setMode('black-hole');
  expect(await isAnswered()).toBe(false);
  proxy.reset();
  proxy.setMode('forward');
  await poll('another', isAnswered);
});

test.each([
  ['however long it says nothing', true],
  ['where that refuses to be asked, too', false],
])('a session that its server works for is waited for, %s', async (_how, isLetIn) => {
  const pool = rig.open({ url: proxy.through(rig.database.url), silenceMs: 300 });
  await firstAnswer(pool, 'select 1::text');
  const holder = new pg.Client({ connectionString: rig.database.url });
  const admin = new pg.Client({ connectionString: testServer('source').url('postgres') });
  await Promise.all([holder.connect(), admin.connect()]);
  await holder.query('select pg_advisory_lock(7)');
  const letIn = (isAllowed: boolean) =>
    admin.query(`alter database ${rig.database.name} allow_connections ${isAllowed}`);
  await letIn(isLetIn);
  const asked = ask(pool, `select pg_advisory_xact_lock(7) || 'mine'`);
  const made = proxy.connectionsMade;
  await poll('it to be asked after twice', () => proxy.connectionsMade >= made + 2);
  await letIn(true);
  await Promise.all([holder.end(), admin.end()]);
  expect(await asked).toBe('mine');
});
