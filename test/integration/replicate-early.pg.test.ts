import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { DEFAULT_LIMITS, type FeedLimits } from '../../src/replicate/feed-options.ts';
import { Random } from '../oracle/random.ts';
import { EARLY, EARLY_TARGET, halfWritten, reopened, streamingEarly } from '../support/early.ts';
import { FeedRig, type SupervisorSettings } from '../support/feed.ts';

const TABLES = [
  EARLY_TARGET,
  'create table doc (id int primary key, n int not null, body text)',
  'alter table doc alter column body set storage external',
  `insert into doc select g, 0, repeat('x', 3000) from generate_series(1, 50) g`,
  `insert into doc select g, 0, 'short' from generate_series(51, 3000) g`,
  'create table pair (a int, b text, n int not null, primary key (a, b))',
  `insert into pair select g, 'k' || g, 0 from generate_series(1, 500) g`,
];

let rig: FeedRig | undefined;
const clients: pg.Client[] = [];

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.end().catch(() => undefined)));
  await rig?.close();
});

async function early(settings: SupervisorSettings = {}): Promise<FeedRig> {
  const opened = await FeedRig.open(TABLES, { doc: [], pair: [] });
  rig = opened;
  opened.start({ ...settings, limits: { ...EARLY, ...settings.limits } });
  await streamingEarly(opened);
  return opened;
}

/** A transaction on the target, begun. */
async function begun(feed: FeedRig, ...statements: readonly string[]): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: feed.target.url });
  clients.push(client);
  await client.connect();
  await client.query(['begin', ...statements].join(';'));
  return client;
}

async function expectSame(feed: FeedRig): Promise<void> {
  await feed.caughtUp();
  await feed.ready();
  for (const name of ['doc', 'pair']) {
    const { target, cache } = await feed.contents(name);
    expect(cache).toEqual(target);
  }
}

function nothingOpen(feed: FeedRig): Promise<void> {
  return halfWritten(feed, 0);
}

async function cachedN(feed: FeedRig, id: number): Promise<unknown> {
  const relation = (await feed.tableStatus('doc'))?.relation;
  const { rows } = await feed.source.query(`select n from nearjoin."${relation}" where id = $1`, [id]);
  return rows[0]?.['n'];
}

test('what a transaction has changed is written before it commits, seen with its commit, and others go on meanwhile', async () => {
  const feed = await early();
  const large = await begun(feed, 'update doc set n = 1 where id <= 2000');
  await halfWritten(feed);
  await feed.target.query('update doc set n = 2 where id > 2500');
  await feed.target.query(`update pair set n = 2`);
  await feed.caughtUp();
  expect([await cachedN(feed, 1), await cachedN(feed, 2600)]).toEqual([0, 2]);
  await feed.until('the status to tell of it', async () => {
    const work = (await feed.status())?.early ?? null;
    return work !== null && work.transactions === 1 && work.changes > 0 && work.since > 0;
  });
  // Values that were not sent, a key that changes, two tables, a row that comes and goes.
  await large.query('update doc set n = 3 where id <= 50');
  await large.query('update doc set id = id + 10000 where id between 40 and 60');
  await large.query(`insert into pair select g, 'new', 1 from generate_series(1, 1000) g`);
  await large.query(`delete from pair where a % 3 = 0`);
  await large.query('commit');
  await expectSame(feed);
  expect(await cachedN(feed, 1)).toBe(3);
  expect(reopened(feed)).toEqual([]);
  await nothingOpen(feed);
  await feed.until('the status to tell of nothing', async () => (await feed.status())?.early === null);
});

test('a feed that never rests changes over in time, between two transactions', async () => {
  const feed = await FeedRig.open(TABLES, { doc: [], pair: [] });
  rig = feed;
  const limits = { ...EARLY.early, settledMs: 3_600_000, restlessMs: 0 } as FeedLimits['early'];
  feed.start({ limits: { ...EARLY, early: limits } });
  let isOver = false;
  const write = async (): Promise<void> => {
    while (!isOver) await feed.target.query('update pair set n = n + 1 where a % 100 = 1');
  };
  const written = write();
  await streamingEarly(feed).finally(() => {
    isOver = true;
  });
  await written;
  const large = await begun(feed, 'update doc set n = 1 where id <= 2000');
  await halfWritten(feed);
  await large.query('commit');
  await expectSame(feed);
  expect(reopened(feed)).toEqual([]);
});

