import { afterAll, beforeAll, expect, test } from 'vitest';
import { must } from '../../src/core/assert.ts';
import { Stop } from '../../src/core/waiting/stop-signal.ts';
import { Databases } from '../../src/read/databases.ts';
import { ASK_POSITION, LiveSessions, TargetUnavailable } from '../../src/read/live/sessions.ts';
import { DEFAULT_READ_SETTINGS } from '../../src/read/settings.ts';
import { SpareBuffers } from '../../src/read/wire/spare-buffers.ts';
import { TestLane } from '../support/lane.ts';
import { toMany } from '../support/leading-to.ts';
import { poll } from '../support/poll.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { startProxy } from '../support/proxy.ts';

// What becomes of sessions when answers fail, and of answers when sessions end.

const notes = toMany('notes', 'note', { id: 'doc' });
const TABLES = { pg1: [{ table: 'doc', remote_relationships: [notes] }], pg2: [{ table: 'note' }] };
const LIVE = { freshness: { noCache: true } };

let pg1: TestDatabase;
let pg2: TestDatabase;

beforeAll(async () => {
  [pg1, pg2] = await Promise.all([
    createDatabase('source', [
      'create view doc as select id, 1 / (2 - id) as share from generate_series(1, 2) id',
    ]),
    createDatabase('target', [
      'create table note (id int primary key, doc int, body text collate "und-x-icu")',
      `insert into note values (1, 1, 'a'), (2, 2, 'b')`,
    ]),
  ]);
});

afterAll(() => Promise.all([pg1?.drop(), pg2?.drop()]));

test('sessions whose last statement failed serve the next answer', async () => {
  const lane = await TestLane.open({ pg1, pg2 }, TABLES);
  const query = '{ doc { share notes(order_by: {body: asc}) { body } } }';
  try {
    await lane.query(query.replace('share', ''), LIVE);
    const made = await Promise.all([sessionsOf(pg1), sessionsOf(pg2)]);
    for (let i = 0; i < 5; i += 1) await expect(lane.query(query, LIVE)).rejects.toThrow('division by zero');
    const left = await Promise.all([sessionsOf(pg1), sessionsOf(pg2)]);
    expect(left).toEqual(made.map((sessions) => expect.arrayContaining([...sessions])));
  } finally {
    await lane.close();
  }
});

test('who gives up while sessions are opened hears of it at once, and the sessions serve the next', async () => {
  await using proxy = await startProxy(pg1.server);
  const lane = await TestLane.open({ pg1: { ...pg1, url: proxy.through(pg1.url) }, pg2 }, TABLES);
  try {
    proxy.hold();
    for (const query of ['{ doc { id } }', '{ doc { notes { id } } }']) {
      const made = proxy.connectionsMade;
      const gone = new Stop();
      const asked = expect(lane.query(query, { ...LIVE, signal: gone })).rejects.toThrow('gone');
      await poll('a connection', () => proxy.connectionsMade > made);
      gone.abort(new Error('gone'));
      await asked;
    }
    proxy.letGo();
    expect((await lane.query('{ doc(limit: 1) { id } }')).text).toBe('{"doc":[{"id":1}]}');
  } finally {
    proxy.letGo();
    await lane.close();
  }
});

