import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { postgresConnector } from '../../connectors/postgres/connector.ts';
import { NO_TYPES } from '../../src/catalog/held-type.ts';
import { systemClock } from '../../src/core/clock.ts';
import type { FeedLimits } from '../../src/replicate/feed-options.ts';
import type { Log } from '../../src/replicate/log.ts';
import { type SupervisedSnapshot, Supervisor } from '../../src/replicate/supervisor.ts';
import { FeedRig, QUICK } from '../support/feed.ts';
import { poll } from '../support/poll.ts';
import { createDatabase, type TestDatabase, testServer } from '../support/postgres.ts';
import { startProxy } from '../support/proxy.ts';

// What becomes of a feed that nobody wants any more, whichever of its databases can still be reached.

const SET_UP = ['create table item (id int primary key)', 'insert into item select generate_series(1, 50)'];
const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** A supervisor whose catalog and addresses the test sets. */
class Stage {
  readonly rig: FeedRig;
  readonly log: string[] = [];
  /** How often anything of it waited for time to pass. */
  rests = 0;
  readonly #waiting = new Set<() => void>();
  #urls = new Map<string, string>();
  #isListed = true;

  private constructor(rig: FeedRig) {
    this.rig = rig;
    this.move({ pg1: rig.source.url, pg2: rig.target.url });
  }

  static async open(limits: Partial<FeedLimits> = {}, targetUrl?: (url: string) => string): Promise<Stage> {
    const rig = await FeedRig.open(SET_UP, { item: [] });
    undo.push(() => rig.close());
    const stage = new Stage(rig);
    if (targetUrl !== undefined) stage.move({ pg2: targetUrl(rig.target.url) });
    const supervisor = new Supervisor({
      catalogs: { changes: (signal) => stage.#snapshots(signal), refresh: () => Promise.resolve() },
      connect: (url, name) => postgresConnector({ url, name, log: stage.#logger() }),
      limits: { ...QUICK, goneRetryMs: 500, ...limits },
      clock: {
        ...systemClock,
        delay: (ms, signal) => {
          stage.rests += 1;
          return systemClock.delay(ms, signal);
        },
      },
      random: () => 0.5,
      log: stage.#logger(),
      onProbe: () => undefined,
    });
    supervisor.start();
    undo.push(() => supervisor.stop());
    await rig.ready();
    return stage;
  }

  move(urls: Readonly<Record<string, string>>): void {
    this.#urls = new Map([...this.#urls, ...Object.entries(urls)]);
    for (const wake of this.#waiting) wake();
  }

  /** Nothing of it is in the metadata any more. */
  unlist(): void {
    this.#isListed = false;
    for (const wake of this.#waiting) wake();
  }

  lines(text: string): readonly string[] {
    return this.log.filter((line) => line.includes(text));
  }

  async until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
    await poll(what, isSo).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.log.slice(-20).join('\n')}`);
    });
  }

  async *#snapshots(signal: AbortSignal): AsyncGenerator<SupervisedSnapshot> {
    while (!signal.aborted) {
      const changed = new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
        signal.addEventListener('abort', () => resolve());
      });
      yield this.#snapshot();
      await changed;
    }
  }

  #snapshot(): SupervisedSnapshot {
    if (!this.#isListed) return { catalog: { sources: new Map(), desired: [] }, urls: new Map() };
    const none = {
      unavailable: null,
      namespace: null,
      namespaceType: null,
      tables: new Map(),
      types: NO_TYPES,
    };
    const sources = new Map(['pg1', 'pg2'].map((name) => [name, { name, ...none }]));
    return { catalog: { sources, desired: this.rig.desired }, urls: this.#urls };
  }

  #logger(): Log {
    const write =
      (level: string) =>
      (fields: object, text: string): void => {
        this.log.push(`${level} ${text} ${JSON.stringify(fields)}`);
      };
    return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
  }
}

async function leftOn(target: TestDatabase): Promise<readonly string[]> {
  const { rows } = await target.query<{ name: string }>(
    `select slot_name as name from pg_replication_slots where database = current_database() and not temporary
     union all select pubname from pg_publication`,
  );
  return rows.map(({ name }) => name);
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

test('a feed whose source database is gone leaves no slot and no publication on its target', async () => {
  const stage = await Stage.open();
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
  const stage = await Stage.open({ goneRetryMs: 40 });
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
  const stage = await Stage.open({}, (url) => proxy.through(url));
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

test('a target that stays out of reach is given up after a time, with one line', async () => {
  const proxy = await startProxy(testServer('target'));
  undo.push(() => proxy.close());
  const stage = await Stage.open({ giveUpAfterMs: 300, goneRetryMs: 60 }, (url) => proxy.through(url));
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
  const stage = await Stage.open();
  await destroy(stage.rig.target);
  stage.unlist();
  await stage.until('the feed to go', async () => (await leftIn(stage.rig.source)) === 0);
  expect(stage.lines('the target database does not exist')).toHaveLength(1);
});

test('a source that moves to another database leaves nothing in the old one', async () => {
  const stage = await Stage.open();
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

test('a source that has another address only keeps its slot and its copies', async () => {
  const stage = await Stage.open();
  const before = [await leftOn(stage.rig.target), (await stage.rig.tableStatus('item'))?.relation];
  stage.move({ pg1: `${stage.rig.source.url}?connect_timeout=5` });
  await stage.until('it to go on', () => stage.lines('leading a feed').length === 2);
  await stage.rig.target.query('insert into item values (1000)');
  await stage.rig.caughtUp();
  expect([await leftOn(stage.rig.target), (await stage.rig.tableStatus('item'))?.relation]).toEqual(before);
  expect(stage.lines('feed dropped')).toEqual([]);
});
