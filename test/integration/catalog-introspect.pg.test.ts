import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { typesSql } from '../../src/catalog/introspect/introspect-sql.ts';
import { fingerprintOf, introspect } from '../../src/catalog/introspect.ts';
import type { FoundColumn, FoundTable, Introspection } from '../../src/catalog/introspection.ts';
import { type TableRef, tableKey } from '../../src/core/names.ts';
import { poll } from '../support/poll.ts';
import { createDatabase, type TestDatabase, testServer } from '../support/postgres.ts';
import { startProxy } from '../support/proxy.ts';

const SCHEMA = [
  'create schema "Odd ""Schema""."',
  `create type "Odd ""Schema"".".mood as enum ('sad', 'ok')`,
  `create domain "Odd ""Schema"".".email as varchar(80) check (value like '%@%')`,
  'create type pair as (a int, b text)',
  `create table users (
     id bigint generated always as identity primary key,
     name text not null,
     code char(3),
     mail "Odd ""Schema"".".email,
     mood "Odd ""Schema"".".mood,
     moods "Odd ""Schema"".".mood[],
     price numeric(10,2),
     prices numeric(10,2)[],
     span int4range,
     two pair,
     upper text generated always as (upper(name)) stored,
     unique (name, code))`,
  `comment on table users is 'It''s "us"'`,
  `comment on column users.name is 'their name'`,
  'create unique index lower_name on users (lower(name))',
  'create unique index some_name on users (name) where code is null',
  'create unique index covering on users (mail) include (name)',
  `create table "Odd ""Schema""."."ta'ble; -- \\" (
     "c""1" int not null,
     "sélect 🐘" int,
     dropped int,
     user_id bigint not null references users,
     "constructor" int,
     primary key ("sélect 🐘", "c""1"))`,
  `alter table "Odd ""Schema""."."ta'ble; -- \\" drop column dropped`,
  'create view names as select id, name from users',
  'create materialized view counted as select count(*) as n from users',
  'create table parts (id int not null, day date not null, user_id bigint references users, primary key (id, day)) partition by range (day)',
  `create table parts_1 partition of parts for values from ('2024-01-01') to ('2025-01-01')`,
  'create table part_notes (id int primary key, part int, day date, foreign key (part, day) references parts (id, day))',
  'create unlogged table scratch (id int primary key)',
  'create table keyless (id int)',
  'alter table keyless replica identity full',
  'create schema nearjoin',
  'create table nearjoin.feed (id int)',
  'analyze users',
];

