import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { postgresConnector } from '../../connectors/postgres/connector.ts';
import { Lookout } from '../../connectors/postgres/database/lookout.ts';
import { TargetDatabase } from '../../connectors/postgres/database.ts';
import { sees } from '../../connectors/postgres/shown.ts';
import type { PostgresServer } from '../../src/embedded/server.ts';
import { EMPTY_METADATA } from '../../src/metadata/model.ts';
import { openMetadataStore } from '../../src/metadata/store.ts';
import { freshName, silentLog } from '../support/connector.ts';
import { EARLY, EARLY_TARGET, halfWritten, streamingEarly } from '../support/early.ts';
import { FeedRig } from '../support/feed.ts';
import { TestLane } from '../support/lane.ts';
import { leadingTo } from '../support/leading-to.ts';
import { poll } from '../support/poll.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { startTarget } from '../support/servers.ts';
import { databaseAt } from '../support/standby.ts';

// A target that waits for a synchronous standby which is not there: commits are logged, and sent to whoever follows
// the log, and no session of the target sees them.

const NAMES = 'synchronous_standby_names';
/** So long a transaction may be held back before the feed says so. */
const HELD_MS = 1_500;

let server: PostgresServer;
let target: TestDatabase;

beforeAll(async () => {
  server = await startTarget({ within: inject('scratch') });
  target = databaseAt(server);
});

beforeEach(() => setStandby(''));

afterAll(async () => {
  await setStandby('');
  await target.drop();
  await server.stop();
});

/** A session on the target of its own. */
async function connect(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: server.url('postgres') });
  client.on('error', () => undefined); // the server is stopped at the end
  await client.connect();
  return client;
}

async function setStandby(name: string): Promise<void> {
  await target.query(`alter system set ${NAMES} = '${name}'`);
  await target.query('select pg_reload_conf()');
  await poll('the setting to hold', async () => {
    const { rows } = await target.query<{ now: string }>(`select current_setting('${NAMES}') as now`);
    return rows[0]?.now === name;
  });
  // Commits go by what the checkpointer has noted, which it does between two checkpoints.
  await target.query('checkpoint');
}

/** Commits what the target will not show before it is told to wait no longer; resolves when it waits. */
async function commitUnseen(sql: string): Promise<{ readonly over: Promise<unknown> }> {
  const client = await connect();
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  const over = client.query(sql).then(() => client.end());
  over.catch(() => undefined);
  await poll('the commit to wait for its standby', async () => {
    const waiting = await target.query(
      `select from pg_stat_activity where pid = $1 and wait_event = 'SyncRep'`,
      [rows[0]?.pid],
    );
    return waiting.rowCount === 1;
  });
  return { over };
}

/** Commits what the target shows at once. */
async function commitSeen(sql: string): Promise<void> {
  const client = await connect();
  await client.query(`set synchronous_commit = 'local'`);
  await client.query(sql);
  await client.end();
}

test('a cached answer never holds what a live one after it does not show', async () => {
  await using rig = await openRig();
  await using lane = await openLane(rig);
  const ask = async (noCache: boolean): Promise<string> => {
    const freshness = { noCache, fallback: noCache ? 'live' : 'stale' } as const;
    const { text, targets } = await lane.lane.query('{ viewer { n there { n } } }', { freshness });
    return `${targets[0]?.route} ${text}`;
  };
  rig.start({ timings: { statementMs: HELD_MS } });
  await rig.ready();
  await rig.caughtUp();
  await poll('the lane to know the cache', async () => (await ask(false)).startsWith('cache'));
  await setStandby('nobody');
  const { over } = await commitUnseen('insert into item values (2)');
  await commitSeen('insert into item values (3)');
  // By now the feed has read both; it holds them back, and says why.
  await rig.until('the feed to tell', async () =>
    /synchronous standby/.test((await rig.status())?.lastError ?? ''),
  );
  expect([await ask(false), await ask(true)]).toEqual([
    'cache {"viewer":[{"n":1,"there":{"n":1}},{"n":2,"there":null},{"n":3,"there":null}]}',
    'live {"viewer":[{"n":1,"there":{"n":1}},{"n":2,"there":null},{"n":3,"there":{"n":3}}]}',
  ]);
  await setStandby('');
  await over;
  await rig.until('the feed to stream', async () => (await rig.status())?.state === 'streaming');
  await rig.caughtUp();
  const all = '{"viewer":[{"n":1,"there":{"n":1}},{"n":2,"there":{"n":2}},{"n":3,"there":{"n":3}}]}';
  expect([await ask(false), await ask(true)]).toEqual([`cache ${all}`, `live ${all}`]);
});

