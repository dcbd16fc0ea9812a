import { inspect } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { EMPTY_METADATA, type Metadata } from '../../src/metadata/model.ts';
import { type MetadataStore, openMetadataStore } from '../../src/metadata/store.ts';
import { poll } from '../support/poll.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { startProxy } from '../support/proxy.ts';

const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function database(): Promise<TestDatabase> {
  const made = await createDatabase('source');
  closing.push(() => made.drop());
  return made;
}

/** Made from it, as a database that is restored from a dump is. */
async function copyOf(original: TestDatabase): Promise<TestDatabase> {
  const other = await database();
  await other.query('select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1', [
    original.name,
  ]);
  const copy = await createDatabase('source', [], `template ${original.name}`);
  closing.push(() => copy.drop());
  return copy;
}

async function store(url: string, answerWithinMs?: number): Promise<MetadataStore> {
  const waiting = answerWithinMs === undefined ? {} : { answerWithinMs };
  const opened = await openMetadataStore({ url, log: { warn: () => undefined }, ...waiting });
  closing.push(() => opened.close());
  return opened;
}

/** The document with one inherited role, told apart by its name. */
function withRole(name: string): Metadata {
  return { ...EMPTY_METADATA, inherited_roles: [{ role_name: name, role_set: ['a', 'b'] }] };
}

/** Collects what a store notices until the signal. */
function follow(from: MetadataStore): { readonly seen: readonly number[]; stop(): Promise<void> } {
  const stop = new AbortController();
  const seen: number[] = [];
  const done = (async () => {
    for await (const version of from.listen(stop.signal)) seen.push(version);
  })();
  return {
    seen,
    stop: async () => {
      stop.abort();
      await done;
    },
  };
}

test('nodes that start at once agree on one set-up, also where transactions see what was when they began', async () => {
  const fresh = await database();
  await fresh.query(`alter database ${fresh.name} set default_transaction_isolation to 'repeatable read'`);
  const nodes = await Promise.all([1, 2, 3, 4].map(() => store(fresh.url)));
  const loaded = await Promise.all(nodes.map((node) => node.load()));
  expect(loaded).toEqual(loaded.map(() => ({ metadata: EMPTY_METADATA, resourceVersion: 1 })));
  const states = await Promise.all(nodes.map((node) => node.catalogState()));
  expect(new Set(states.map((state) => state.id)).size).toBe(1);
});

test('metadata is nobody else’s to read where everybody may read what is made', async () => {
  const meta = await database();
  await meta.query(`alter default privileges grant usage on schemas to public;
    alter default privileges grant select on tables to public`);
  await store(meta.url);
  const role = `${meta.name}_reader`;
  await meta.query(`create role ${role}`);
  const may = `select has_schema_privilege('${role}', 'nearjoin_metadata', 'usage') as may`;
  expect((await meta.query(may)).rows).toEqual([{ may: false }]);
  await meta.query(`drop role ${role}`);
});

test('a copy has an id of its own, says whose copy it is, and leaves the slots to the original', async () => {
  const original = await database();
  const first = await store(original.url);
  const slot = { slot: 'nearjoin_1_pg2', source: 'pg1', target: 'pg2' };
  await first.slots.note(slot);
  const { id } = first.installation;
  expect(first.installation).toEqual({ id, copyOf: null });
  const copy = await copyOf(original);
  const nodes = await Promise.all([1, 2, 3].map(() => store(copy.url)));
  const [one] = nodes;
  for (const { installation, slots } of nodes) {
    expect(installation).toEqual({ id: one?.installation.id, copyOf: id });
    expect(await slots.noted()).toEqual([]);
  }
  expect(one?.installation.id).not.toBe(id);
  const again = await store(original.url);
  expect(again.installation).toEqual({ id, copyOf: null });
  expect(await again.slots.noted()).toEqual([slot]);
});

test('of two changes based on the same version one is refused and nothing of it kept', async () => {
  const { url } = await database();
  const [one, two] = [await store(url), await store(url)];
  await one.save(withRole('one'), 1);
  await expect(two.save(withRole('two'), 1)).rejects.toMatchObject({
    code: 'conflict',
    path: '$',
    message: 'metadata resource version referenced (1) did not match current version',
  });
  expect(await two.load()).toEqual({ metadata: withRole('one'), resourceVersion: 2 });
});

test('another node notices a change', async () => {
  const { url } = await database();
  const [one, two] = [await store(url), await store(url)];
  const followed = follow(two);
  await poll('the current version', () => followed.seen.includes(1));
  await one.save(withRole('x'), 1);
  await poll('the change', () => followed.seen.includes(2));
  await followed.stop();
  expect(followed.seen).toEqual([1, 2]);
});

