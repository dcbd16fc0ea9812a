import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { KafkaCluster } from '../../connectors/kafka/settings.ts';
import { parseLsn } from '../../src/core/position/lsn.ts';
import { Random } from '../oracle/random.ts';
import { CHANGING_TABLES, changeTable, digest, makeTables } from '../support/changing-tables.ts';
import { FeedRig, type Tracked } from '../support/feed.ts';
import { type Debezium, KafkaEstate } from '../support/kafka/estate.ts';
import { eventMessage } from '../support/kafka-events.ts';
import { insertPosition } from '../support/postgres.ts';
import { Writer } from '../support/writer.ts';

// What goes wrong on the way: nothing but whole transactions of the target's own history is ever in the cache.

const SECONDS = Number(process.env['NEARJOIN_KAFKA_SECONDS'] ?? 5);
const SEED = Number(process.env['NEARJOIN_SEED'] ?? 1);

let estate: KafkaEstate;
let rig: FeedRig | undefined;

beforeAll(async () => {
  estate = await KafkaEstate.open();
});

afterEach(async () => {
  await rig?.close();
  rig = undefined;
  await estate.stopConnectors();
});

afterAll(() => estate?.close());

async function open(statements: readonly string[], tracked: Tracked): Promise<FeedRig> {
  rig = await FeedRig.open(statements, tracked);
  return rig;
}

const BARE = { 'value.converter.schemas.enable': false };
const ITEM = ['create table item (id int primary key, name text, amount numeric(10,2))'];
const ROWS = `insert into item select n, 'name ' || n, n / 3.0 from generate_series(1, 50) n`;

async function same(feed: FeedRig, name = 'item'): Promise<void> {
  const isSame = async (): Promise<boolean> => {
    const found = await feed.contents(name).catch(() => null); // its copy may be replaced meanwhile
    return found !== null && JSON.stringify(found.target) === JSON.stringify(found.cache);
  };
  await feed.until(`${name} to be the same`, isSame);
}

function following(debezium: Debezium): {
  readonly kafka: { cluster: KafkaCluster; feed: Debezium['feed'] };
} {
  return { kafka: { cluster: estate.cluster, feed: debezium.feed } };
}

/** Whether the cache shows the table as it was after one of its transactions; null while it is not ready. */
async function isWhole(feed: FeedRig, name: string): Promise<boolean | null> {
  const [table, journal] = await Promise.all([feed.tableStatus(name), feed.tableStatus('journal')]);
  if (table?.state.kind !== 'ready' || journal?.state.kind !== 'ready') return null;
  const { rows } = await feed.source.query<{ whole: boolean | null }>(
    `select (select digest from nearjoin."${journal.relation}" where name = $1 order by round desc limit 1)
       = ${digest(`nearjoin."${table.relation}"`)} as whole`,
    [name],
  );
  return rows[0]?.whole ?? null;
}

/**
 * Debezium that is killed between the two halves of a changed key goes on behind both, which makes another copy: waits
 * until it has noted every such change.
 */
async function noKeyUnderWay(
  feed: FeedRig,
  writers: readonly Writer[],
  { feed: { slot } }: Debezium,
): Promise<void> {
  const before = writers.map(({ transactions }) => transactions);
  const areOver = async () => writers.every(({ transactions }, at) => transactions > (before[at] ?? 0) + 1);
  await feed.until('writers to have begun anew', areOver);
  const { rows } = await feed.target.query<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn');
  const noted = 'select from pg_replication_slots where slot_name = $1 and confirmed_flush_lsn >= $2::pg_lsn';
  await feed.until(
    'Debezium to have noted what was changed',
    async () => (await feed.target.query(noted, [slot, rows[0]?.lsn])).rows.length > 0,
  );
}