test('nothing is read outside of the snapshots that an answer is made of', async () => {
  const { lane, catalog } = await TestLane.open({ pg1, pg2 }, TABLES);
  const urls = new Map(Object.entries({ pg1: pg1.url, pg2: pg2.url }));
  const settings = { ...DEFAULT_READ_SETTINGS, livePoolSize: 1 };
  const databases = new Databases({ current: () => ({ urls, catalog }) }, settings, new SpareBuffers());
  const wanted = { source: 'pg1', targets: ['pg2'], isReadOnly: false, tokens: new Map() };
  const isBegun = async (text: string): Promise<readonly boolean[]> => {
    const sessions = await LiveSessions.open(databases, wanted, new Stop());
    const asked = [sessions.source(text, []), sessions.target('pg2', text, [])];
    const outcomes = await Promise.allSettled(asked);
    sessions.close({ succeeded: true, dropsTemps: false });
    return outcomes.map(({ status }) => status === 'fulfilled');
  };
  try {
    expect(await isBegun('select 1')).toEqual([true, true]);
    // The statement that begins a transaction is not known there any more, and all others are.
    for (const pool of [databases.source('pg1'), databases.target('pg2')]) {
      const loan = await pool.borrow(null);
      const { connection } = loan;
      await connection.run('deallocate all', [], { signal: null, prepared: false });
      const askPosition = () => connection.run(ASK_POSITION.text, [], { signal: null, prepared: true });
      await askPosition().catch(() => askPosition());
      loan.release();
    }
    expect(await isBegun('select 2')).toEqual([false, false]);
  } finally {
    await Promise.all([databases.close(), lane.close()]);
  }
});

test('a target that is lost after its rows were read is told as the target', async () => {
  const { lane, catalog } = await TestLane.open({ pg1, pg2 }, TABLES);
  const urls = new Map(Object.entries({ pg1: pg1.url, pg2: pg2.url }));
  const book = { current: () => ({ urls, catalog }) };
  const databases = new Databases(book, DEFAULT_READ_SETTINGS, new SpareBuffers());
  try {
    const wanted = { source: 'pg1', targets: ['pg2'], isReadOnly: false, tokens: new Map() };
    const sessions = await LiveSessions.open(databases, wanted, new Stop());
    await sessions.target('pg2', 'select from note', []);
    await pg2.query(`select pg_terminate_backend(pid, 5000) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid() and query = 'select from note'`);
    await expect(sessions.checkTargets()).rejects.toBeInstanceOf(TargetUnavailable);
    sessions.close({ succeeded: false, dropsTemps: false });
  } finally {
    await Promise.all([databases.close(), lane.close()]);
  }
});

test('what waits for a cache goes on when its sessions are given up for others', async () => {
  const settings = { maxStalenessMs: 600_000, waitMs: 60_000 };
  const lane = await TestLane.open({ pg1, pg2 }, TABLES, settings);
  try {
    await lane.fillCaches();
    await lane.setWatermark('pg1', 'pg2', '0/2', 3_600_000);
    const waiting = lane.query('{ doc { notes { id } } }', { freshness: { fallback: 'wait' } });
    const outcome = waiting.then(
      ({ targets }) => targets.map(({ route }) => route),
      (error: unknown) => error,
    );
    const asking = await untilAsked(pg1, 'select coalesce(w.position%');
    await pg1.query('create extension citext');
    await lane.lookAgain();
    await lane.query('{ doc { id } }');
    await untilEnded(pg1, asking);
    await lane.setWatermark('pg1', 'pg2', '0/3');
    expect(await outcome).toEqual(['cache']);
  } finally {
    await lane.close();
  }
});

/** Waits until the read lane runs such a statement; returns the session that did. */
async function untilAsked(database: TestDatabase, like: string): Promise<number> {
  const found: number[] = [];
  await poll(`${like} to be asked`, async () => {
    const { rows } = await database.query<{ pid: number }>(
      `select pid from pg_stat_activity where datname = current_database() and query like $1`,
      [like],
    );
    found.push(...rows.map(({ pid }) => pid));
    return found.length > 0;
  });
  return must(found[0], 'a session');
}

async function untilEnded(database: TestDatabase, pid: number): Promise<void> {
  await poll('the session to end', async () => {
    const { rows } = await database.query('select from pg_stat_activity where pid = $1', [pid]);
    return rows.length === 0;
  });
}

async function sessionsOf(database: TestDatabase): Promise<readonly unknown[]> {
  const { rows } = await database.query(
    `select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
       and backend_type = 'client backend' order by pid`,
  );
  return rows;
}
