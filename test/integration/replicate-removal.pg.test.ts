import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import type { FeedLimits } from '../../src/replicate/feed-options.ts';
import { databaseApart } from '../support/apart.ts';
import { fillLog } from '../support/connector.ts';
import { FeedRig } from '../support/feed.ts';
import { poll } from '../support/poll.ts';
import { createDatabase, type TestDatabase, testServer } from '../support/postgres.ts';
import { startProxy } from '../support/proxy.ts';
import { Stage } from '../support/stage.ts';

// What becomes of a feed that nobody wants any more, whichever of its databases can still be reached.

const SET_UP = ['create table item (id int primary key)', 'insert into item select generate_series(1, 50)'];
const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function opened(
  limits: Partial<FeedLimits> = {},
  { targetUrl, target }: { targetUrl?: (url: string) => string; target?: TestDatabase } = {},
): Promise<Stage> {
  const rig = await FeedRig.open(SET_UP, { item: [] }, target);
  undo.push(() => rig.close());
  const stage = new Stage(rig, { limits });
  if (targetUrl !== undefined) stage.move({ pg2: targetUrl(rig.target.url) });
  undo.push(() => stage.stop());
  stage.start();
  await rig.ready();
  return stage;
}

async function leftOn(target: TestDatabase): Promise<readonly string[]> {
  const { rows } = await target.query<{ name: string }>(
    `select slot_name as name from pg_replication_slots where database = current_database() and not temporary
     union all select pubname from pg_publication`,
  );
  return rows.map(({ name }) => name);
}

/** The session that reads from the slot. */
async function readerOf(target: TestDatabase): Promise<number | null> {
  const { rows } = await target.query<{ pid: number | null }>(
    'select active_pid as pid from pg_replication_slots where database = current_database() and not temporary',
  );
  return rows[0]?.pid ?? null;
}

async function leftIn(source: TestDatabase): Promise<number> {
  const { rows } = await source.query<{ n: number }>(
    `select (select count(*) from pg_class where relnamespace = 'nearjoin'::regnamespace and relname like 'pg2%'
       and relkind = 'r')::int + (select count(*) from nearjoin.feed)::int as n`,
  );
  return rows[0]?.n ?? -1;
}

/** As an administrator would, without asking anybody. */
async function destroy({ name, server }: TestDatabase): Promise<void> {
  const client = new pg.Client({ connectionString: server.url('postgres') });
  await client.connect();
  // A feed that comes back at once would hold its slot, and an active slot its database.
  await client.query(`alter database ${name} allow_connections false`);
  await client.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]);
  await poll(`database ${name} to go`, () =>
    client.query(`drop database ${name} with (force)`).then(
      () => true,
      () => false,
    ),
  );
  await client.end();
}

test('who waits for the lead of a feed that its leader removes ends without a word', async () => {
  const rig = await FeedRig.open(SET_UP, { item: [] });
  undo.push(() => rig.close());
  const leaders = async (lastAsked = ''): Promise<number> => {
    const { rows } = await rig.source.query<{ n: number }>(
      `select count(distinct application_name)::int as n from pg_stat_activity
       where datname = current_database() and application_name like 'nearjoin feed %' and query ~ $1`,
      [lastAsked],
    );
    return rows[0]?.n ?? 0;
  };
  rig.start();
  await rig.ready();
  rig.start();
  // Who has not come so far makes the feed once more, and drops it too.
  const waits = 'pg_try_advisory_lock|select leader from nearjoin.feed';
  await rig.until('another to wait', async () => (await leaders(waits)) === 1);
  await rig.track({});
  await rig.until('both to end', async () => (await leaders()) === 0);
  expect(rig.log.filter((line) => line.includes('feed dropped'))).toHaveLength(1);
  expect(rig.log.filter((line) => line.includes('feed left its source'))).toEqual([]);
});

test('a feed whose source database is gone leaves no slot and no publication on its target', async () => {
  const stage = await opened();
  const [slot] = await leftOn(stage.rig.target);
  await destroy(stage.rig.source);
  stage.unlist();
  await stage.until('the target to be free', async () => (await leftOn(stage.rig.target)).length === 0);
  await stage.until('the end to be told', () => stage.lines('feed dropped on its target only').length === 1);
  const [line] = stage.lines('feed dropped on its target only');
  expect(line).toContain(`"slot":"${slot}","publication":"${slot}"`);
  expect(line).toContain(`"sourceDatabase":"${stage.rig.source.name}"`);
  expect(
    stage.lines('does not exist"').filter((each) => each.includes('feed left its source')).length,
  ).toBeLessThan(2);
});

