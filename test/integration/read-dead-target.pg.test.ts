import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { Stop } from '../../src/core/waiting/stop-signal.ts';
import { TestLane } from '../support/lane.ts';
import { toMany } from '../support/leading-to.ts';
import { poll } from '../support/poll.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { type Proxy, startProxy } from '../support/proxy.ts';

// A database that takes connections and says nothing more is told as one that does not answer, and costs the others nothing.

const TABLES = {
  pg1: [
    {
      table: 'doc',
      remote_relationships: [
        toMany('notes', 'note', { id: 'doc' }, { source: 'pg2' }),
        toMany('marks', 'mark', { id: 'doc' }, { source: 'pg3' }),
      ],
    },
  ],
  pg2: [{ table: 'note' }],
  pg3: [{ table: 'mark' }],
};
const LIVE = { noCache: true };
/** Sorted by text, which the source does by its own rules: in transactions. */
const SORTED = '(order_by: [{body: asc}, {id: asc}]) { body }';
const NOTES = `{ doc { notes${SORTED} } }`;
const MARKS = `{ doc { marks${SORTED} } }`;

let databases: { readonly pg1: TestDatabase; readonly pg2: TestDatabase; readonly pg3: TestDatabase };
let proxy: Proxy;
const lanes: TestLane[] = [];

beforeAll(async () => {
  const rows = (table: string): readonly string[] => [
    `create table ${table} (id int primary key, doc int, body text collate "und-x-icu")`,
    `insert into ${table} values (1, 1, 'a')`,
  ];
  const [pg1, pg2, pg3] = await Promise.all([
    createDatabase('source', ['create table doc as select 1 as id']),
    createDatabase('target', rows('note')),
    createDatabase('target', rows('mark')),
  ]);
  databases = { pg1, pg2, pg3 };
});

beforeEach(async () => {
  proxy = await startProxy(databases.pg2.server);
});

afterEach(async () => {
  await proxy.close();
  for (const lane of lanes.splice(0)) await lane.close();
});

afterAll(async () => {
  for (const database of Object.values(databases ?? {})) await database.drop();
});

async function open(settings: object): Promise<TestLane> {
  const { pg2 } = databases;
  const through = { ...databases, pg2: { ...pg2, url: proxy.through(pg2.url) } };
  const lane = await TestLane.open(through, TABLES, settings);
  lanes.push(lane);
  return lane;
}

/** Sessions of the source that wait for what else an answer takes. */
async function inTransaction(): Promise<number> {
  const { rows } = await databases.pg1.query(
    `select from pg_stat_activity where datname = current_database() and state = 'idle in transaction'`,
  );
  return rows.length;
}

test('a target that lets wait holds no session by which another is read', async () => {
  const lane = await open({ livePoolSize: 1 });
  const holder = new pg.Client({ connectionString: databases.pg2.url });
  await holder.connect();
  try {
    await holder.query('begin; lock table note');
    const asked = lane.query(NOTES, { freshness: LIVE }).catch((error: unknown) => error);
    await poll('a session of the source to wait for the target', async () => (await inTransaction()) === 1);
    expect((await lane.query(MARKS, { freshness: LIVE })).text).toBe('{"doc":[{"marks":[{"body":"a"}]}]}');
    await holder.query('rollback');
    expect(await asked).toMatchObject({ text: '{"doc":[{"notes":[{"body":"a"}]}]}' });
  } finally {
    await holder.end();
  }
});

test('nor does one to which no connection can be made', async () => {
  const lane = await open({ livePoolSize: 1, connectTimeoutMs: 600_000 });
  await lane.query(MARKS, { freshness: LIVE });
  proxy.hold();
  const made = proxy.connectionsMade;
  const gone = new Stop();
  const asked = lane.query(NOTES, { freshness: LIVE, signal: gone }).catch((error: unknown) => error);
  await poll('a connection to be tried', () => proxy.connectionsMade > made);
  expect((await lane.query(MARKS, { freshness: LIVE })).text).toBe('{"doc":[{"marks":[{"body":"a"}]}]}');
  expect(proxy.connectionsMade).toBe(made + 1);
  gone.abort(new Error('gone'));
  expect(await asked).toBe(gone.reason);
});

// Whatever a target decides by itself is asked of it in one statement.
const READINGS = [
  ['in transactions', NOTES],
  ['in one statement', '{ doc { notes { body } } }'],
] as const;
const UNAVAILABLE = { code: 'target-unavailable', message: 'database "pg2" does not answer' };

test.each(READINGS)(
  'a silent session is given up where there is no server to be asked: %s',
  async (_how, query) => {
    const lane = await open({ silenceMs: 100 });
    await lane.query(query, { freshness: LIVE });
    proxy.silence();
    proxy.setMode('refuse');
    await expect(lane.query(query, { freshness: LIVE })).rejects.toMatchObject(UNAVAILABLE);
  },
);

test.each(READINGS)(
  'a connection that cannot be made is tried once for a request: %s',
  async (_how, query) => {
    const lane = await open({});
    proxy.setMode('refuse');
    const made = proxy.connectionsMade;
    await expect(lane.query(query, { freshness: LIVE })).rejects.toMatchObject(UNAVAILABLE);
    expect(proxy.connectionsMade).toBe(made + 1);
  },
);

test.each(READINGS)('who asks again does not wait for as long: %s', async (_how, query) => {
  const lane = await open({ connectTimeoutMs: 600_000 });
  proxy.setMode('refuse');
  await expect(lane.query(query, { freshness: LIVE })).rejects.toMatchObject(UNAVAILABLE);
  proxy.setMode('forward');
  proxy.hold();
  // It is tried all the same, for whoever comes later.
  const made = proxy.connectionsMade;
  await poll('a refusal after a try', async () => {
    await expect(lane.query(query, { freshness: LIVE })).rejects.toMatchObject(UNAVAILABLE);
    return proxy.connectionsMade > made;
  });
  proxy.letGo();
  await poll('an answer', () =>
    lane.query(query, { freshness: LIVE }).then(
      () => true,
      () => false,
    ),
  );
});