test('subtransactions that are rolled back, at any depth, leave nothing', async () => {
  const feed = await early();
  const large = await begun(feed, 'update doc set n = 1 where id <= 600');
  for (const [depth, from] of [600, 1200, 1800].entries()) {
    await large.query(`savepoint s${depth}`);
    await large.query(`update doc set n = n + 10 where id between ${from - 100} and ${from + 500}`);
  }
  await halfWritten(feed);
  await large.query('rollback to s2');
  await large.query('update doc set n = n + 100 where id between 1500 and 2200');
  await large.query('release s2');
  await large.query('update doc set n = n + 1000 where id between 1100 and 1900');
  await large.query('rollback to s1');
  await large.query('savepoint s3; delete from doc where id <= 700; release s3');
  await large.query('update pair set n = 7');
  await large
    .query('savepoint s4; insert into pair select g, null::text from generate_series(1, 2) g')
    .catch(() => undefined);
  await large.query('rollback to s0');
  await large.query('update doc set n = n + 10000 where id > 2400');
  await large.query('commit');
  await expectSame(feed);
  expect(reopened(feed)).toEqual([]);
});

test('several go on at once; rows of one that is rolled back are free for others', async () => {
  const feed = await early();
  const [first, second, third] = [
    await begun(feed, 'update doc set n = 1 where id <= 900'),
    await begun(feed, 'update doc set n = 2 where id between 901 and 1800'),
    await begun(
      feed,
      'delete from doc where id > 1800',
      `insert into pair select g, 'third', 3 from generate_series(1, 900) g`,
    ),
  ];
  await halfWritten(feed, 3);
  await first.query('rollback');
  await feed.target.query('update doc set n = 4 where id <= 900');
  await second.query('update doc set n = 5 where id between 901 and 1800');
  await third.query('commit');
  await feed.target.query(`insert into doc select g, 6, null from generate_series(1801, 1900) g`);
  await second.query('commit');
  await expectSame(feed);
  expect(reopened(feed)).toEqual([]);
});

test('one that goes on is written only when all before it is committed', async () => {
  const feed = await early();
  const relation = (await feed.tableStatus('pair'))?.relation;
  const sessions = async (which: string): Promise<readonly number[]> => {
    const { rows } = await feed.source.query<{ pid: number }>(
      `select pid from pg_stat_activity
       where datname = current_database() and application_name like 'nearjoin feed %' and ${which}`,
    );
    return rows.map(({ pid }) => pid);
  };
  const before = await sessions('true');
  // What commits first is held up at its first table, so its second is not written yet.
  const holder = new pg.Client({ connectionString: feed.source.url });
  clients.push(holder);
  await holder.connect();
  await holder.query(`begin; select from nearjoin."${relation}" where a = 1 for update`);
  await feed.target.query(
    'begin; update pair set n = 1 where a = 1; update doc set n = 5 where id <= 20; commit',
  );
  const large = await begun(feed, 'update doc set n = n + 1 where id <= 2000');
  // Its session is there, and has nothing to do.
  const isAtRest = async (): Promise<boolean> =>
    (await sessions(`state = 'idle' and clock_timestamp() - state_change > interval '200 ms'`)).some(
      (pid) => !before.includes(pid),
    );
  await feed.until('its session to be at rest', isAtRest);
  await holder.query('commit');
  await halfWritten(feed);
  await large.query('commit');
  await expectSame(feed);
  expect(reopened(feed)).toEqual([]);
});