test(`killed again and again, Debezium, broker and replicator lose nothing and repeat nothing (seed ${SEED})`, async () => {
  const tracked = Object.fromEntries(['journal', ...CHANGING_TABLES].map((name) => [name, []]));
  const feed = await open(makeTables(50), tracked);
  const debezium = await estate.debezium(feed.target);
  let supervisor = feed.start(following(debezium));
  await feed.ready();
  const random = new Random(SEED);
  const pick = (below: number): number => random.int(0, below - 1);
  let keepsKeys = false;
  const writers = CHANGING_TABLES.map(
    (name) =>
      new Writer(feed.target.url, (round) => [
        ...changeTable(name, round, { pick, keepsKeys }),
        'select pg_sleep(0.05)',
      ]),
  );
  const torn: string[] = [];
  let looks = 0;
  const over = new AbortController();
  const watching = (async () => {
    for (let at = 0; !over.signal.aborted; at += 1) {
      const name = CHANGING_TABLES[at % CHANGING_TABLES.length] ?? '';
      const whole = await isWhole(feed, name).catch(() => null); // a copy may be replaced meanwhile
      if (whole !== null) looks += 1;
      if (whole === false) torn.push(name);
    }
  })();
  const written = (): number => writers.reduce((sum, { transactions }) => sum + transactions, 0);
  const until = performance.now() + SECONDS * 1000;
  try {
    for (let round = 0; performance.now() < until || round < 3; round += 1) {
      const before = written();
      await feed.until('the writers to go on', async () => written() > before + 50);
      if (round % 3 === 0) {
        keepsKeys = true;
        await noKeyUnderWay(feed, writers, debezium);
        await debezium.stop('SIGKILL');
        await debezium.start();
        keepsKeys = false;
      } else if (round % 3 === 1) {
        await estate.stopBroker();
        await estate.startBroker();
      } else {
        await supervisor.stop();
        supervisor = feed.start(following(debezium));
      }
    }
  } finally {
    await Promise.all(writers.map((writer) => writer.stop()));
  }
  try {
    for (const name of ['journal', ...CHANGING_TABLES]) await same(feed, name);
  } finally {
    over.abort();
    await watching;
  }
  expect(torn).toEqual([]);
  expect(looks).toBeGreaterThan(10);
  // Every restart went on from where the cache was.
  const anew = feed.log.filter((line) => line.includes('building the cache of a target anew'));
  expect(anew.filter((line) => !line.includes('first copy'))).toEqual([]);
}, 240_000);

test('while Debezium is away nothing is called fresh, and what it missed comes when it is back', async () => {
  const feed = await open([...ITEM, ROWS], { item: [] });
  const debezium = await estate.debezium(feed.target);
  feed.start(following(debezium));
  await feed.ready();
  await feed.caughtUp();
  await debezium.stop('SIGKILL');
  await feed.target.query('update item set amount = 0');
  const { rows } = await feed.source.query<{ now: string }>(
    `select (extract(epoch from clock_timestamp()) * 1000000)::bigint::text as now`,
  );
  const newest = (): number => Math.max(0, ...feed.probes.map(({ freshAsOf }) => freshAsOf));
  const lsn = parseLsn(await insertPosition(feed.target));
  await feed.until('the feed to know of the update', async () => {
    return ((await feed.status())?.targetPosition ?? 0n) >= lsn;
  });
  expect(newest()).toBeLessThan(Number(rows[0]?.now));
  const unread = `nobody reads the slot ${debezium.feed.slot}`;
  await feed.until('the reason', async () => (await feed.status())?.reason?.includes(unread) === true);
  await debezium.start();
  await same(feed);
  await feed.until('the reason to be over', async () => (await feed.status())?.reason === null);
  await feed.until('a proof', async () => newest() > Number(rows[0]?.now));
});

