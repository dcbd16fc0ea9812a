import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { leadingTo } from '../support/leading-to.ts';
import { type Nearjoin, spawnNearjoin, startNearjoin } from '../support/nearjoin.ts';
import { poll } from '../support/poll.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { type Proxy, startProxy } from '../support/proxy.ts';

// A process ends in order while a database says nothing.

const NAMES = ['pg1', 'pg2', 'meta'] as const;
type Name = (typeof NAMES)[number];

let databases: Readonly<Record<Name, TestDatabase>>;
let proxies: Readonly<Record<Name, Proxy>>;

beforeAll(async () => {
  const [pg1, pg2, meta] = await Promise.all([
    createDatabase('source', ['create table orders (id int primary key, user_id int)']),
    createDatabase('target', ['create table users (id int primary key)']),
    createDatabase('source', []),
  ]);
  databases = { pg1, pg2, meta };
  const [one, two, three] = await Promise.all([pg1, pg2, meta].map(({ server }) => startProxy(server)));
  if (one === undefined || two === undefined || three === undefined) throw new Error('bug: no proxy');
  proxies = { pg1: one, pg2: two, meta: three };
  const nearjoin = await serving('api,replicator');
  const sources = (['pg1', 'pg2'] as const).map((name) => ({
    type: 'pg_add_source',
    args: { name, configuration: { connection_info: { database_url: urlOf(name) } } },
  }));
  const definition = leadingTo('pg2', 'users', { user_id: 'id' });
  const args = [
    ...sources,
    { type: 'pg_track_table', args: { source: 'pg1', table: 'orders' } },
    { type: 'pg_track_table', args: { source: 'pg2', table: 'users' } },
    {
      type: 'pg_create_remote_relationship',
      args: { source: 'pg1', table: 'orders', name: 'user', definition },
    },
  ];
  expect(await nearjoin.metadata('bulk', args)).toMatchObject({ status: 200 });
  await nearjoin.stop();
});

afterAll(async () => {
  for (const name of NAMES) {
    await proxies?.[name].close();
    await databases?.[name].drop();
  }
});

function urlOf(name: Name): string {
  return proxies[name].through(databases[name].url);
}

function serving(roles: string): Promise<Nearjoin> {
  return startNearjoin(settings(roles));
}

function settings(roles: string): Record<string, string> {
  return {
    NEARJOIN_METADATA_DATABASE_URL: urlOf('meta'),
    NEARJOIN_ROLES: roles,
    NEARJOIN_SHUTDOWN_TIMEOUT_MS: '15000',
  };
}

/** Opens sessions of both databases, which lie idle then. */
async function readLive(nearjoin: Nearjoin): Promise<void> {
  const headers = { 'cache-control': 'no-cache' };
  const { status } = await nearjoin.graphql('{ orders { user { id } } }', { headers });
  expect(status).toBe(200);
}

async function endsInOrder(nearjoin: Nearjoin, silent: Proxy): Promise<void> {
  const ended = once(nearjoin.child, 'close');
  silent.setMode('black-hole');
  try {
    nearjoin.child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    expect(nearjoin.log.filter((line) => line.includes('not closed'))).toEqual([]);
    expect(nearjoin.log.at(-1)).toContain('"msg":"stopped"');
  } finally {
    silent.reset();
    silent.setMode('forward');
  }
}

test.each(NAMES.flatMap((name) => ['replicator', 'api,replicator'].map((roles) => [name, roles] as const)))(
  'SIGTERM while %s is silent ends %s in order',
  async (name, roles) => {
    const nearjoin = await serving(roles);
    await poll('it to stream', () => nearjoin.log.some((line) => line.includes('"msg":"streaming"')));
    if (roles !== 'replicator') await readLive(nearjoin);
    await endsInOrder(nearjoin, proxies[name]);
  },
);

test('so it does while the thread of the replicator has not read the databases yet', async () => {
  await endsInOrder(await serving('api,replicator'), proxies.pg2);
});

test.each(NAMES.flatMap((name) => ['replicator', 'api,replicator'].map((roles) => [name, roles] as const)))(
  'SIGTERM while a process that starts waits for %s ends %s in order, and it never serves',
  async (name, roles) => {
    const silent = proxies[name];
    silent.setMode('black-hole');
    try {
      const before = silent.connectionsMade;
      const { child, log } = spawnNearjoin(settings(roles));
      const ended = once(child, 'close');
      await poll('it to wait', () => silent.connectionsMade > before);
      child.kill('SIGTERM');
      expect(await ended).toEqual([0, null]);
      expect(log.map((line) => JSON.parse(line).msg)).toEqual(['stopping', 'stopped']);
    } finally {
      silent.reset();
      silent.setMode('forward');
    }
  },
);