test('nor one that was written before it committed', async () => {
  await using rig = await openRig();
  rig.start({ limits: EARLY, timings: { statementMs: HELD_MS } });
  await streamingEarly(rig);
  const client = await connect();
  await client.query('begin');
  await client.query('insert into item select generate_series(10, 2000)');
  await halfWritten(rig);
  await client.end();
  await setStandby('nobody');
  const { over } = await commitUnseen('insert into item select generate_series(10, 2000)');
  await rig.until('the feed to tell', async () =>
    /synchronous standby/.test((await rig.status())?.lastError ?? ''),
  );
  expect((await rig.contents('item')).cache).toEqual(['{"n":1}']);
  await setStandby('');
  await over;
  await rig.until('the feed to stream', async () => (await rig.status())?.state === 'streaming');
  await rig.caughtUp();
  expect((await rig.contents('item')).cache).toHaveLength(1_992);
});

async function openRig(): Promise<FeedRig & AsyncDisposable> {
  const statements = [
    EARLY_TARGET,
    'drop table if exists item',
    'create table item (n int primary key)',
    'insert into item values (1)',
  ];
  const rig = await FeedRig.open(statements, { item: [['n']] }, databaseAt(server));
  await rig.source.query('create table viewer (n int primary key)');
  await rig.source.query('insert into viewer values (1), (2), (3)');
  return Object.assign(rig, { [Symbol.asyncDispose]: () => rig.close() });
}

async function openLane({ source }: FeedRig): Promise<AsyncDisposable & { readonly lane: TestLane }> {
  const there = {
    name: 'there',
    definition: leadingTo('pg2', 'item', { n: 'n' }),
  };
  const tables = { pg1: [{ table: 'viewer', remote_relationships: [there] }], pg2: [{ table: 'item' }] };
  const lane = await TestLane.open({ pg1: source, pg2: target }, tables, { pollMs: 20 });
  return { lane, [Symbol.asyncDispose]: () => lane.close() };
}

test('nor does a copy: its snapshot waits until the target shows all that it holds', async () => {
  await target.query('drop table if exists other');
  await target.query('create table other (n int primary key)');
  await target.query('create table if not exists aside (n int)');
  const connector = postgresConnector({
    url: target.url,
    name: freshName(),
    log: silentLog,
    // No other statement takes so long, also on a slow machine.
    timings: { statementMs: HELD_MS * 3 },
  });
  await setStandby('nobody');
  // An exported snapshot holds a commit that is not shown when it is made while it waits for two transactions in turn.
  const first = await holdOpen();
  const opening = connector.snapshot(new AbortController().signal).catch((error: unknown) => error);
  await first.isWaitedFor();
  const second = await holdOpen();
  await first.end();
  await second.isWaitedFor();
  const { over } = await commitUnseen('insert into other values (1)');
  await second.end();
  expect(await opening).toMatchObject({
    failure: 'retry',
    message: expect.stringMatching(/synchronous standby/),
  });
  await setStandby('');
  await over;
  const snapshot = await connector.snapshot(new AbortController().signal);
  await snapshot.close();
  await connector.close();
});

