import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { type Catalog, findTable } from '../../src/catalog/catalog.ts';
import { introspect } from '../../src/catalog/introspect.ts';
import { type CatalogWatch, type CatalogWatchOptions, openCatalogWatch } from '../../src/catalog/watch.ts';
import { parseMetadata } from '../../src/metadata/document/parse.ts';
import type { Metadata } from '../../src/metadata/model.ts';
import { type MetadataStore, openMetadataStore } from '../../src/metadata/store.ts';
import { leadingTo } from '../support/leading-to.ts';
import { poll } from '../support/poll.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { startProxy } from '../support/proxy.ts';

const log = { info: () => undefined, warn: () => undefined };
const FAST = { fingerprintMs: 50, fullMs: 60_000, retryMs: 50, longestRetryMs: 100, timeoutMs: 60_000 };

interface World {
  readonly metadata: TestDatabase;
  readonly here: TestDatabase;
  readonly target: TestDatabase;
  readonly store: MetadataStore;
}

const cleanUps: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function world(): Promise<World> {
  const [metadata, here, target] = await Promise.all([
    createDatabase('source'),
    createDatabase('source', ['create table orders (id int8 primary key, user_id int8 not null)']),
    createDatabase('target', ['create table users (id int8 primary key, name text)']),
  ]);
  cleanUps.push(
    async () => void (await Promise.all([metadata, here, target].map((database) => database.drop()))),
  );
  const store = await openMetadataStore({ url: metadata.url, log });
  cleanUps.push(() => store.close());
  return { metadata, here, target, store };
}

async function open(
  store: CatalogWatchOptions['store'],
  env = {},
  intervals: Partial<typeof FAST> = FAST,
  isTold = false,
): Promise<CatalogWatch> {
  const watch = await openCatalogWatch({ store, log, env, intervals, isTold });
  cleanUps.push(() => watch.close());
  return watch;
}

function document(here: string | object, target: string | object, extra: readonly object[] = []): Metadata {
  const user = {
    name: 'user',
    definition: leadingTo('pg2', 'users', { user_id: 'id' }),
  };
  const at = (url: string | object): object => ({ connection_info: { database_url: url } });
  return parseMetadata({
    version: 3,
    sources: [
      {
        name: 'pg1',
        kind: 'postgres',
        configuration: at(here),
        tables: [{ table: 'orders', remote_relationships: [user] }, ...extra],
      },
      { name: 'pg2', kind: 'postgres', configuration: at(target), tables: [{ table: 'users' }] },
    ],
  });
}

const save = async (store: MetadataStore, metadata: Metadata): Promise<void> => {
  await store.save(metadata, (await store.load()).resourceVersion);
};
const columns = (catalog: Catalog, source: string, name: string): readonly string[] =>
  (findTable(catalog, source, { schema: 'public', name })?.columns ?? []).map((column) => column.name);

test('the first snapshot: tables, a relationship across databases, what to cache, where the databases are', async () => {
  const { here, target, store } = await world();
  await save(store, document(here.url, { from_env: 'TARGET_URL' }));
  const watch = await open(store, { TARGET_URL: target.url });
  const { catalog, urls, metadata } = watch.current();
  expect(catalog.inconsistent).toEqual([]);
  expect(catalog.warnings).toEqual([]);
  expect(urls).toEqual(
    new Map([
      ['pg1', here.url],
      ['pg2', target.url],
    ]),
  );
  expect(metadata.sources).toHaveLength(2);
  expect(catalog.wanted).toMatchObject([
    { source: 'pg1', target: 'pg2', table: { typeName: 'users' }, lookups: [['id']] },
  ]);
  expect(Object.isFrozen(catalog)).toBe(true);
});