test('what keeps one that goes on from being written is told', async () => {
  const feed = await early();
  const relation = (await feed.tableStatus('doc'))?.relation;
  const holder = new pg.Client({ connectionString: feed.source.url });
  clients.push(holder);
  await holder.connect();
  await holder.query(`begin; lock table nearjoin."${relation}" in access exclusive mode`);
  const { rows } = await holder.query('select pg_backend_pid() as pid');
  const large = await begun(feed, 'update doc set n = n + 1 where id <= 2000');
  const said = `waiting for a lock on nearjoin.${relation} in the source, which is held by session ${rows[0]?.pid}`;
  await feed.until('the wait to be told', async () => {
    const { state, reason = null } = (await feed.status()) ?? {};
    return state === 'retrying' && reason?.startsWith(said) === true;
  });
  await holder.query('rollback');
  await halfWritten(feed);
  await feed.until('nothing to be told', async () => (await feed.status())?.state === 'streaming');
  await large.query('commit');
  await expectSame(feed);
  expect(reopened(feed)).toEqual([]);
});

test.each([
  ['truncates', ['truncate pair'], 'it truncates a table'],
  [
    'changes a table',
    ['alter table doc alter column n type bigint', 'update doc set n = 5 where id <= 900'],
    'another type',
  ],
  [
    'has too many subtransactions',
    Array.from(
      { length: 70 },
      (_, at) => `savepoint s; update doc set n = n + 1 where id = ${at + 1}; release s`,
    ).concat(['update doc set n = n + 1']),
    'too many subtransactions',
  ],
])('one that %s comes again as a whole', async (_name, statements, reason) => {
  const feed = await early();
  const large = await begun(feed, 'update doc set n = 1 where id <= 2000');
  await halfWritten(feed);
  await large.query(statements.join(';'));
  await large.query(`insert into pair select g, 'more', 1 from generate_series(1, 2000) g`);
  await feed.until('the stream to be opened anew', async () => reopened(feed).length > 0);
  expect(reopened(feed)[0]).toContain(reason);
  const since = feed.log.length;
  await nothingOpen(feed);
  await large.query('commit');
  await feed.ready();
  await expectSame(feed);
  // It has passed, so the next may be written early again.
  await streamingEarly(feed, since);
  const next = await begun(feed, 'update pair set n = 8; update doc set n = 8 where id < 2000');
  await halfWritten(feed);
  await next.query('commit');
  await expectSame(feed);
});

test.each([
  ['goes on for too long', { openMs: 1_000 }, 'goes on for too long'],
  ['is one too many', { most: 0 }, 'too many others'],
])('one that %s comes again as a whole', async (_name, limits, reason) => {
  const feed = await early({ limits: { early: { ...EARLY.early, ...limits } as FeedLimits['early'] } });
  const large = await begun(feed, 'update doc set n = 1 where id <= 2000');
  await feed.until('the stream to be opened anew', async () => reopened(feed).length > 0);
  expect(reopened(feed)[0]).toContain(reason);
  await nothingOpen(feed);
  await feed.target.query('update pair set n = 3');
  await large.query('commit');
  await expectSame(feed);
});

test('a table that leaves does not wait for those that go on, nor does one that comes', async () => {
  const { patienceMs } = DEFAULT_LIMITS.early;
  const feed = await early({ limits: { early: { ...EARLY.early, patienceMs } as FeedLimits['early'] } });
  const large = await begun(feed, 'update doc set n = 1 where id <= 2000; update pair set n = 4 where a = 1');
  await halfWritten(feed);
  await feed.track({ pair: [] });
  await feed.until('its copy to be gone', async () => (await feed.tableStatus('doc')) === undefined);
  await feed.until('the stream to be opened anew', async () => reopened(feed).length > 0);
  expect(reopened(feed)[0]).toContain('the feed waits on the source');
  const since = feed.log.length;
  await large.query('commit');
  await streamingEarly(feed, since);
  const second = await begun(feed, 'update pair set n = 6');
  await second.query(`insert into pair select g, 'more', 1 from generate_series(1, 2000) g`);
  await halfWritten(feed);
  await feed.track({ doc: [], pair: [] });
  await feed.until('it to be copied again', async () => reopened(feed).includes('tables are to be copied'));
  await second.query('commit');
  await feed.ready();
  await expectSame(feed);
});

const END_SESSIONS = `select pg_terminate_backend(pid) from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid()`;

