import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ConnectorError } from '../../connectors/connector.ts';
import { postgresConnector } from '../../connectors/postgres/connector.ts';
import { freshName, startFeed, table } from '../support/connector.ts';
import { FeedRig } from '../support/feed.ts';
import { logInto } from '../support/log-lines.ts';
import { poll } from '../support/poll.ts';
import { testServer, type Which } from '../support/postgres.ts';

// Whoever ends our sessions, and whenever: the process that runs the feeds must live on.

const unobserved: unknown[] = [];
const record = (error: unknown): void => void unobserved.push(error);
const ATTEMPTS = Number(process.env['NEARJOIN_STRESS_ATTEMPTS'] ?? 24);
const AT_ONCE = 4;

beforeAll(() => {
  process.on('uncaughtException', record);
  process.on('unhandledRejection', record);
});

afterAll(() => {
  process.off('uncaughtException', record);
  process.off('unhandledRejection', record);
});

/** A generator of its own, so that a run can be repeated. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

async function onServer(which: Which, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: testServer(which).url('postgres') });
  await client.connect();
  await client.query(sql);
  await client.end();
}

/** Blocks the event loop, so that everything a server sent meanwhile is read in one go. */
function stall(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

async function attempt(seed: number): Promise<void> {
  const next = random(seed);
  const rig = await FeedRig.open(
    [
      'create table item (id int primary key, v text)',
      `insert into item select g, repeat('x', 500) from generate_series(1, 3000) g`,
    ],
    { item: [['v']] },
  );
  const supervisor = rig.start();
  const ways = [
    (name: string) => `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`,
    (name: string) => `drop database if exists ${name} with (force)`,
  ];
  const way = ways[seed % 3 === 0 ? 1 : 0];
  for (let round = 0; round < 2; round += 1) {
    await new Promise((resolve) => setTimeout(resolve, next() * 150));
    const ends = [
      [rig.target.name, 'target'],
      [rig.source.name, 'source'],
    ] as const;
    // An active slot keeps a database from being dropped: that is an answer too.
    const ending = ends.map(([name, which]) => onServer(which, way?.(name) ?? '').catch(() => undefined));
    if (next() < 0.5) stall(next() * 30);
    await Promise.all(ending);
  }
  if (next() < 0.5) await supervisor.stop();
  await rig.close();
}

test('feeds whose sessions are all ended at any moment leave no failure unobserved', async () => {
  for (let seed = 1; seed <= ATTEMPTS; seed += AT_ONCE) {
    const seeds = Array.from({ length: AT_ONCE }, (_, index) => seed + index);
    await Promise.all(seeds.map(attempt));
  }
  expect(unobserved).toEqual([]);
});

test('closing a connector in the middle of a transaction fails that transaction and nothing else', async () => {
  await using feed = await startFeed('target', ['create table t (id int primary key)'], []);
  const holder = new pg.Client({ connectionString: feed.database.url });
  await holder.connect();
  await holder.query('begin; lock table t');
  const connector = feed.again({});
  const publishing = connector.publish([table('t')]).catch((error: unknown) => error);
  await poll('the transaction to wait', async () => {
    const waiting = await feed.database.query(
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    );
    return waiting.rowCount === 1;
  });
  await connector.close();
  expect(await publishing).toBeInstanceOf(ConnectorError);
  await holder.end();
  expect(unobserved).toEqual([]);
});

test('closing a connector while it identifies its target opens no connection afterwards', async () => {
  const lines: string[] = [];
  const connector = postgresConnector({
    url: testServer('target').url('postgres'),
    name: freshName(),
    log: logInto(lines),
  });
  const identifying = connector.identify().catch((error: unknown) => error);
  await connector.close();
  expect(await identifying).toBeInstanceOf(ConnectorError);
  expect(lines).toEqual([]);
  await expect(connector.position()).rejects.toThrow('Cannot use a pool after calling end on the pool');
});

/** How often each reason was told for which a feed left its source. */
function told(rig: FeedRig): readonly number[] {
  const reasons = rig.log
    .filter((line) => line.includes('feed left its source'))
    .map((line) => String(JSON.parse(line.slice(line.indexOf('{'))).error));
  return [...new Set(reasons)].map((reason) => reasons.filter((each) => each === reason).length);
}

const AT_ONCE_AGAIN = { retryMs: { first: 1, longest: 1 }, goneRetryMs: 1 };

test('a source that is lost again after it was there is told again', async () => {
  const rig = await FeedRig.open(['create table item (id int primary key)'], { item: [] });
  rig.start({ limits: AT_ONCE_AGAIN });
  await rig.ready();
  for (let round = 1; round <= 7; round += 1) {
    await rig.target.query(`insert into item values (${round})`);
    await rig.caughtUp();
    await rig.source.query(`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name like 'nearjoin feed %'`);
  }
  // What fails first when its sessions are ended, and so what is told, is one of a few things.
  expect(Math.max(...told(rig))).toBeGreaterThan(1);
  await rig.close();
});

test('a feed that takes long over its end says once why, whoever keeps it from that', async () => {
  const rig = await FeedRig.open(['create table item (id int primary key)'], { item: [] });
  rig.start({ limits: AT_ONCE_AGAIN });
  await rig.ready();
  const relation = (await rig.tableStatus('item'))?.relation;
  const [first, second] = await Promise.all([reading(rig, relation), reading(rig, relation)]);
  const count = (text: string): number => rig.log.filter((line) => line.includes(text)).length;
  await rig.track({});
  await rig.until('it to be told', async () => count('it is read by') > 0);
  await first.end();
  const tries = count('leading a feed');
  await rig.until('more tries', async () => count('leading a feed') > tries + 3);
  expect(count('it is read by')).toBe(1);
  await second.end();
  await rig.until('the feed to go', async () => (await rig.status()) === undefined);
  await rig.close();
});

async function reading({ source }: FeedRig, relation: string | undefined): Promise<pg.Client> {
  const reader = new pg.Client({ connectionString: source.url });
  await reader.connect();
  await reader.query(`begin; select from nearjoin."${relation}"`);
  return reader;
}