test('another node’s save is noticed, with tables that are newer than the last reading', async () => {
  const { here, target, store } = await world();
  await save(store, document(here.url, target.url));
  const watch = await open(store, {}, { ...FAST, fingerprintMs: 60_000 });
  await here.query('create table items (id int8 primary key)');
  await save(store, document(here.url, target.url, [{ table: 'items' }]));
  await poll('the new table', () => columns(watch.current().catalog, 'pg1', 'items').length === 1);
  expect(watch.current().catalog.inconsistent).toEqual([]);
});

test('a version that cannot be read when it is heard of is read again', async () => {
  const { here, target, store } = await world();
  await save(store, document(here.url, target.url));
  let refusals = 0;
  const load = async (): ReturnType<MetadataStore['load']> => {
    if (refusals === 0) return store.load();
    refusals -= 1;
    throw new Error('the metadata database is away');
  };
  const { readings } = store;
  const listen: MetadataStore['listen'] = (signal) => store.listen(signal);
  const watch = await open({ readings, listen, load });
  await here.query('create table items (id int8 primary key)');
  refusals = 2;
  await save(store, document(here.url, target.url, [{ table: 'items' }]));
  await poll('the new table', () => columns(watch.current().catalog, 'pg1', 'items').length === 1);
});

test('metadata that is put back from a backup is followed, and so is what is saved from there on', async () => {
  const { metadata, here, target, store } = await world();
  await save(store, document(here.url, target.url));
  const backup = 'create table backup as table nearjoin_metadata.metadata';
  await metadata.query(backup);
  await here.query('create table items (id int8 primary key)');
  for (const table of ['items', 'items', 'items'])
    await save(store, document(here.url, target.url, [{ table }]));
  const watch = await open(store);
  const hasItems = (): boolean => columns(watch.current().catalog, 'pg1', 'items').length === 1;
  expect(hasItems()).toBe(true);
  await metadata.query(
    `update nearjoin_metadata.metadata m set document = b.document, resource_version = b.resource_version from backup b`,
  );
  await poll('the older metadata', () => !hasItems());
  await save(store, document(here.url, target.url, [{ table: 'items' }]));
  await poll('what was saved after it', hasItems);
});

test('a function that a computed field names is noticed when it goes, comes back or changes', async () => {
  const { here, target, store } = await world();
  await here.query('create table items (id int8 primary key)');
  await here.query(
    'create function label(items) returns text language sql stable as $$ select $1.id::text $$',
  );
  const computed_fields = [{ name: 'label', definition: { function: 'label' } }];
  await save(store, document(here.url, target.url, [{ table: 'items', computed_fields }]));
  const watch = await open(store);
  const told = (): string => JSON.stringify(watch.current().catalog.inconsistent);
  expect(told()).toBe('[]');
  await here.query('drop function label(items)');
  await poll('the loss', () => told().includes('no such function exists'));
  await here.query('create function label(items) returns text language sql as $$ select $1.id::text $$');
  await poll('a volatile one', () => told().includes('VOLATILE'));
  await here.query('alter function label(items) stable');
  await poll('the right one', () => told() === '[]');
});

test('a change of a database is noticed; what has not changed is not published again', async () => {
  const { here, target, store } = await world();
  await save(store, document(here.url, target.url));
  const watch = await open(store);
  const first = watch.current();
  await watch.refresh();
  expect(watch.current()).toBe(first);
  await target.query('alter table users add column age int');
  await poll('the new column', () => columns(watch.current().catalog, 'pg2', 'users').includes('age'));
  expect(watch.current().catalog.generation).toBe(first.catalog.generation + 1);
  await target.query('drop table users');
  await poll('the table to be gone', () => watch.current().catalog.inconsistent.length === 2);
  expect(watch.current().catalog.inconsistent.map(({ type }) => type)).toEqual([
    'table',
    'remote_relationship',
  ]);
  expect(columns(watch.current().catalog, 'pg1', 'orders')).toEqual(['id', 'user_id']);
});