test.each<[string, (feed: FeedRig) => Promise<unknown>]>([
  [
    'session on the source ends',
    (feed) =>
      feed.source.query(
        `${END_SESSIONS} and application_name like 'nearjoin feed %' and state = 'idle in transaction'`,
      ),
  ],
  [
    'walsender ends',
    (feed) =>
      feed.target.query(
        `${END_SESSIONS} and backend_type = 'walsender' and application_name like 'nearjoin%'`,
      ),
  ],
  [
    'feed is paused and goes on',
    async (feed) => {
      await feed.source.query('update nearjoin.feed set paused = true');
      await feed.until('the pause', async () => (await feed.status())?.state === 'paused');
      await nothingOpen(feed);
      await feed.source.query('update nearjoin.feed set paused = false');
    },
  ],
  [
    'leader stops and another follows',
    async (feed) => {
      await feed.stop();
      feed.start({ limits: EARLY });
    },
  ],
])('nothing is lost or doubled when the %s in the middle of one', async (_name, happen) => {
  const feed = await early();
  const large = await begun(
    feed,
    'update doc set n = n + 1 where id <= 2000',
    'savepoint s',
    'update pair set n = 9',
  );
  await halfWritten(feed);
  await feed.target.query(`insert into pair values (-1, 'between', 0)`);
  await happen(feed);
  await large.query('rollback to s; update doc set n = n + 1 where id > 1000');
  await feed.target.query(`insert into pair values (-2, 'between', 0)`);
  await feed.until('the feed to stream', async () => (await feed.status())?.state === 'streaming');
  await feed.caughtUp();
  await large.query('commit');
  await expectSame(feed);
});

const SEED = Number(process.env['NEARJOIN_SEED'] ?? Math.floor(Math.random() * 1e9));
const BUDGET_MS = Number(process.env['NEARJOIN_EARLY_SECONDS'] ?? 2) * 1_000;

test('whatever transactions do at the same time, the copy is the target at every commit', async () => {
  const feed = await early();
  const random = new Random(SEED);
  const pick = (below: number): number => random.int(0, below - 1);
  const stop = performance.now() + BUDGET_MS;
  // Each writer has keys of its own: they never wait for each other, and the copies' rows still share pages.
  const writers = [0, 1, 2].map(async (writer) => {
    const client = await begun(feed, 'commit');
    for (let round = 0; performance.now() < stop || round < 2; round += 1)
      for (const statement of transactionOf(writer, pick)) await client.query(statement);
  });
  const small = await begun(feed, 'commit');
  for (let round = 0; performance.now() < stop; round += 1) {
    await small.query(`insert into pair values (-${round + 1}, 'small', 1)`);
    if (round % 5 === 0) await small.query(`delete from pair where a < 0 and a > -${pick(round + 1)}`);
  }
  await Promise.all(writers);
  await expectSame(feed);
  process.stderr.write(
    `early: NEARJOIN_SEED=${SEED}, ${(await feed.status())?.transactionsApplied} transactions\n`,
  );
});

/** Statements of one transaction on the writer's own rows, with subtransactions that are kept or not. */
function transactionOf(writer: number, pick: (below: number) => number): readonly string[] {
  const statements = ['begin'];
  const open: string[] = [];
  for (let step = 3 + pick(12); step > 0; step -= 1) {
    const kind = pick(6);
    if (kind === 0) statements.push(`savepoint p${open.push('') - 1}`);
    else if (kind === 1 && open.length > 0) {
      const at = pick(open.length);
      open.length = at;
      statements.push(...(pick(2) === 0 ? [`rollback to p${at}`, `release p${at}`] : [`release p${at}`]));
    } else statements.push(changeOf(writer, pick));
  }
  return [...statements, pick(6) === 0 ? 'rollback' : 'commit'];
}

function changeOf(writer: number, pick: (below: number) => number): string {
  const from = pick(2_000);
  const where = `id % 3 = ${writer} and id between ${from} and ${from + pick(1_200)}`;
  switch (pick(5)) {
    case 0:
      return `delete from doc where ${where}`;
    case 1:
      return `insert into doc select id, 1, case when id % 40 = 0 then repeat('y', 3000) end
        from generate_series(${from}, ${from + pick(900)}) id where id % 3 = ${writer} on conflict (id) do nothing`;
    case 2:
      return `update doc set id = id + 30000 where ${where} and not exists (select from doc d where d.id = doc.id + 30000)`;
    default:
      return `update doc set n = n + 1 where ${where}`;
  }
}