test('a slot that was made anew is noticed, and everything is copied again', async () => {
  const feed = await open([...ITEM, ROWS], { item: [] });
  const debezium = await estate.debezium(feed.target);
  const first = feed.start(following(debezium));
  await feed.ready();
  const before = (await feed.tableStatus('item'))?.relation;
  await feed.target.query('update item set amount = 1');
  await feed.caughtUp();
  await first.stop();
  await debezium.stop();
  await feed.target.query('select pg_drop_replication_slot($1)', [debezium.feed.slot]);
  await feed.target.query('update item set amount = 2 where id < 10');
  await debezium.forget();
  await debezium.start();
  await feed.target.query('update item set amount = 3 where id > 40');
  feed.start(following(debezium));
  await feed.copiedAgain('item', before);
  await same(feed);
});

test('what Kafka let go of while the feed was paused is noticed, and everything is copied again', async () => {
  const feed = await open([...ITEM, ROWS], { item: [] });
  const debezium = await estate.debezium(feed.target);
  feed.start(following(debezium));
  await feed.ready();
  const before = (await feed.tableStatus('item'))?.relation;
  await feed.source.query('update nearjoin.feed set paused = true');
  await feed.until('the pause', async () => (await feed.status())?.state === 'paused');
  await estate.administer(async (admin) => {
    const topic = `${debezium.feed.topicPrefix}.transaction`;
    const high = async (): Promise<number> => Number((await admin.fetchTopicOffsets(topic))[0]?.high);
    const read = await high();
    await feed.target.query('update item set amount = 1');
    await feed.until('the update to be told', async () => (await high()) > read + 1);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '-1' }] });
  });
  await feed.source.query('update nearjoin.feed set paused = false');
  await feed.copiedAgain('item', before);
  await same(feed);
});

test('a topic that was deleted with changes that nobody had read is noticed, whatever comes after', async () => {
  const feed = await open([...ITEM, ROWS], { item: [] });
  const debezium = await estate.debezium(feed.target);
  const settings = { ...following(debezium), kafkaTimings: { lossMs: 1_000 } };
  const first = feed.start(settings);
  await feed.ready();
  const before = (await feed.tableStatus('item'))?.relation;
  await feed.target.query('update item set amount = 1');
  await feed.caughtUp();
  await first.stop();
  await estate.administer(async (admin) => {
    const topic = `${debezium.feed.topicPrefix}.public.item`;
    const told = (): Promise<bigint> => estate.messages(topic);
    const read = await told();
    await feed.target.query('update item set amount = 2 where id = 1');
    await feed.until('the update to be told', async () => (await told()) > read);
    await admin.deleteTopics({ topics: [topic] });
  });
  feed.start(settings);
  await feed.copiedAgain('item', before);
  await feed.target.query('update item set amount = 3 where id = 2');
  await same(feed);
});

test('messages without schemas are read too', async () => {
  const feed = await open([...ITEM, ROWS, 'alter table item add column at timestamp'], { item: [] });
  const debezium = await estate.debezium(feed.target, {
    'value.converter.schemas.enable': false,
    'time.precision.mode': 'microseconds',
  });
  feed.start(following(debezium));
  await feed.ready();
  await feed.target.query(`update item set at = '2020-01-02 03:04:05.678901', amount = -0.5 where id < 5`);
  await feed.target.query('update item set id = 1000 where id = 7');
  await feed.target.query('delete from item where id = 8');
  await same(feed);
});

test.each([
  [
    'the topic of transactions is in parts',
    { 'topic.creation.transaction.partitions': 3 },
    'must have exactly one',
  ],
  [
    'events do not name their transactions',
    { 'provide.transaction.metadata': false },
    'provide.transaction.metadata=true',
  ],
])('%s: the feed says what to set, and nothing is cached', async (_title, settings, reason) => {
  const feed = await open([...ITEM, ROWS], { item: [] });
  const debezium = await estate.debezium(feed.target, settings);
  feed.start({ ...following(debezium), kafkaTimings: { barrierMs: 2_000 } });
  await feed.until('the reason', async () => (await feed.status())?.reason?.includes(reason) === true);
  expect(await feed.status()).toMatchObject({ state: 'failed', freshAsOf: null });
});

