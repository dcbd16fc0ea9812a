import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import {
  type AclEntry,
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  ConfigResourceTypes,
  ResourcePatternTypes,
} from 'kafkajs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Supervisor } from '../../src/replicate/supervisor.ts';
import { FeedRig, type SupervisorSettings } from '../support/feed.ts';
import { type Debezium, KafkaEstate, PASSWORD } from '../support/kafka/estate.ts';
import { CARRIED_COLUMNS, CARRIED_ROWS, LOST_COLUMNS } from '../support/kafka/values.ts';
import { poll } from '../support/poll.ts';

// A real broker, Connect and Debezium: what they say of every kind of change is in the cache as it is on the target.

let estate: KafkaEstate;
let rig: FeedRig;
let debezium: Debezium;
let supervisor: Supervisor;

const TABLES = ['item', 'pair', 'full_identity', 'parts', 'by_index', 'account', 'ledger', 'value'];

const FIRST_CHANGES = [
  ['item', 'amount = amount'],
  ['pair', 'b = b'],
  ['full_identity', 'n = n'],
  ['parts', 'note = note'],
  ['by_index', 'note = note'],
  ['account', 'amount = amount'],
  ['ledger', 'amount = amount'],
  ['value', 'i4 = i4'],
];

/** Some topics are kept in another compression each, whatever the producer's is. */
const COMPRESSED: Readonly<Record<string, string>> = {
  item: 'snappy',
  pair: 'lz4',
  account: 'zstd',
  ledger: 'gzip',
};

const COMPRESSED_TOPICS = Object.fromEntries([
  ['topic.creation.groups', ['transaction', ...Object.keys(COMPRESSED)].join(',')],
  ...Object.entries(COMPRESSED).flatMap(([table, type]) => [
    [`topic.creation.${table}.include`, `.*\\.${table}`],
    [`topic.creation.${table}.compression.type`, type],
  ]),
]);

beforeAll(async () => {
  estate = await KafkaEstate.open();
  rig = await FeedRig.open(
    [
      `create table item (id int primary key, name text, amount numeric(10,2), big text, must text not null default 'z', may text default 'm')`,
      'create table pair (a text, b int, note varchar(20), primary key (b, a))',
      'create table full_identity (id int primary key, big text, n int)',
      'alter table full_identity replica identity full',
      'alter table item alter column big set storage external, alter column must set storage external',
      'alter table full_identity alter column big set storage external',
      'create table parts (id int primary key, note text) partition by range (id)',
      'create table parts1 partition of parts for values from (0) to (100)',
      'create table parts2 partition of parts for values from (100) to (1000000)',
      'create table by_index (code text not null unique, note text)',
      'alter table by_index replica identity using index by_index_code_key',
      'create table account (id int primary key, amount int not null)',
      'create table ledger (id int primary key, amount int not null)',
      'create table unfollowed (id int primary key)',
      'create table signal (id varchar(42) primary key, type varchar(32), data varchar(2048))',
      'insert into account select n, 100 from generate_series(1, 20) n',
      `insert into item select n, 'name ' || n, n / 3.0, repeat('x', 3000) || n, repeat('z', 3000) || n from generate_series(1, 50) n`,
      `insert into pair values ('first', 0, null)`,
      `insert into full_identity values (99, 'first', 0)`,
      `insert into parts values (1, 'first')`,
      `insert into by_index values ('first', null)`,
      `insert into ledger values (0, 0)`,
      `create type mood as enum ('sad', 'ok', 'it''s')`,
      `create domain positive as int check (value > 0)`,
      `create table value (id int primary key, ${[...CARRIED_COLUMNS, ...LOST_COLUMNS].join(', ')})`,
      'insert into value (id) values (0)',
    ],
    Object.fromEntries(TABLES.map((name) => [name, []])),
  );
  debezium = await estate.debezium(rig.target, {
    ...COMPRESSED_TOPICS,
    'signal.data.collection': 'public.signal',
  });
  // The first change of a table makes its topic, which a stream that is open finds out by beginning again.
  for (const [name, set] of FIRST_CHANGES) await rig.target.query(`update ${name} set ${set}`);
  start();
  await rig.ready();
});

afterAll(async () => {
  await rig?.close();
  await estate?.close();
});

function start(cluster = estate.cluster, kafkaTimings: SupervisorSettings['kafkaTimings'] = {}): void {
  supervisor = rig.start({ kafka: { cluster, feed: debezium.feed }, kafkaTimings });
}