test('a wanted feed whose source database is gone is tried on, and said once', async () => {
  const stage = await opened({ goneRetryMs: 40 });
  await destroy(stage.rig.source);
  await stage.until('the loss to be told', () => stage.lines('feed left its source').length > 0);
  const rests = stage.rests;
  await stage.until('more tries', () => stage.rests > rests + 8);
  const said = stage.lines('feed left its source').filter((line) => line.includes('does not exist'));
  expect(said).toHaveLength(1);
  expect(await leftOn(stage.rig.target)).toHaveLength(2);
});

test('a target out of reach is freed when it is back; the copies go at once', async () => {
  const proxy = await startProxy(testServer('target'));
  undo.push(() => proxy.close());
  const stage = await opened({}, { targetUrl: (url) => proxy.through(url) });
  proxy.setMode('refuse');
  proxy.reset();
  stage.unlist();
  await stage.until('the copies to go', async () => (await leftIn(stage.rig.source)) === 1);
  expect(await leftOn(stage.rig.target)).toHaveLength(2);
  await stage.until('the status to say why', async () => {
    const reason = (await stage.rig.status())?.reason ?? '';
    return reason.startsWith('waiting to drop its slot and publication');
  });
  proxy.setMode('forward');
  await stage.until('the target to be free', async () => (await leftOn(stage.rig.target)).length === 0);
  await stage.until('the feed to go', async () => (await leftIn(stage.rig.source)) === 0);
});

test('a feed whose copy something of yours depends on frees its target, says what to drop, and goes when that is gone', async () => {
  const stage = await opened({ giveUpAfterMs: 0, goneRetryMs: 40 });
  const { source, target } = stage.rig;
  const copy = `nearjoin."${(await stage.rig.tableStatus('item'))?.relation}"`;
  await source.query(`create view mine as select id, c as whole from ${copy} c`);
  await source.query('create view above as select count(*)::int as n from mine');
  await source.query(`create materialized view kept as table ${copy}`);
  await source.query(`create table "of yours" (id int constraint known references ${copy})`);
  stage.unlist();
  await stage.until('the target to be free', async () => (await leftOn(target)).length === 0);
  const reason = async (): Promise<string> => (await stage.rig.status())?.reason ?? '';
  // Given up before its feed went, it has another name by now.
  const waits = /^waiting to drop nearjoin\."pg2__public__item__g\d+": /;
  await stage.until('the reason', async () => waits.test(await reason()));
  const rests = stage.rests;
  await stage.until('more tries', () => stage.rests > rests + 8);
  expect(stage.lines('waiting to drop')).toHaveLength(1);
  expect((await source.query('select n from above')).rows).toEqual([{ n: 50 }]);
  const statements = /goes with: (.*)$/.exec(await reason())?.[1];
  expect(statements?.split('; ')).toEqual([
    'alter table "of yours" drop constraint known',
    'drop materialized view kept',
    'drop view mine;',
  ]);
  await source.query(`drop view above; ${statements}`);
  await stage.until('the feed to go', async () => (await leftIn(source)) === 0);
});

test('a target that stays out of reach is given up after a time, with one line', async () => {
  const proxy = await startProxy(testServer('target'));
  undo.push(() => proxy.close());
  const stage = await opened(
    { giveUpAfterMs: 300, goneRetryMs: 60 },
    { targetUrl: (url) => proxy.through(url) },
  );
  const [slot] = await leftOn(stage.rig.target);
  proxy.setMode('refuse');
  proxy.reset();
  stage.unlist();
  await stage.until('the feed to go', async () => (await leftIn(stage.rig.source)) === 0);
  expect(stage.lines('gave up on a target')).toHaveLength(1);
  expect(stage.lines('gave up on a target')[0]).toContain(`"slot":"${slot}"`);
  expect(stage.lines('gave up on a target')[0]).toContain(`"targetDatabase":"${stage.rig.target.name}"`);
});

test('a feed whose target database is gone is dropped', async () => {
  const stage = await opened();
  await destroy(stage.rig.target);
  stage.unlist();
  await stage.until('the feed to go', async () => (await leftIn(stage.rig.source)) === 0);
  expect(stage.lines('the target database does not exist')).toHaveLength(1);
});

test('a source that moves to another database leaves nothing in the old one', async () => {
  const stage = await opened();
  const [before] = await leftOn(stage.rig.target);
  const other = await createDatabase('source');
  undo.splice(1, 0, () => other.drop());
  stage.move({ pg1: other.url });
  await stage.until('the old database to be left', async () => (await leftIn(stage.rig.source)) === 0);
  await stage.until(
    'the old slot to go',
    async () => !(await leftOn(stage.rig.target)).includes(before ?? ''),
  );
  await stage.until('the new feed', async () => (await leftOn(stage.rig.target)).length === 2);
});