test('a change is noticed also when every connection of the node has fallen silent', async () => {
  const { url } = await database();
  const proxy = await startProxy({ host: '127.0.0.1', port: Number(new URL(url).port) });
  closing.push(() => proxy.close());
  const [one, two] = [await store(url), await store(proxy.through(url), 600_000)];
  const followed = follow(two);
  await poll('the current version', () => followed.seen.includes(1));
  proxy.silence();
  await one.save(withRole('x'), 1);
  await poll('the change', () => followed.seen.includes(2));
  await followed.stop();
});

test('a change is noticed also when every connection of the node was just cut', async () => {
  const db = await database();
  const [one, two] = [await store(db.url), await store(db.url)];
  const followed = follow(two);
  const listening = async (): Promise<boolean> => {
    const found = await db.query(
      `select 1 from pg_stat_activity where datname = $1 and query = 'listen nearjoin_metadata'`,
      [db.name],
    );
    return found.rows.length > 0;
  };
  await poll('the listening connection', listening);
  await one.load();
  await db.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = $1 and application_name like 'nearjoin metadata%'`,
    [db.name],
  );
  await saveWhenConnected(one, withRole('x'));
  await poll('the change', () => followed.seen.includes(2));
  await poll('a new listening connection', listening);
  await followed.stop();
});

/** The pool learns of a cut connection a moment later; the first query may still meet it. */
async function saveWhenConnected(node: MetadataStore, metadata: Metadata): Promise<void> {
  await poll('a fresh connection', async () => {
    try {
      return (await node.load()).resourceVersion === 1;
    } catch {
      return false;
    }
  });
  await node.save(metadata, 1);
}

test('a stopped listener ends, and closing the store ends all', async () => {
  const db = await database();
  const node = await store(db.url);
  const [one, two] = [follow(node), follow(node)];
  await poll('both to have begun', () => one.seen.length > 0 && two.seen.length > 0);
  await one.stop();
  closing.pop();
  await node.close();
  await two.stop();
  await poll('no connection left', async () => {
    const found = await db.query(
      `select 1 from pg_stat_activity where datname = $1 and application_name like 'nearjoin metadata%'`,
      [db.name],
    );
    return found.rows.length === 0;
  });
});

test('what the stock tools keep on the server comes back as it was', async () => {
  const { url } = await database();
  const node = await store(url);
  const { id } = await node.catalogState();
  await node.setCatalogState('cli', { settings: { migration_mode: 'true' } });
  await node.setCatalogState('console', { z: 1, a: 2 });
  expect(await node.catalogState()).toEqual({
    id,
    cli_state: { settings: { migration_mode: 'true' } },
    console_state: { z: 1, a: 2 },
  });
});

test('slots are noted for every node, and forgotten only by the source they are noted for', async () => {
  const { url } = await database();
  const [one, other] = [(await store(url)).slots, (await store(url)).slots];
  const [first, second] = [
    { slot: 'nearjoin_1_pg2', source: 'pg1', target: 'pg2' },
    { slot: 'nearjoin_1_pg3', source: 'pg1', target: 'pg3' },
  ];
  await one.note(first);
  await one.note(second);
  await other.note({ ...first, source: 'renamed' });
  await one.forget(first);
  await one.forget(second);
  expect(await other.noted()).toEqual([{ ...first, source: 'renamed' }]);
});

test('a database that cannot be opened is refused without showing its password', async () => {
  const { server } = await database();
  const absent = new URL(server.url('no_such_database'));
  absent.password = 'sesame';
  for (const [url, code] of [
    [absent.href, 'start-failed'],
    ['postgres://someone:sesame@[bad/x', 'invalid-configuration'],
    ['postgres://someone:sesame@127.0.0.1:1/x', 'start-failed'],
  ] as const) {
    const refusal: unknown = await openMetadataStore({ url, log: { warn: () => undefined } }).catch(
      (error: unknown) => error,
    );
    expect(refusal).toMatchObject({ code });
    expect(inspect(refusal, { depth: 9 })).not.toContain('sesame');
  }
});

test('a metadata database that is away is named, and serves again when it is back', async () => {
  const { url } = await database();
  const node = await store(url);
  const elsewhere = await database();
  const name = new URL(url).pathname.slice(1);
  await elsewhere.query(`alter database "${name}" allow_connections false`);
  await elsewhere.query(`select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`);
  const away = { code: 'source-unavailable', status: 503, path: '$' };
  await expect(node.load()).rejects.toMatchObject(away);
  await expect(node.save(withRole('one'), 1)).rejects.toMatchObject(away);
  await elsewhere.query(`alter database "${name}" allow_connections true`);
  await node.save(withRole('one'), 1);
  expect(await node.load()).toMatchObject({ resourceVersion: 2 });
});