async function same(name: string): Promise<readonly string[]> {
  await rig.caughtUp();
  const { target, cache } = await rig.contents(name);
  expect(cache).toEqual(target);
  return cache;
}

async function inOne(...statements: readonly string[]): Promise<void> {
  await rig.target.query(`do $$ begin ${statements.join(';')}; end $$`);
}

test('the first copy holds every row, and says that it came through Kafka', async () => {
  expect(await same('item')).toHaveLength(50);
  expect(await rig.status()).toMatchObject({
    connector: 'kafka',
    state: 'streaming',
    slot: debezium.feed.slot,
  });
});

test('topics are compressed in every way there is', async () => {
  const resources = Object.keys(COMPRESSED).map((table) => {
    const name = `${debezium.feed.topicPrefix}.public.${table}`;
    return { type: ConfigResourceTypes.TOPIC, name, configNames: ['compression.type'] };
  });
  const found = await estate.administer((admin) =>
    admin.describeConfigs({ resources, includeSynonyms: false }),
  );
  const kept = found.resources.map(({ configEntries }) => configEntries[0]?.configValue);
  expect(new Set(kept)).toEqual(new Set(Object.values(COMPRESSED)));
});

test('inserts, updates and deletes arrive', async () => {
  await rig.target.query(
    `insert into item values (100, 'new', 1.5, null, 'y', 'w'), (101, null, null, 'x', 'y', null)`,
  );
  await rig.target.query('update item set may = null where id = 10');
  await rig.target.query(`update item set name = 'changed' where id < 10`);
  await rig.target.query('delete from item where id between 20 and 25');
  expect(await same('item')).toHaveLength(46);
});

test('a value that an update left alone is kept, and null is not mistaken for it', async () => {
  await rig.target.query(`update item set name = 'kept' where id = 1`);
  await rig.target.query('update item set big = null where id = 2');
  await same('item');
});

test('a key change carries the values that were not sent, in whatever partition its halves are', async () => {
  await rig.target.query('update item set id = 1000 where id = 3');
  await rig.target.query(`update item set id = id + 2000, name = 'moved' where id between 30 and 35`);
  await inOne(
    `update item set name = 'a' where id = 7`,
    'update item set id = 7000 where id = 7',
    `update item set name = 'b' where id = 7000`,
    `insert into item values (7, 'other', 1, null)`,
    'update item set id = 8000 where id = 7000',
  );
  await same('item');
});

test('one row inserted, changed, moved and deleted in one transaction leaves nothing', async () => {
  await inOne(
    `insert into item values (500, 'a', 1, repeat('y', 4000))`,
    `update item set name = 'b' where id = 500`,
    'update item set id = 501 where id = 500',
    'delete from item where id = 501',
    `insert into item values (501, 'again', 2, repeat('z', 4000))`,
  );
  await same('item');
});

test('composite keys with odd texts', async () => {
  await rig.target.query(
    `insert into pair values ('it''s', 1, 'q"uote'), ('back\\slash', 2, '{a,b}'), ('', 3, null), ('NULL', 4, 'null'), (e'tab\\t\\n', 5, e'x\\ny'), ('é😀', 6, '😀')`,
  );
  await rig.target.query('update pair set b = b + 10 where b < 3');
  await rig.target.query('delete from pair where b = 4');
  expect(await same('pair')).toHaveLength(6);
});

test('full replica identity, an identity by an index, and a partitioned table', async () => {
  await rig.target.query(`insert into full_identity values (1, repeat('f', 5000), 1), (2, null, 2)`);
  await rig.target.query('update full_identity set n = n + 1');
  await rig.target.query('update full_identity set id = 10 where id = 1');
  await rig.target.query('delete from full_identity where id = 2');
  await rig.target.query(`insert into by_index values ('a', 'x'), ('b', 'y'), ('c', 'z')`);
  await rig.target.query(`update by_index set code = 'd', note = 'moved' where code = 'a'`);
  await rig.target.query(`delete from by_index where code = 'b'`);
  await rig.target.query(`insert into parts select n, 'p' from generate_series(90, 110) n`);
  await rig.target.query('update parts set id = id + 1000 where id < 95');
  await rig.target.query('delete from parts where id = 105');
  for (const name of ['full_identity', 'by_index', 'parts']) await same(name);
});

test('a truncate arrives in order', async () => {
  await inOne(
    `insert into pair values ('before', 100, null)`,
    'truncate pair',
    `insert into pair values ('after', 1, null)`,
  );
  expect(await same('pair')).toHaveLength(1);
});