describe('introspect', () => {
  let database: TestDatabase;
  let found: Introspection;

  beforeAll(async () => {
    database = await createDatabase('target', SCHEMA);
    found = await introspect(database.url);
  });
  afterAll(() => database.drop());

  const table = (name: string, schema = 'public'): FoundTable => {
    const hit = found.tables.get(tableKey({ schema, name }));
    if (hit === undefined) throw new Error(`not found: ${name}`);
    return hit;
  };
  const column = (name: string): FoundColumn => {
    const hit = table('users').columns.find((candidate) => candidate.name === name);
    if (hit === undefined) throw new Error(`not found: ${name}`);
    return hit;
  };

  test('says what the server can do', () => {
    expect(found.server).toMatchObject({
      database: database.name,
      walLevel: 'logical',
      inRecovery: false,
      mayReplicate: true,
      mayPublish: true,
      mayCache: true,
    });
    expect(Math.floor(found.server.version / 10_000)).toBe(database.server.version);
  });

  test('says which database it is, but to a role that may not ask for the system', async () => {
    const { rows } = await database.query<{ id: string }>(
      'select system_identifier::text as id from pg_control_system()',
    );
    expect(found.server.systemId).toBe(rows[0]?.id);
    const role = `plain_${database.name}`;
    await database.query(`create role ${role} login password 'x'`);
    await database.query('revoke execute on function pg_control_system() from public');
    const url = Object.assign(new URL(database.url), { username: role, password: 'x' }).href;
    const { server } = await introspect(url);
    expect(server).toMatchObject({ systemId: null, database: database.name });
    await database.query('grant execute on function pg_control_system() to public');
    await database.query(`drop role ${role}`);
  });

  test('what an administrator has made for a role counts as what it may make, and is noticed', async () => {
    const fresh = await createDatabase('target', ['create table t (id int primary key)']);
    const role = `plain_${fresh.name}`;
    const { href: url } = Object.assign(new URL(fresh.url), { username: role, password: 'x' });
    const rights = async (): Promise<readonly unknown[]> => {
      const { server, tables, fingerprint } = await introspect(url);
      expect(await fingerprintOf(url)).toBe(fingerprint);
      return [
        server.mayCache,
        server.mayPublish,
        tables.get(tableKey({ schema: 'public', name: 't' }))?.publishable,
        fingerprint,
      ];
    };
    try {
      await fresh.query(`create role ${role} login password 'x'`);
      let last: readonly unknown[] = await rights();
      expect(last.slice(0, 3)).toEqual([false, false, false]);
      for (const [made, ...expected] of [
        [`create schema nearjoin; grant usage, create on schema nearjoin to ${role}`, true, false, false],
        ['create publication nearjoin_a_pg2', true, true, false],
        ['alter publication nearjoin_a_pg2 add table t', true, true, true],
      ]) {
        await fresh.query(String(made));
        const now = await rights();
        expect(now.slice(0, 3)).toEqual(expected);
        expect(now[3]).not.toBe(last[3]);
        last = now;
      }
    } finally {
      await fresh.query(`drop owned by ${role}; drop role ${role}`);
      await fresh.drop();
    }
  });

  test('finds every kind of relation, and none of our own or the system', () => {
    const kinds = [...found.tables.values()].map(({ ref, kind }) => [ref.name, kind]);
    expect(kinds).toEqual(
      expect.arrayContaining([
        ['users', 'table'],
        ['names', 'view'],
        ['counted', 'materialized-view'],
        ['parts', 'partitioned-table'],
        ['parts_1', 'table'],
        [`ta'ble; -- \\`, 'table'],
      ]),
    );
    expect([...found.tables.values()].map(({ ref }) => ref.schema)).not.toContain('nearjoin');
    expect(found.tables.size).toBe(9);
  });

  test('types: base, array, enum, domain, composite, range, with modifiers', () => {
    const [mood, email] = ['"Odd ""Schema"".".mood', '"Odd ""Schema"".".email'];
    expect(column('id').type).toMatchObject({
      name: 'int8',
      sql: 'bigint',
      scalar: 'bigint',
      kind: 'base',
      category: 'N',
    });
    expect(column('code').type).toMatchObject({ name: 'bpchar', sql: 'character(3)', scalar: 'bpchar' });
    expect(column('price').type).toMatchObject({ sql: 'numeric(10,2)', scalar: 'numeric', element: null });
    expect(column('prices').type).toMatchObject({
      kind: 'array',
      sql: 'numeric(10,2)[]',
      scalar: 'numeric',
      element: { sql: 'numeric(10,2)', kind: 'base' },
    });
    expect(column('mood').type).toMatchObject({
      kind: 'enum',
      sql: mood,
      scalar: 'mood',
      schema: 'Odd "Schema".',
    });
    expect(column('moods').type).toMatchObject({
      kind: 'array',
      sql: `${mood}[]`,
      scalar: 'mood',
      element: { sql: mood },
    });
    expect(column('mail').type).toMatchObject({
      kind: 'domain',
      sql: email,
      scalar: 'String',
      element: { name: 'varchar', sql: 'character varying(80)' },
    });
    expect(column('two').type).toMatchObject({ kind: 'composite', sql: 'public.pair', scalar: 'pair' });
    expect(column('span').type).toMatchObject({ kind: 'range', sql: 'int4range' });
  });

  test('columns: not null, generated, identity, comments', () => {
    expect(column('id')).toMatchObject({ notNull: true, generated: false, comment: null });
    expect(column('name')).toMatchObject({ notNull: true, comment: 'their name' });
    expect(column('upper')).toMatchObject({ generated: true });
    expect(table('users')).toMatchObject({
      comment: `It's "us"`,
      logged: true,
      publishable: true,
    });
    expect(table('scratch').logged).toBe(false);
    expect(table('keyless')).toMatchObject({ replicaIdentity: 'f', keys: [] });
    const odd = table(`ta'ble; -- \\`, 'Odd "Schema".');
    expect(odd.columns.map(({ name }) => name)).toEqual(['c"1', 'sélect 🐘', 'user_id', 'constructor']);
  });

  test('keys: plain unique ones only, in order, without included columns', () => {
    expect(table('users').keys).toEqual([
      { columns: ['id'], primary: true, replicaIdentity: false },
      { columns: ['name', 'code'], primary: false, replicaIdentity: false },
      { columns: ['mail'], primary: false, replicaIdentity: false },
    ]);
    expect(table(`ta'ble; -- \\`, 'Odd "Schema".').keys[0]?.columns).toEqual(['sélect 🐘', 'c"1']);
  });

  test('foreign keys, also to and from partitioned tables, once each', () => {
    expect(table('parts').foreignKeys).toMatchObject([
      {
        columns: ['user_id'],
        references: { schema: 'public', name: 'users' },
        referencedColumns: ['id'],
        validated: true,
      },
    ]);
    expect(table('parts_1').foreignKeys).toHaveLength(1);
    expect(table('part_notes').foreignKeys).toMatchObject([
      {
        columns: ['part', 'day'],
        references: { schema: 'public', name: 'parts' },
        referencedColumns: ['id', 'day'],
      },
    ]);
  });

  test('the fingerprint changes with a definition and with nothing else', async () => {
    const fresh = await createDatabase('target', [
      'create schema s',
      'create table t (id int primary key, a text)',
    ]);
    try {
      const first = await fingerprintOf(fresh.url);
      await fresh.query(`insert into t select n, 'x' from generate_series(1, 500) as n`);
      await fresh.query('vacuum (analyze, freeze) t');
      await fresh.query('create temp table passing (id int)');
      expect(await fingerprintOf(fresh.url)).toBe(first);
      let last = first;
      for (const change of [
        'alter table t add column b int',
        'alter table t rename column b to c',
        'alter table t alter column c type bigint',
        'create unique index on t (c)',
        `comment on column t.c is 'c'`,
        'create view v as select id from t',
        'alter table t replica identity full',
        'alter table t drop column c',
        'create extension citext',
        'alter extension citext set schema s',
      ]) {
        await fresh.query(change);
        const next = await fingerprintOf(fresh.url);
        expect(next, change).not.toBe(last);
        last = next;
      }
      expect((await introspect(fresh.url)).fingerprint).toBe(last);
    } finally {
      await fresh.drop();
    }
  });

  test('functions that are named are read with all their overloads, and the fingerprint changes with them', async () => {
    const fresh = await createDatabase('target', [
      'create schema s',
      'create table users (id int primary key, name text)',
      `create type mood as enum ('sad', 'ok')`,
      `create function s.shown(one users, "Odd "" name" text default 'x', out a int, inout b mood default 'ok')
       language sql stable leakproof as $$ select 1, 'ok'::mood $$`,
      `comment on function s.shown is 'a comment'`,
      `create function near(users, variadic numeric[]) returns setof users language sql as 'select $1.*'`,
      'create function near(int) returns text language sql immutable as $$ select $1::text $$',
      'create procedure done() language sql as $$ select 1 $$',
      'create aggregate total(int) (sfunc = int4pl, stype = int)',
    ]);
    const named = (schema: string, name: string): TableRef => ({ schema, name });
    const functions = [
      named('s', 'shown'),
      named('public', 'near'),
      ...['done', 'total', 'gone', "it's", 'nul \u0000'].map((name) => named('public', name)),
      named('pg_catalog', 'upper'),
    ];
    try {
      const answer = await introspect(fresh.url, { functions });
      const users = named('public', 'users');
      expect(answer.functions.get(tableKey(named('s', 'shown')))).toMatchObject([
        {
          args: [
            { name: 'one', type: { kind: 'composite' }, table: users, hasDefault: false },
            { name: 'Odd " name', type: { name: 'text' }, table: null, hasDefault: true },
            { name: 'b', type: { sql: 'public.mood', labels: ['sad', 'ok'] }, hasDefault: true },
          ],
          variadic: false,
          returns: { type: { name: 'record', kind: 'pseudo' }, table: null, set: false },
          volatility: 'stable',
          leakproof: true,
          comment: 'a comment',
        },
      ]);
      expect(answer.functions.get(tableKey(named('public', 'near')))).toMatchObject([
        {
          args: [
            { name: null, table: users },
            { name: null, type: { kind: 'array', element: { name: 'numeric' } } },
          ],
          variadic: true,
          returns: { table: users, set: true },
          volatility: 'volatile',
          leakproof: false,
          comment: null,
        },
        { args: [{ name: null }], returns: { type: { name: 'text' }, set: false }, volatility: 'immutable' },
      ]);
      expect(answer.functions.size).toBe(2);
      let last = answer.fingerprint;
      expect(await fingerprintOf(fresh.url, { functions })).toBe(last);
      const others = `create function other() returns int language sql as 'select 1'`;
      await fresh.query(others);
      expect(await fingerprintOf(fresh.url, { functions })).toBe(last);
      for (const change of [
        'create or replace function near(int) returns text language sql immutable as $$ select $1::text $$',
        `comment on function s.shown is 'another'`,
        'drop function near(int)',
        'create function gone() returns int language sql as $$ select 1 $$',
        'alter function gone() rename to went',
        'alter schema s rename to s2',
      ]) {
        await fresh.query(change);
        const next = await fingerprintOf(fresh.url, { functions });
        expect(next, change).not.toBe(last);
        last = next;
      }
    } finally {
      await fresh.drop();
    }
  });

  test('an enum table is read; a broken one says why', async () => {
    const fresh = await createDatabase('target', [
      'create table color (value text primary key, comment text)',
      `insert into color values ('red', 'warm'), ('blue', null)`,
      'create view plain as select 1 as id',
    ]);
    try {
      const color = { schema: 'public', name: 'color' };
      const answer = await introspect(fresh.url, { enumTables: [color, { schema: 'public', name: 'gone' }] });
      expect([...answer.enumValues]).toEqual([
        [
          tableKey(color),
          [
            { value: 'blue', description: null },
            { value: 'red', description: 'warm' },
          ],
        ],
      ]);
    } finally {
      await fresh.drop();
    }
  });

  test('an unreachable or unknown database is a coded error without the password', async () => {
    const url = new URL(testServer('target').url('no_such_database'));
    url.password = 'hunter2';
    await expect(introspect(url.href, { timeoutMs: 2_000 })).rejects.toMatchObject({
      code: 'source-unavailable',
    });
    await expect(introspect(url.href)).rejects.not.toThrow('hunter2');
    await expect(introspect('postgresql://nobody@127.0.0.1:1/none')).rejects.toMatchObject({
      code: 'source-unavailable',
    });
    await expect(introspect('not a url')).rejects.toMatchObject({ code: 'source-unavailable' });
  });

  test('an abort ends it, also before the server has answered', async () => {
    await expect(introspect(database.url, { signal: AbortSignal.abort() })).rejects.toThrow();
    await using proxy = await startProxy(database.server);
    proxy.setMode('black-hole');
    const stop = new AbortController();
    const reading = introspect(proxy.through(database.url), { signal: stop.signal }).catch(String);
    await poll('a connection', () => proxy.openConnections > 0);
    stop.abort();
    expect(await reading).toContain('Connection terminated');
  });

  test.skipIf(testServer('target').version < 17)(
    'what a role or database limits transactions to does not end it',
    async () => {
      const limited = await createDatabase('target', ['create table slow (id int primary key)']);
      const limit = `execute format('alter database %I set transaction_timeout = ''50ms''', current_database())`;
      const holder = new pg.Client({ connectionString: limited.url });
      await holder.connect();
      await holder.query('begin; lock table pg_catalog.pg_description in access exclusive mode');
      await limited.query(`do $$ begin ${limit}; end $$`);
      let isOver = false;
      const reading = introspect(limited.url).finally(() => {
        isOver = true;
      });
      reading.catch(() => undefined);
      await poll('it to wait for longer than that', async () => {
        const { rows } = await database.query(
          `select from pg_stat_activity where datname = $1 and application_name = 'nearjoin catalog'
             and wait_event_type = 'Lock' and clock_timestamp() - xact_start > interval '100 ms'`,
          [limited.name],
        );
        return rows.length > 0 || isOver;
      });
      await holder.end();
      expect([...(await reading).tables.values()]).toHaveLength(1);
      await limited.drop();
    },
  );

  test('no more types are expected than there may be: room for them is cleared beforehand', async () => {
    const { rows } = await database.query(`explain (format json) ${typesSql([])}`);
    const expected = /"Node Type": ?"Recursive Union".*?"Plan Rows": ?(?<rows>\d+)/.exec(
      JSON.stringify(rows),
    );
    expect(Number(expected?.groups?.['rows'])).toBeLessThan(20_000);
  });

  test('thousands of tables are asked for in no more statements than a few', async () => {
    const make = (tables: number): Promise<TestDatabase> =>
      createDatabase('target', [
        `do $$ begin for n in 1..${tables} loop
           execute format('create table t%s (id int primary key, parent int references t%s, a text, b numeric(8,2), c timestamptz)', n, greatest(n - 1, 1));
         end loop; end $$`,
      ]);
    const [wide, narrow] = [await make(1500), await make(2)];
    const asked = vi.spyOn(pg.Client.prototype, 'query');
    const statements = async ({ url }: TestDatabase, tables: number): Promise<readonly unknown[]> => {
      asked.mockClear();
      expect((await introspect(url, { timeoutMs: 60_000 })).tables.size).toBe(tables);
      return asked.mock.calls.map(([text]) => text);
    };
    try {
      const few = await statements(narrow, 2);
      expect(few).not.toEqual([]);
      expect(await statements(wide, 1500)).toEqual(few);
    } finally {
      asked.mockRestore();
      await Promise.all([wide.drop(), narrow.drop()]);
    }
  });
});