test('a target that moves to another database leaves nothing in the old one', async () => {
  const stage = await opened();
  const other = await createDatabase('source', SET_UP); // a server with slots of its own
  undo.splice(1, 0, () => other.drop());
  stage.move({ pg2: other.url });
  await stage.until('the new feed', async () => (await leftOn(other)).length === 2);
  await stage.until('the old database to be left', async () => (await leftOn(stage.rig.target)).length === 0);
  await stage.until(
    'the new copy',
    async () => (await stage.rig.tableStatus('item'))?.state.kind === 'ready',
  );
  await other.query('insert into item values (1000)');
  await stage.until('the new feed to go on', async () => {
    const copy = (await stage.rig.tableStatus('item'))?.relation;
    const { rows } = await stage.rig.source.query(`select from nearjoin."${copy}" where id = 1000`);
    return rows.length === 1;
  });
});

test('a target that moved while nobody ran leaves its slot, and the status says where and how to drop it', async () => {
  const stage = await opened();
  await stage.stop();
  const other = await createDatabase('source', SET_UP); // a server with slots of its own
  undo.splice(1, 0, () => other.drop());
  stage.move({ pg2: other.url });
  stage.start();
  await stage.until('the new feed', async () => (await leftOn(other)).length === 2);
  const { lastError } = (await stage.rig.status()) ?? {};
  expect(lastError).toContain(`the target was database "${stage.rig.target.name}" of system`);
  const [, sql] = /run there: (.*;)$/.exec(lastError ?? '') ?? [];
  for (const statement of (sql ?? '').split('; ')) await stage.rig.target.query(statement);
  expect(await leftOn(stage.rig.target)).toEqual([]);
});

test('a target of which a process has no address keeps its slot and its copies, and the status says why nobody follows it', async () => {
  const stage = await opened();
  const before = [await leftOn(stage.rig.target), (await stage.rig.tableStatus('item'))?.relation];
  await stage.stop();
  stage.conceal(['pg2']);
  stage.start();
  await stage.until('the status to say so', async () => (await stage.rig.status())?.state === 'failed');
  expect((await stage.rig.status())?.reason).toBe('the replicator has no address of the target: down');
  const rests = stage.rests;
  await stage.until('more tries', () => stage.rests > rests + 4);
  expect([await leftOn(stage.rig.target), (await stage.rig.tableStatus('item'))?.relation]).toEqual(before);
  expect(stage.lines('nobody can follow the target from here')).toHaveLength(1);
  expect([stage.lines('by hand'), stage.lines('leading a feed').length]).toEqual([[], 1]);
  stage.rig.start();
  await stage.until(
    'one that has it to follow',
    async () => (await stage.rig.status())?.state === 'streaming',
  );
});

test('a target that has another address only keeps its slot', async () => {
  const stage = await opened();
  const before = [await leftOn(stage.rig.target), (await stage.rig.tableStatus('item'))?.relation];
  stage.move({ pg2: `${stage.rig.target.url}?connect_timeout=5` });
  await stage.until('the old address to be looked at', () => stage.lines('is where it was').length > 0);
  await stage.rig.target.query('insert into item values (1000)');
  await stage.rig.caughtUp();
  expect([await leftOn(stage.rig.target), (await stage.rig.tableStatus('item'))?.relation]).toEqual(before);
});

test('the slot of a target that has an address which leads nowhere holds back no more than allowed, however long', async () => {
  const target = await databaseApart();
  const stage = await opened({ maxRetainedWalBytes: 1 << 20, giveUpAfterMs: 0 }, { target });
  const proxy = await startProxy(target.server);
  undo.push(() => proxy.close());
  proxy.setMode('refuse');
  stage.move({ pg2: proxy.through(stage.rig.target.url) });
  await stage.until('the new address to be tried', () => stage.lines('feed interrupted').length > 0);
  await fillLog(stage.rig.target.url);
  await stage.until('the slot to go', async () => (await leftOn(stage.rig.target)).length === 0);
});

test('nor does it where its source has been out of reach from the start', async () => {
  const stage = await opened();
  await stage.until('the slot to be noted', async () => (await stage.rig.book.noted()).length === 1);
  await stage.stop();
  const proxies = [await startProxy(testServer('source')), await startProxy(testServer('target'))] as const;
  for (const proxy of proxies) {
    undo.push(() => proxy.close());
    proxy.setMode('refuse');
  }
  stage.move({ pg1: proxies[0].through(stage.rig.source.url) });
  stage.limits = { maxRetainedWalBytes: 1 << 20 };
  stage.start();
  await stage.until('the source to be missed', () => stage.lines('feed left its source').length > 0);
  stage.move({ pg2: proxies[1].through(stage.rig.target.url) });
  await fillLog(stage.rig.target.url);
  await stage.until('the slot to go', async () => (await leftOn(stage.rig.target)).length === 0);
});