test('values of every type that Debezium tells without loss are the same to the letter', async () => {
  for (const row of CARRIED_ROWS) await rig.target.query(`insert into value ${row}`);
  await rig.target.query('update value set i4 = 1');
  expect(await same('value')).toHaveLength(CARRIED_ROWS.length + 1);
  const names = (await rig.tableStatus('value'))?.columns.map(({ name }) => name);
  expect(names).toEqual(['id', ...CARRIED_COLUMNS.map((column) => column.split(' ')[0])]);
});

test('a reader never sees half of a transaction over two tables, nor of one larger than a batch', async () => {
  const [account, ledger] = await Promise.all(['account', 'ledger'].map((name) => rig.tableStatus(name)));
  const sums = new Set<number>();
  let over = false;
  const watching = (async () => {
    while (!over) {
      const { rows } = await rig.source.query<{ sum: number }>(
        `select coalesce((select sum(amount) from nearjoin."${account?.relation}"), 0)::int
           + coalesce((select sum(amount) from nearjoin."${ledger?.relation}"), 0)::int as sum`,
      );
      sums.add(rows[0]?.sum ?? -1);
    }
  })();
  for (let round = 1; round <= 100; round += 1) {
    await inOne(
      `update account set amount = amount - 1 where id = ${1 + (round % 20)}`,
      `insert into ledger values (${round}, 1)`,
    );
  }
  await inOne(
    'insert into ledger select n, 1 from generate_series(1001, 7000) n',
    'update account set amount = amount - 300',
  );
  await same('ledger');
  await same('account');
  over = true;
  await watching;
  expect([...sums]).toEqual([2_000]);
});

test('rows that Debezium is asked to read again while it streams change nothing', async () => {
  const topic = `${debezium.feed.topicPrefix}.public.account`;
  const told = await estate.messages(topic);
  const asked = { type: 'incremental', 'data-collections': ['public.account'] };
  await rig.target.query(`insert into signal values ('1', 'execute-snapshot', $1)`, [JSON.stringify(asked)]);
  await rig.until('its 20 rows to be read', async () => (await estate.messages(topic)) >= told + 20n);
  await rig.target.query('update account set amount = amount + 1 where id = 7');
  await same('account');
});

test('none of this took a second copy or another connection', () => {
  const streaming = rig.log.findIndex((line) => line.startsWith('info streaming'));
  expect(rig.log.slice(streaming).filter((line) => line.startsWith('warn'))).toEqual([]);
});

test('what changed while nobody read is there after a restart, in the same copies', async () => {
  const relations = async (): Promise<unknown> =>
    (await rig.status())?.tables.map(({ relation }) => relation);
  const before = await relations();
  await supervisor.stop();
  await rig.target.query(`update item set name = 'meanwhile', big = repeat('m', 3000) where id < 20`);
  await rig.target.query('truncate pair');
  start();
  for (const name of TABLES) await same(name);
  expect(await relations()).toEqual(before);
});

test('a table that is wanted later is copied, and the others go on', async () => {
  await rig.track({ ...Object.fromEntries(TABLES.map((name) => [name, []])), unfollowed: [] });
  await rig.target.query('insert into unfollowed select generate_series(1, 10)');
  await rig.ready();
  await rig.target.query('insert into unfollowed values (11)');
  expect(await same('unfollowed')).toHaveLength(11);
  await same('item');
});

test('a column that changes on the target gives the table another copy', async () => {
  const before = (await rig.tableStatus('account'))?.relation;
  await rig.target.query('alter table account alter column amount type numeric(10, 2)');
  await rig.target.query('update account set amount = amount + 0.25 where id = 1');
  await rig.refresh();
  await rig.copiedAgain('account', before);
  await same('account');
});

test('a table that Debezium does not publish is refused by name', async () => {
  await rig.target.query('create table late (id int primary key)');
  await rig.track({ late: [], item: [] });
  await poll('the reason', async () => {
    const { state } = (await rig.tableStatus('late')) ?? {};
    return (
      state?.kind === 'failed' && state.reason.includes(`not in the publication ${debezium.feed.publication}`)
    );
  });
  await same('item');
});