test('one that is told of changes by another looks when it is told, and at those databases only', async () => {
  const { here, target, store } = await world();
  await save(store, document(here.url, target.url));
  const looks = await open(store);
  const [told, other] = [await open(store, {}, FAST, true), await open(store, {}, FAST, true)];
  const said: (readonly string[])[] = [];
  looks.tellChanges((sources) => {
    said.push(sources);
    void told.look(sources);
  });
  const seen = (watch: CatalogWatch, column: string): boolean =>
    columns(watch.current().catalog, 'pg2', 'users').includes(column);
  for (const column of ['age', 'height']) {
    await target.query(`alter table users add column ${column} int`);
    await poll('the change', () => seen(looks, column) && seen(told, column));
  }
  expect(said).toEqual([['pg2'], ['pg2']]);
  expect(seen(other, 'age')).toBe(false);
  await here.query('alter table orders add column at date');
  await other.look(['pg2']);
  expect(seen(other, 'height')).toBe(true);
  expect(columns(other.current().catalog, 'pg1', 'orders')).not.toContain('at');
});

test('what follows a saved change sees what has changed in databases, and reads no others', async () => {
  const { here, target, store } = await world();
  await save(store, document(here.url, target.url));
  const watch = await open(store, {}, { ...FAST, fingerprintMs: 60_000 });
  const before = ['pg1', 'pg2'].map((source) => watch.introspection(source));
  await target.query('alter table users add column age int');
  await watch.follow();
  expect(columns(watch.current().catalog, 'pg2', 'users')).toContain('age');
  const after = ['pg1', 'pg2'].map((source) => watch.introspection(source));
  expect(after.map((found, place) => found === before[place])).toEqual([true, false]);
});

test('changes(): the current snapshot, then the newer ones, until aborted', async () => {
  const { here, target, store } = await world();
  await save(store, document(here.url, target.url));
  const watch = await open(store);
  const abort = new AbortController();
  const changes = watch.changes(abort.signal);
  expect((await changes.next()).value).toBe(watch.current());
  const next = changes.next();
  await here.query('alter table orders add column note text');
  expect(columns((await next).value.catalog, 'pg1', 'orders')).toContain('note');
  const last = changes.next();
  abort.abort();
  expect((await last).done).toBe(true);
});

test('tryResolve looks at databases it does not know, and publishes nothing', async () => {
  const { here, target, store } = await world();
  const watch = await open(store, {}, { ...FAST, fingerprintMs: 60_000 });
  const before = watch.current();
  const catalog = await watch.tryResolve(document(here.url, target.url));
  expect(catalog.inconsistent).toEqual([]);
  expect(columns(catalog, 'pg2', 'users')).toEqual(['id', 'name']);
  expect(watch.current()).toBe(before);
  await save(store, document(here.url, target.url));
  await watch.refresh();
  await here.query('create table fresh (id int8 primary key)');
  const extended = await watch.tryResolve(document(here.url, target.url, [{ table: 'fresh' }]));
  expect(extended.inconsistent).toEqual([]);
  const missing = await watch.tryResolve(document(here.url, { from_env: 'NOT_SET' }));
  expect(missing.inconsistent.map(({ reason }) => reason)).toContain(
    "Inconsistent object: environment variable 'NOT_SET' not set",
  );
});

test('a database that is down at first comes back by itself; the others serve meanwhile', async () => {
  const { here, target, store } = await world();
  const absent = new URL(target.url);
  absent.pathname = `/${target.name}_later`;
  await save(store, document(here.url, absent.href));
  const watch = await open(store);
  expect(columns(watch.current().catalog, 'pg1', 'orders')).toEqual(['id', 'user_id']);
  expect(watch.current().catalog.sources.get('pg2')?.unavailable).toContain('does not exist');
  expect(watch.current().catalog.inconsistent).toHaveLength(2);
  await target.query(`create database ${target.name}_later`);
  cleanUps.splice(1, 0, async () => {
    await target.query(`drop database ${target.name}_later with (force)`);
  });
  await poll(
    'the database to be there',
    () => watch.current().catalog.sources.get('pg2')?.unavailable === null,
  );
  const later = watch.current().catalog;
  expect(later.inconsistent.map(({ type }) => type)).toEqual(['table', 'remote_relationship']);
});