test('a source that has another address only keeps its slot and its copies', async () => {
  const stage = await opened();
  const before = [await leftOn(stage.rig.target), (await stage.rig.tableStatus('item'))?.relation];
  const led = stage.lines('leading a feed').length;
  stage.move({ pg1: `${stage.rig.source.url}?connect_timeout=5` });
  await stage.until('it to go on', () => stage.lines('leading a feed').length > led);
  await stage.rig.target.query('insert into item values (1000)');
  await stage.rig.caughtUp();
  expect([await leftOn(stage.rig.target), (await stage.rig.tableStatus('item'))?.relation]).toEqual(before);
  expect(stage.lines('feed dropped')).toEqual([]);
});

test('a source that left the metadata while nobody ran leaves no slot, once nobody reads from it', async () => {
  const stage = await opened();
  await stage.until('the slot to be noted', async () => (await stage.rig.book.noted()).length === 1);
  await stage.stop();
  stage.unlist(['pg1']);
  const isActive = async (wanted: boolean): Promise<boolean> => {
    const { rows } = await stage.rig.target.query<{ active: boolean }>(
      'select active from pg_replication_slots where database = current_database() and not temporary',
    );
    return rows[0]?.active === wanted;
  };
  await stage.until('the first process to have let go', () => isActive(false));
  const other = stage.rig.start();
  await stage.rig.until('another process to stream', () => isActive(true));
  stage.start();
  await stage.until('the reader to be seen', () => stage.lines('somebody follows the slot').length > 0);
  expect(await leftOn(stage.rig.target)).toHaveLength(2);
  await other.stop();
  await stage.until('the target to be free', async () => (await leftOn(stage.rig.target)).length === 0);
  await stage.until('the note to go', async () => (await stage.rig.book.noted()).length === 0);
});

test('a slot whose source one process cannot reach is left to the process that reads from it', async () => {
  const stage = await opened();
  await stage.until('the slot to be noted', async () => (await stage.rig.book.noted()).length === 1);
  await stage.stop();
  await stage.until(
    'the first process to have let go',
    async () => (await readerOf(stage.rig.target)) === null,
  );
  stage.rig.start();
  await stage.until('the other process to read', async () => (await readerOf(stage.rig.target)) !== null);
  const before = [await leftOn(stage.rig.target), await readerOf(stage.rig.target)];
  const proxy = await startProxy(testServer('source'));
  undo.push(() => proxy.close());
  proxy.setMode('refuse');
  stage.move({ pg1: proxy.through(stage.rig.source.url) });
  stage.limits = { maxRetainedWalBytes: -1, retryMs: { first: 20, longest: 40 } };
  stage.start();
  const rested = async (): Promise<void> => {
    const rests = stage.rests;
    await stage.until('more tries', () => stage.rests > rests + 20);
  };
  await rested();
  expect([await leftOn(stage.rig.target), await readerOf(stage.rig.target)]).toEqual(before);
  stage.unlist(['pg1']);
  await rested();
  expect([await leftOn(stage.rig.target), await readerOf(stage.rig.target)]).toEqual(before);
});

test('a source that is back in the metadata in time keeps its slot', async () => {
  const stage = await opened({ removalDelayMs: 3_600_000 });
  await stage.stop();
  const before = [await leftOn(stage.rig.target), (await stage.rig.tableStatus('item'))?.relation];
  stage.unlist(['pg1']);
  stage.start();
  await stage.until('the removal to be told', () => stage.lines('the source of a slot is gone').length === 1);
  stage.list(['pg1']);
  await stage.rig.target.query('insert into item values (1000)');
  await stage.rig.caughtUp();
  expect([await leftOn(stage.rig.target), (await stage.rig.tableStatus('item'))?.relation]).toEqual(before);
});

test('a slot of a source that is out of reach from the start holds back no more than allowed', async () => {
  const stage = await opened();
  await stage.until('the slot to be noted', async () => (await stage.rig.book.noted()).length === 1);
  await stage.stop();
  stage.lose(['pg1']);
  stage.limits = { maxRetainedWalBytes: 1 << 20 };
  stage.start();
  await fillLog(stage.rig.target.url);
  await stage.until(
    'the slot to go',
    () => stage.lines('slot dropped while nobody reads from it').length === 1,
  );
  expect(await leftOn(stage.rig.target)).toEqual([]);
});