test.each([
  ['decimal.handling.mode=string', { 'decimal.handling.mode': 'precise' }],
  ['decimal.handling.mode=string', { 'decimal.handling.mode': 'double', ...BARE }],
  ['time.precision.mode=microseconds', BARE],
  ['value.converter.replace.null.with.default=false', { 'value.converter.replace.null.with.default': true }],
])('a lossy setting of the connector fails the table, and names what to set: %s', async (said, settings) => {
  const columns = 'alter table item add column at timestamp(3), add column may text default $$x$$';
  const feed = await open([...ITEM, ROWS, columns], { item: [] });
  const debezium = await estate.debezium(feed.target, settings);
  feed.start(following(debezium));
  await feed.ready();
  await feed.target.query(`update item set amount = 1.5, at = '2020-01-02 03:04:05', may = null`);
  await feed.until('the reason', async () => feed.log.some((line) => line.includes(said)));
});

test('a table whose changes are routed to another topic is not copied again and again', async () => {
  const feed = await open([...ITEM, ROWS], { item: [] });
  const debezium = await estate.debezium(feed.target, {
    transforms: 'route',
    'transforms.route.type': 'org.apache.kafka.connect.transforms.RegexRouter',
    'transforms.route.regex': '.*\\.public\\.item',
    'transforms.route.replacement': 'elsewhere',
  });
  feed.start({ ...following(debezium), kafkaTimings: { lossMs: 500 } });
  await feed.ready();
  const before = (await feed.tableStatus('item'))?.relation;
  await feed.target.query('update item set amount = 1');
  // It might have been deleted, and made again by the next change.
  await feed.copiedAgain('item', before);
  await feed.target.query('update item set amount = 2');
  const said = 'take transforms that rename topics';
  await feed.until('the reason', async () => (await feed.status())?.reason?.includes(said) === true);
  expect(await feed.status()).toMatchObject({ state: 'failed' });
});

test('changes that a transform leaves out make two copies, not one each', async () => {
  const feed = await open([...ITEM, ROWS], { item: [] });
  const debezium = await estate.debezium(feed.target, {
    transforms: 'filter',
    'transforms.filter.type': 'org.apache.kafka.connect.transforms.Filter',
    'transforms.filter.predicate': 'moved',
    predicates: 'moved',
    'predicates.moved.type': 'org.apache.kafka.connect.transforms.predicates.HasHeaderKey',
    'predicates.moved.name': '__debezium.newkey',
  });
  feed.start({ ...following(debezium), kafkaTimings: { lossMs: 500 } });
  await feed.ready();
  for (const id of [1, 2]) {
    const before = (await feed.tableStatus('item'))?.relation;
    await feed.target.query('update item set id = id + 1000 where id = $1', [id]);
    await feed.copiedAgain('item', before);
  }
  await feed.target.query('update item set id = id + 1000 where id = 3');
  const said = 'take transforms that leave messages out';
  await feed.until('the reason', async () => (await feed.status())?.reason?.includes(said) === true);
  expect(await feed.status()).toMatchObject({ state: 'failed' });
});

test('an event from beyond the end of the target’s log is named', async () => {
  const feed = await open([...ITEM, ROWS], { item: [] });
  const debezium = await estate.debezium(feed.target);
  await feed.target.query('update item set amount = amount');
  feed.start({ ...following(debezium), kafkaTimings: { lossMs: 500 } });
  await feed.ready();
  const { topicPrefix } = debezium.feed;
  const foreign = eventMessage({ op: 'd', xid: 1, previous: 1n << 60n, lsn: 1n << 61n, table: 'item' }, null);
  await estate.produce(`${topicPrefix}.public.item`, foreign.toString());
  await feed.target.query('update item set amount = 1');
  const said = `partition 0 of ${topicPrefix}.public.item speaks of 20000000/0`;
  await feed.until('the reason', async () => (await feed.status())?.reason?.includes(said) === true);
  expect(await feed.status()).toMatchObject({ state: 'failed' });
});