test('a session that was lost is replaced by the next question, and questions do not wait for each other', async () => {
  const connector = postgresConnector({ url: target.url, name: freshName(), log: silentLog });
  const { signal } = new AbortController();
  const { rows } = await target.query<{ xid: string }>('select pg_current_xact_id()::xid::text as xid');
  const shown = Number(rows[0]?.xid);
  await Promise.all(Array.from({ length: 20 }, (_, at) => connector.shown([shown - at, shown], signal)));
  const asking = `from pg_stat_activity where query like 'select pg_current_snapshot()%'`;
  await poll('the session to be gone', async () => {
    await target.query(`select pg_terminate_backend(pid) ${asking}`);
    return (await target.query(`select ${asking}`)).rowCount === 0;
  });
  await poll('an answer over another one', () =>
    connector.shown([shown], signal).then(
      () => true,
      () => false, // nobody has noticed yet that the session is gone
    ),
  );
  await connector.close();
  await expect(connector.shown([shown], signal)).rejects.toMatchObject({ failure: 'retry' });
});

test('what was asked ahead answers once, and what has come since asks again', async () => {
  const database = new TargetDatabase({ url: target.url, name: freshName(), log: silentLog });
  const { signal } = new AbortController();
  const lookout = new Lookout(database.target, signal);
  const commit = async (): Promise<number> => {
    const { rows } = await target.query<{ xid: string }>('select pg_current_xact_id()::xid::text as xid');
    return Number(rows[0]?.xid);
  };
  // On a machine that stands still for a second the answer is too old, and asked for again.
  let later = 0;
  await poll('an answer from ahead', async () => {
    lookout.askAhead(false);
    await lookout.now();
    later = await commit();
    lookout.askAhead(true); // it waits for more than itself: nothing is asked
    return !sees(await lookout.newest(), [later]);
  });
  expect(sees(await lookout.newest(), [later])).toBe(true);
  lookout.askAhead(false);
  await lookout.now();
  const next = await commit();
  lookout.askAhead(false);
  expect(sees(await lookout.newest(), [next])).toBe(true);
  lookout.askAhead(false);
  lookout.renew();
  const other = await commit();
  expect(sees(await lookout.newest(), [other])).toBe(true);
  database.askAhead(false);
  await database.shown([await commit()], signal);
  lookout.renew();
  await database.close();
});

/** A transaction that has written and goes on. */
async function holdOpen() {
  const client = await connect();
  await client.query(`set synchronous_commit = 'local'`);
  await client.query('begin');
  await client.query('insert into aside values (1)');
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  return {
    isWaitedFor: () =>
      poll('a transaction to be waited for', async () => {
        const { rowCount } = await target.query(
          `select from pg_locks waiting join pg_locks held on held.transactionid = waiting.transactionid
           where held.pid = $1 and not waiting.granted`,
          [rows[0]?.pid],
        );
        return (rowCount ?? 0) > 0;
      }),
    end: async () => {
      await client.query('commit');
      await client.end();
    },
  };
}

test('a metadata database whose standby is away opens, keeps notes, and says what a change waits for', async () => {
  const { url } = target;
  const log = { warn: () => undefined };
  const first = await openMetadataStore({ url, log });
  await target.query(`update nearjoin_metadata.catalog_state set home = null`);
  await setStandby('nobody');
  const store = await openMetadataStore({ url, log, answerWithinMs: 5_000 });
  await store.slots.note({ slot: 'nearjoin_1_pg2', source: 'pg1', target: 'pg2' });
  const { resourceVersion } = await store.load();
  const changed = { ...EMPTY_METADATA, inherited_roles: [{ role_name: 'both', role_set: ['a', 'b'] }] };
  const said = /^the metadata database waits for its synchronous standby/;
  for (let turn = 0; turn < 2; turn += 1)
    await expect(store.save(changed, resourceVersion)).rejects.toThrow(said);
  expect((await first.load()).resourceVersion).toBe(resourceVersion);
  await setStandby('');
  await poll('the first change to be in force', async () => {
    const now = await first.load();
    return now.resourceVersion === resourceVersion + 1 && now.metadata.inherited_roles?.length === 1;
  });
  await Promise.all([first.close(), store.close()]);
});