test('a broker that takes connections and says nothing is passed over', async () => {
  const taken: Socket[] = [];
  const silent = createServer((socket) => taken.push(socket.on('error', () => undefined)));
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  const { port } = silent.address() as AddressInfo;
  const { brokers, ...how } = estate.cluster;
  try {
    await supervisor.stop();
    start({ ...how, brokers: [`127.0.0.1:${port}`, ...brokers] }, { requestMs: 1_000 });
    await rig.target.query("update item set name = 'from another broker' where id = 1");
    await same('item');
    expect(taken.length).toBeGreaterThan(0);
  } finally {
    for (const socket of taken) socket.destroy();
    silent.close();
  }
});

test.each(['plain', 'scram-sha-256', 'scram-sha-512'] as const)(
  'over TLS, with a login by %s, the feed goes on where it was',
  async (mechanism) => {
    await supervisor.stop();
    start(await estate.secureCluster({ mechanism, password: PASSWORD }));
    await rig.target.query(`update item set name = '${mechanism}' where id = 1`);
    await same('item');
  },
);

test('over TLS, with a certificate of its own, the feed goes on where it was', async () => {
  await supervisor.stop();
  start(await estate.certifiedCluster());
  await rig.target.query("update item set name = 'certified' where id = 1");
  await same('item');
});

test('who cannot log in, and brokers that are not trusted, are told in the status', async () => {
  const secure = await estate.secureCluster({ mechanism: 'scram-sha-512', password: 'hunter2' });
  const nameless = await estate.certifiedCluster(null);
  for (const [cluster, reason] of [
    [secure, /could not read from Kafka: .*[aA]uthentication failed/],
    [
      { ...secure, tls: { ca: null, identity: null } },
      /could not read from Kafka: .*self-signed certificate/,
    ],
    [nameless, /could not read from Kafka: .*alert .*certificate/],
  ] as const) {
    await supervisor.stop();
    start(cluster);
    await poll('the reason', async () => reason.test((await rig.status())?.lastError ?? ''));
    expect(rig.log.join('')).not.toContain('hunter2');
  }
});

/** A rule of Kafka's about who logs in as `reader`. */
function rule(resourceType: AclResourceTypes, resourceName: string, operation: AclOperationTypes): AclEntry {
  return {
    principal: 'User:reader',
    host: '*',
    permissionType: AclPermissionTypes.ALLOW,
    resourcePatternType: ResourcePatternTypes.PREFIXED,
    resourceType,
    resourceName,
    operation,
  };
}

test('a right of Kafka’s that is missing is named, and the feed goes on when it is granted', async () => {
  const { topicPrefix } = debezium.feed;
  const { TOPIC, GROUP } = AclResourceTypes;
  const { ALTER_CONFIGS, DESCRIBE } = AclOperationTypes;
  const cluster = await estate.secureCluster({ mechanism: 'plain', password: PASSWORD });
  // Who may only do this to something may do nothing else to it; Debezium, which logs in with no name, may do everything.
  for (const [only, reason] of [
    [
      rule(TOPIC, `${topicPrefix}.transaction`, ALTER_CONFIGS),
      `Describe on the topic ${topicPrefix}.transaction`,
    ],
    [
      rule(TOPIC, `${topicPrefix}.public.item`, ALTER_CONFIGS),
      `Describe on the topic ${topicPrefix}.public.item`,
    ],
    [
      rule(TOPIC, `${topicPrefix}.public.item`, DESCRIBE),
      `Read on the topic ${topicPrefix}.transaction, or on one of`,
    ],
    [rule(GROUP, 'nearjoin_', DESCRIBE), 'Read on consumer groups that begin with nearjoin_'],
  ] as const) {
    await supervisor.stop();
    await estate.administer((admin) => admin.createAcls({ acl: [only] }));
    start(cluster);
    await rig.until(reason, async () => (await rig.status())?.reason?.includes(reason) === true);
    await estate.administer((admin) => admin.deleteAcls({ filters: [only] }));
    await rig.target.query(`update item set name = 'granted' where id = 1`);
    await same('item');
  }
});

test('a message that is not Debezium’s is named, and left behind by a resync', async () => {
  await supervisor.stop();
  start();
  await same('item');
  const topic = `${debezium.feed.topicPrefix}.public.item`;
  await estate.produce(topic, 'hunter2');
  const where = `of partition 0 of ${topic})`;
  await rig.until('the reason', async () => (await rig.status())?.reason?.includes(where) === true);
  const before = (await rig.tableStatus('item'))?.relation;
  await rig.source.query('update nearjoin.feed set resync_requested = resync_requested + 1');
  await rig.copiedAgain('item', before);
  await rig.target.query(`update item set name = 'behind it' where id = 1`);
  await same('item');
  expect(rig.log.join('')).not.toContain('hunter2');
});