test('a database that goes away keeps its last known tables, for answers from the cache', async () => {
  const { here, target, store } = await world();
  await save(store, document(here.url, target.url));
  const watch = await open(store);
  const url = new URL(target.url);
  const neighbour = await createDatabase('target');
  cleanUps.push(() => neighbour.drop());
  await neighbour.query(`alter database ${target.name} allow_connections false`);
  await expect(introspect(target.url)).rejects.toMatchObject({ code: 'source-unavailable' });
  await watch.refresh();
  expect(columns(watch.current().catalog, 'pg2', 'users')).toEqual(['id', 'name']);
  expect(watch.current().urls.get('pg2')).toBe(url.href);
});

test('a database that does not answer keeps neither metadata nor other databases waiting', async () => {
  const { here, target, store } = await world();
  await here.query('create table items (id int8 primary key)');
  await save(store, document(here.url, target.url));
  const watch = await open(store, {}, { ...FAST, timeoutMs: 600_000 });
  const holder = new pg.Client({ connectionString: target.url });
  await holder.connect();
  cleanUps.push(() => holder.end());
  await holder.query('begin; lock table pg_enum in access exclusive mode');
  const stuck = async (): Promise<readonly unknown[]> => {
    const { rows } = await target.query(
      `select pid from pg_stat_activity
       where datname = current_database() and application_name = 'nearjoin catalog' and wait_event_type = 'Lock'`,
    );
    return rows;
  };
  await poll('a look that gets no answer', async () => (await stuck()).length === 1);
  const looking = await stuck();
  await save(store, document(here.url, target.url, [{ table: 'items' }]));
  await poll('the new metadata', () => columns(watch.current().catalog, 'pg1', 'items').length === 1);
  await here.query('alter table items add column note text');
  await poll('the other database', () => columns(watch.current().catalog, 'pg1', 'items').length === 2);
  expect(await stuck()).toEqual(looking);
  expect(columns(watch.current().catalog, 'pg2', 'users')).toEqual(['id', 'name']);
  await holder.query('rollback; alter table users add column age int');
  await poll('the change', () => columns(watch.current().catalog, 'pg2', 'users').includes('age'));
});

test('what follows a saved change does not ask a database that left the last look without an answer', async () => {
  const { here, target, store } = await world();
  await using proxy = await startProxy(target.server);
  const url = proxy.through(target.url);
  await save(store, document(here.url, url));
  const watch = await open(store, {}, { ...FAST, fingerprintMs: 60_000 });
  proxy.setMode('refuse');
  const asked = proxy.connectionsMade;
  await watch.follow();
  expect(proxy.connectionsMade).toBe(asked + 1);
  await watch.look(['pg2']);
  await watch.follow();
  expect(proxy.connectionsMade).toBe(asked + 2);
  // What a command has read of it since is known.
  proxy.setMode('forward');
  await target.query('alter table users add column age int');
  const wanted = document(here.url, url);
  wanted.sources[1]?.tables.push({ table: { schema: 'public', name: 'fresh' } });
  await target.query('create table fresh (id int8 primary key)');
  expect((await watch.tryResolve(wanted)).inconsistent).toEqual([]);
  await store.save(wanted, (await store.load()).resourceVersion);
  await watch.follow();
  expect(columns(watch.current().catalog, 'pg2', 'fresh')).toEqual(['id']);
  expect(watch.current().catalog.inconsistent).toEqual([]);
});

test('a database that is down when a node starts is known by what it last said', async () => {
  const { here, target, store } = await world();
  await here.query('create table color (value text primary key)');
  await here.query(`insert into color values ('red')`);
  await save(store, document(here.url, target.url, [{ table: 'color', is_enum: true }]));
  const first = await open(store);
  const known = [first.introspection('pg1'), first.introspection('pg2')];
  await first.close();
  const neighbour = await createDatabase('target');
  cleanUps.push(() => neighbour.drop());
  const allow = (isAllowed: boolean) =>
    neighbour.query(`alter database ${target.name} allow_connections ${isAllowed}`);
  await allow(false);
  const second = await open(store);
  expect([second.introspection('pg1'), second.introspection('pg2')]).toEqual(known);
  expect(second.current().catalog.inconsistent).toEqual([]);
  await allow(true);
  await target.query('alter table users add column nick text');
  await poll('the new column', () => columns(second.current().catalog, 'pg2', 'users').includes('nick'));
  await second.close();
  await allow(false);
  const third = await open(store);
  expect(columns(third.current().catalog, 'pg2', 'users')).toEqual(['id', 'name', 'nick']);
});

test('without its notes a node knows the databases that answer', async () => {
  const { here, target, store } = await world();
  await save(store, document(here.url, target.url));
  const fails = (): Promise<never> => Promise.reject(new Error('the metadata database is out of reach'));
  const warned: string[] = [];
  const watch = await openCatalogWatch({
    store: {
      load: () => store.load(),
      listen: (signal) => store.listen(signal),
      readings: { recall: fails, note: fails },
    },
    log: { ...log, warn: (_context, message) => void warned.push(message) },
    env: {},
  });
  cleanUps.push(() => watch.close());
  expect(columns(watch.current().catalog, 'pg2', 'users')).toEqual(['id', 'name']);
  expect(warned).toContain('readings of databases cannot be noted or recalled');
});

test('databases that were read to try metadata are not read again when it is stored a moment later, by no node', async () => {
  const { here, target, store } = await world();
  const readings = { here: 0, elsewhere: 0 };
  const node = async (name: keyof typeof readings): Promise<CatalogWatch> => {
    const note = async (key: string, reading: string): Promise<void> => {
      readings[name] += 1;
      await store.readings.note(key, reading);
    };
    const watch = await openCatalogWatch({
      store: {
        load: () => store.load(),
        listen: (signal) => store.listen(signal),
        readings: { recall: (key) => store.readings.recall(key), note },
      },
      log,
      env: {},
      intervals: { ...FAST, fingerprintMs: 600_000, fullMs: 600_000 },
    });
    cleanUps.push(() => watch.close());
    return watch;
  };
  const [watch, other] = await Promise.all([node('here'), node('elsewhere')]);
  await watch.tryResolve(document(here.url, target.url));
  await save(store, document(here.url, target.url));
  await watch.follow();
  expect(columns(watch.current().catalog, 'pg2', 'users')).toEqual(['id', 'name']);
  await poll('the other node', () => other.current().catalog.sources.has('pg2'));
  expect(columns(other.current().catalog, 'pg2', 'users')).toEqual(['id', 'name']);
  expect(readings).toEqual({ here: 2, elsewhere: 0 });
  // A change since then is seen when anything is stored.
  await target.query('alter table users add column age int');
  await watch.tryResolve(document(here.url, target.url));
  await watch.follow();
  expect(columns(watch.current().catalog, 'pg2', 'users')).toEqual(['id', 'name', 'age']);
});

test('enum values are part of what is watched by reload', async () => {
  const { here, target, store } = await world();
  await here.query('create table color (value text primary key)');
  await here.query(`insert into color values ('red')`);
  await save(store, document(here.url, target.url, [{ table: 'color', is_enum: true }]));
  const watch = await open(store);
  const values = (): readonly string[] =>
    (findTable(watch.current().catalog, 'pg1', { schema: 'public', name: 'color' })?.enumValues ?? []).map(
      ({ value }) => value,
    );
  expect(values()).toEqual(['red']);
  await here.query(`insert into color values ('blue')`);
  await watch.refresh();
  expect(values()).toEqual(['blue', 'red']);
});
