import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, inject, test, vi } from 'vitest';
import { ConnectorError, type Publishable, type Published } from '../../connectors/connector.ts';
import { postgresConnector } from '../../connectors/postgres/connector.ts';
import { systemClock } from '../../src/core/waiting/clock.ts';
import {
  changesUntilNow,
  fillLog,
  freshName,
  silentLog,
  startFeed,
  table,
  withConnector,
} from '../support/connector.ts';
import { poll } from '../support/poll.ts';
import { hasTestServer, type TestDatabase, type Which } from '../support/postgres.ts';
import { startProxy } from '../support/proxy.ts';
import { startTarget } from '../support/servers.ts';

const SERVERS: readonly Which[] = ['target', 'target15'];

async function failure(work: Promise<unknown>): Promise<ConnectorError> {
  const error = await work.catch((reason: unknown) => reason);
  if (error instanceof ConnectorError) return error;
  throw new Error(`expected a ConnectorError, got ${String(error)}`);
}

async function published(database: TestDatabase): Promise<string[]> {
  const result = await database.query<{ tablename: string }>(
    'select tablename from pg_publication_tables order by tablename',
  );
  return result.rows.map((row) => row.tablename);
}

describe.each(SERVERS)('publishing on %s', (which) => {
  const on = test.skipIf(!hasTestServer(which));

  on('a table without a usable key is refused, and its fix makes it publishable', async () => {
    const statements = [
      'create table bare (v text)',
      'create table with_id (id int not null, v text)',
      'create table unique_only (code text not null unique, v text)',
      'create table told_nothing (id int primary key)',
      'alter table told_nothing replica identity nothing',
      'create table whole (v text)',
      'alter table whole replica identity full',
      'create table later (id int primary key deferrable)',
      'create table nearly (a int not null, b int, v int not null, unique (v) deferrable)',
      'create unique index on nearly (a) where v > 0; create unique index on nearly ((a + v), a)',
      'create unique index on nearly (b); create index on nearly (a); create unique index broken on nearly (a, v)',
      `update pg_index set indisvalid = false where indexrelid = 'broken'::regclass`,
      'alter table nearly replica identity full',
    ];
    const names = ['bare', 'with_id', 'unique_only', 'told_nothing', 'whole'];
    await withConnector(which, statements, async (connector, database) => {
      const [nearly, ...refused] = await connector.check(['nearly', ...names, 'later'].map(table));
      // None of its indexes tells all of its rows apart.
      expect(nearly).toMatchObject({ reason: 'no unique index over not null columns names its rows' });
      expect(refused.map((each) => each.kind)).toEqual(['no', 'no', 'no', 'no', 'no', 'no']);
      expect(refused.map(fixOf)).toEqual([
        'alter table "public"."bare" add column id bigint generated always as identity primary key;',
        'alter table "public"."with_id" add primary key (id);',
        'alter table "public"."unique_only" replica identity using index "unique_only_code_key";',
        'alter table "public"."told_nothing" replica identity default;',
        'alter table "public"."whole" add column id bigint generated always as identity primary key;',
        null,
      ]);
      for (const each of refused) if (fixOf(each) !== null) await database.query(fixOf(each) ?? '');
      const judged = await connector.check(names.map(table));
      expect(judged.map((each) => (each.kind === 'yes' ? each.key : each.reason))).toEqual([
        ['id'],
        ['id'],
        ['code'],
        ['id'],
        ['id'],
      ]);
      await connector.publish(names.map(table));
      for (const name of names) await database.query(`delete from ${name}`);
    });
  });

  on('what keeps no log, or speaks for others, is refused with its reason', async () => {
    const statements = [
      'create table t (id int primary key)',
      'create view v as select * from t',
      'create materialized view mv as select * from t',
      'create unlogged table u (id int primary key)',
      'create table parent (id int primary key)',
      'create table child (primary key (id)) inherits (parent)',
      'create extension postgres_fdw',
      'create server s foreign data wrapper postgres_fdw',
      'create foreign table f (id int) server s',
    ];
    await withConnector(which, statements, async (connector) => {
      const tables = ['v', 'mv', 'u', 'parent', 'f', 'missing'].map(table);
      const judged = await connector.check([...tables, { schema: 'pg_catalog', name: 'pg_class' }]);
      expect(judged.map((each) => (each.kind === 'no' ? each.reason : 'publishable'))).toEqual([
        'it is a view: the target keeps no log of its changes',
        'it is a materialized view: the target keeps no log of its changes',
        'it is unlogged: the target keeps no log of its changes',
        'other tables inherit from it',
        'it is a foreign table: the target keeps no log of its changes',
        'it does not exist',
        'it is a system table',
      ]);
    });
  });

  on('every partition must tell of its rows by the key of the whole', async () => {
    const statements = [
      'create table m (k int primary key, v int) partition by range (k)',
      'create table m1 partition of m for values from (0) to (10)',
      'create table m2 partition of m for values from (10) to (20)',
      'alter table m1 replica identity full',
      'alter table m2 replica identity nothing',
    ];
    await withConnector(which, statements, async (connector, database) => {
      const [refused] = await connector.check([table('m')]);
      expect(refused).toEqual({
        kind: 'no',
        table: table('m'),
        reason: 'the replica identity of its partition m2 is not the key (k)',
        fix: 'alter table "public"."m2" replica identity default;',
      });
      await database.query('alter table "public"."m2" replica identity default');
      const [accepted, partition] = await connector.check([table('m'), table('m1')]);
      expect(accepted?.kind).toBe('yes');
      expect(partition).toMatchObject({
        kind: 'no',
        reason: 'it is a partition of m, which is followed as a whole',
      });
      await connector.publish([table('m')]);
      await database.query('insert into m values (1, 1), (11, 1)');
      await database.query('update m set v = 2');
      await database.query('delete from m');
      // What is told as changes of the whole would be missed by whoever follows the partition alone.
      const toldAsWhole = { kind: 'no', reason: 'the publication tells of its rows as rows of m' };
      expect(await connector.check([table('m1')])).toMatchObject([toldAsWhole]);
      await connector.drop();
      expect(await connector.check([table('m1')])).toMatchObject([{ kind: 'yes' }]);
      await database.query(
        `create publication ${connector.slot} for all tables with (publish_via_partition_root)`,
      );
      expect(await connector.check([table('m1')])).toMatchObject([toldAsWhole]);
      if (database.server.version < 15) return;
      // A whole table that is published with its schema, of which nobody had a word.
      await connector.drop();
      await database.query('create schema apart; alter table m set schema apart');
      await connector.publish([table('m1')]);
      expect(await connector.check([table('m1')])).toMatchObject([{ kind: 'yes' }]);
      await database.query(`alter publication ${connector.slot} add tables in schema apart`);
      expect((await connector.observe()).isAsChecked).toBe(false);
      const asApart = { kind: 'no', reason: 'the publication tells of its rows as rows of apart.m' };
      expect(await connector.check([table('m1')])).toMatchObject([asApart]);
    });
  });

  on('the key, the columns of the stream and an estimate of the rows are told', async () => {
    const statements = [
      'create table t (b int, a int, v text, g int generated always as (a * 2) stored, primary key (a, b))',
      'insert into t (a, b) select n, n from generate_series(1, 1000) n',
      'create index on t (a desc, v)',
      'create index on t (lower(v))',
      'create index on t (v) where a > 0',
      'analyze t',
    ];
    const column = (name: string, descending = false) => ({ name, descending, nullsFirst: descending });
    await withConnector(which, statements, async (connector, database) => {
      const generated = database.server.version >= 18 ? ['g'] : [];
      expect(await connector.check([table('t')])).toEqual([
        {
          kind: 'yes',
          table: table('t'),
          key: ['a', 'b'],
          columns: ['b', 'a', 'v', ...generated],
          shape: expect.objectContaining({ isPartitioned: false, publication: null }),
          indexes: [
            [column('a'), column('b')],
            [column('a', true), column('v')],
          ],
        },
      ]);
      expect(await connector.sizes([table('t')])).toEqual([
        { rowsEstimated: 1000, bytes: expect.any(Number) },
      ]);
    });
  });

  on(
    'of other indexes those are told that an extension has for where values of its own type lie',
    async () => {
      const statements = [
        'create extension ltree; create extension btree_gist',
        'create table t (id int primary key, path ltree, span int4range)',
        'create index on t using gist (path); create index on t using gist (path gist_ltree_ops(siglen=100))',
        'create index on t using gist (id); create index on t using gist (span)',
        'create index on t using gist (path, span); create index on t using gist (path) where id > 0',
      ];
      await withConnector(which, statements, async (connector) => {
        const [told] = await connector.check([table('t')]);
        const column = { descending: false, nullsFirst: false };
        const path = [{ ...column, name: 'path', spatial: true }];
        expect(told?.kind === 'yes' && told.indexes).toEqual([[{ ...column, name: 'id' }], path, path]);
      });
    },
  );

  on('the columns told are those that arrive', async () => {
    const create = 'create table t (id int primary key, g int generated always as (id * 2) stored)';
    await using feed = await startFeed(which, [create], [table('t')]);
    await feed.database.query('insert into t values (3)');
    const [judged] = await feed.connector.check([table('t')]);
    const cells = judged?.kind === 'yes' && judged.columns.length === 2 ? `('3', '6')` : `('3')`;
    expect(await changesUntilNow(feed)).toEqual(['begin', `insert t ${cells}`, 'commit']);
  });

  on('publish changes only what differs, and says what it had to add', async () => {
    const statements = ['a', 'b', 'c'].map((name) => `create table ${name} (id int primary key, v int)`);
    await withConnector(which, statements, async (connector, database) => {
      expect(await connector.publish([])).toEqual(added());
      expect(await connector.publish([table('a'), table('b')])).toEqual(added('a', 'b'));
      const xmin = 'select xmin::text from pg_publication_rel order by oid limit 1';
      const before = await database.query(xmin);
      expect(await connector.publish([table('a'), table('b')])).toEqual(added());
      expect(await connector.publish([table('a'), table('c')])).toEqual(added('c'));
      expect((await database.query(xmin)).rows).toEqual(before.rows);
      expect(await published(database)).toEqual(['a', 'c']);
      // Somebody narrowed it by hand.
      const kinds = ['insert', 'update', 'delete', 'truncate'];
      for (const narrower of [
        ...kinds.map((kind) => `publish = '${kinds.filter((each) => each !== kind).join()}'`),
        'publish_via_partition_root = false',
      ]) {
        await database.query(`alter publication ${connector.slot} set (${narrower})`);
        // What it left out of each table is nowhere.
        expect(await connector.publish([table('a'), table('c')])).toEqual(added('a', 'c'));
        const whole =
          'select from pg_publication where pubinsert and pubupdate and pubdelete and pubtruncate and pubviaroot';
        expect([narrower, (await database.query(whole)).rowCount]).toEqual([narrower, 1]);
      }
      const hasFilters = database.server.version >= 15;
      if (hasFilters)
        await database.query(`alter publication ${connector.slot} set table a where (v > 1), c`);
      expect(await connector.publish([table('a'), table('c')])).toEqual(hasFilters ? added('a') : added());
      const filters = await database.query(
        `select from pg_publication_rel r where to_jsonb(r) ->> 'prqual' is not null`,
      );
      expect(filters.rowCount).toBe(0);
      await connector.drop();
      expect(await published(database)).toEqual([]);
      await connector.drop();
    });
  });

  on('publishing waits for no lock for long', async () => {
    const locked = ['t', ...Array.from({ length: 60 }, (_, at) => `t${at}`)];
    const statements = [
      ...['u', ...locked].map((name) => `create table ${name} (id int primary key)`),
      // What counts them outlives the transactions that are rolled back.
      'create sequence waits; create sequence looks',
      `create function note() returns event_trigger language plpgsql as $$ begin
         perform nextval(case current_setting('lock_timeout') when '1ms' then 'public.looks' else 'public.waits' end);
       end $$`,
      `create event trigger note on ddl_command_start when tag in ('ALTER PUBLICATION') execute function note()`,
    ];
    await withConnector(which, statements, async (connector, database) => {
      const holding = database
        .query(`do $$ begin lock table ${locked.toReversed().join()}; perform pg_sleep(600); end $$`)
        .catch(() => undefined);
      await untilLocked(database);
      let nowMs = 0;
      // By this clock the first of them has taken as long as all together may.
      const clock = vi.spyOn(systemClock, 'monotonicMs').mockImplementation(() => (nowMs += 60_000));
      try {
        expect(await connector.publish([...locked.map(table), table('u')])).toEqual({
          added: [table('u')],
          refused: locked.map((name) => ({
            table: table(name),
            reason: expect.stringContaining('waiting for a lock on the target, which is held by session'),
          })),
          stillPublished: [],
        });
        const counted = await database.query(
          'select (select last_value::int from waits) as waits, (select last_value::int from looks) as looks',
        );
        expect(counted.rows).toEqual([{ waits: 1, looks: locked.length + 1 }]);
      } finally {
        clock.mockRestore();
        // While it goes on no slot can be made on this server.
        await database.query(`select pg_terminate_backend(pid) from pg_stat_activity where query like 'do %'
          and datname = current_database() and pid <> pg_backend_pid()`);
        await holding;
      }
    });
  });

  on('a table in a schema that may not be used any more keeps no other from being published', async () => {
    const role = freshName();
    const statements = [
      `create role ${role} superuser login password 'x'`,
      `create schema closed; set role ${role}; create table closed.t (id int primary key); create table u (id int primary key)`,
    ];
    await withConnector(which, statements, async (_connector, database) => {
      const url = new URL(database.url);
      [url.username, url.password] = [role, 'x'];
      const connector = postgresConnector({ url: url.href, name: freshName(), log: silentLog });
      const closed = { schema: 'closed', name: 't' };
      await connector.publish([closed]);
      await database.query(`reset role; alter role ${role} nosuperuser`);
      const reason = `the role may not take what nobody wants out of the publication: the target refused a command: permission denied for schema closed (42501); run: alter publication "${connector.slot}" drop table "closed"."t";`;
      const stillPublished = [{ table: closed, reason }];
      expect(await connector.publish([table('u')])).toEqual({ ...added('u'), stillPublished });
      expect(await connector.publish([table('u')])).toEqual({ ...added(), stillPublished });
      // What it cannot take out must not make its owner's writes fail either.
      await database.query('alter table closed.t drop constraint t_pkey');
      expect(await connector.protect()).toEqual([closed]);
      await database.query('insert into closed.t values (1); delete from closed.t');
      const refused = await failure(connector.publish([table('u')]));
      expect([refused.failure, refused.message]).toEqual(['unfit', reason]);
      await connector.close();
      await database.query(`drop publication ${connector.slot}; drop owned by ${role}; drop role ${role}`);
    });
  });

  on('missing rights are named with what would grant them', async () => {
    const role = `role_${randomBytes(4).toString('hex')}`;
    const statements = [
      `create role ${role} login password 'secret-word'`,
      'create table t (id int primary key)',
      'create table hidden (id int primary key)',
      'create table filtered (id int primary key)',
      'alter table filtered enable row level security',
      `grant select on t, filtered to ${role}`,
    ];
    await withConnector(which, statements, async (owner, database) => {
      const url = new URL(database.url);
      [url.username, url.password] = [role, 'secret-word'];
      const connector = postgresConnector({ url: url.href, name: freshName(), log: silentLog });
      const judged = await connector.check(['t', 'hidden', 'filtered'].map(table));
      expect(judged.map((each) => (each.kind === 'no' ? each.reason : 'publishable'))).toEqual([
        `role ${role} does not own it and may not publish it`,
        `role ${role} may not read it`,
        `row level security hides rows of it from role ${role}, but the stream of changes holds all`,
      ]);
      const refused = await failure(connector.publish([table('t')]));
      expect(refused.failure).toBe('unfit');
      expect(refused.message).toContain('permission denied');
      const noReplication = await failure(connector.identify());
      expect(noReplication.failure).toBe('unfit');
      expect(noReplication.message).toContain('needs the attribute REPLICATION');
      // An administrator may publish for a role that owns nothing.
      await database.query(
        `create publication ${connector.slot} for table t with (publish_via_partition_root)`,
      );
      expect((await connector.check([table('t')]))[0]?.kind).toBe('yes');
      // Of one that leaves changes out nothing is read.
      await database.query(`alter publication ${connector.slot} set (publish = 'insert')`);
      const unread = await failure(connector.publish([table('t')]));
      const [, fix = ''] = /leaves changes out; run: (.*)$/.exec(unread.message) ?? [];
      await database.query(fix);
      expect([unread.failure, await connector.publish([table('t')])]).toMatchObject([
        'unfit',
        { refused: [] },
      ]);
      await connector.close();
      await owner.publish([]);
      await database.query(`drop owned by ${role}`);
      await database.query(`drop role ${role}`);
    });
  });
});

test('identity names the system, the timeline and the database', async () => {
  await withConnector('target', [], async (connector, database) => {
    const { rows } = await database.query<{ id: string }>(
      'select system_identifier::text as id from pg_control_system()',
    );
    expect(await connector.identify()).toEqual({
      systemId: rows[0]?.id,
      timeline: 1,
      database: database.name,
      startedAt: expect.stringMatching(/^\d+\.\d+$/),
      ancestors: [],
    });
  });
});

test('a wrong password, a missing database and a malformed url are told without the secret', async () => {
  await withConnector('target', [], async (_connector, database) => {
    const wrong = ['postgres://u:hush@', `postgres://postgres:hush@127.0.0.1:${database.server.port}/none`];
    for (const url of wrong) {
      const connector = postgresConnector({ url, name: freshName(), log: silentLog });
      const error = await failure(connector.identify());
      expect(error.failure).toBe('unfit');
      expect(JSON.stringify([error.message, error.cause])).not.toContain('hush');
      await connector.close();
    }
  });
});

test('a log-in that fails for want of a password leaves no connection open', async () => {
  const role = freshName();
  await withConnector('target', [`create role ${role} login password 'x'`], async (_connector, database) => {
    await asksForScram(database, role);
    await using proxy = await startProxy({ host: '127.0.0.1', port: database.server.port });
    const url = new URL(proxy.through(database.url));
    [url.username, url.password] = [role, ''];
    const connector = postgresConnector({ url: url.href, name: freshName(), log: silentLog });
    const refused = async (): Promise<string> => (await failure(connector.check([table('t')]))).message;
    await poll('the rule to hold', async () => (await refused()).includes('SCRAM'));
    // The server itself gives such a client up after a minute.
    await poll('the sockets to be closed', () => proxy.openConnections === 0, 20_000);
    await connector.close();
    await database.query(`drop role ${role}`);
  });
});

test('an idle connection that the target ends is told with the slot it was opened for', async () => {
  await withConnector('target', [], async (_connector, database) => {
    const name = freshName();
    const told: object[] = [];
    const log = { ...silentLog, info: (fields: object) => void told.push(fields) };
    const connector = postgresConnector({ url: database.url, name, log });
    await connector.check([table('t')]);
    await database.query(`select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'nearjoin' and datname = current_database()`);
    await poll('the loss to be told', () => told.length > 0);
    expect(told).toEqual([{ slot: name, error: expect.stringContaining('administrator command') }]);
    await connector.close();
  });
});

/** There the client's side has to go on, and cannot without a password. */
async function asksForScram(database: TestDatabase, role: string): Promise<void> {
  const { rows } = await database.query<{ file: string }>(`select current_setting('hba_file') as file`);
  const file = rows[0]?.file ?? '';
  writeFileSync(file, `host all ${role} 127.0.0.1/32 scram-sha-256\n${readFileSync(file, 'utf8')}`);
  await database.query('select pg_reload_conf()');
}

test('a target that writes too little into its log is unfit, and so is one out of slots', async () => {
  const server = await startTarget({
    within: inject('scratch'),
    settings: { wal_level: 'replica' },
  });
  try {
    const connector = postgresConnector({ url: server.url('postgres'), name: freshName(), log: silentLog });
    const error = await failure(connector.identify());
    expect([error.failure, error.message]).toEqual(['unfit', expect.stringContaining('wal_level = replica')]);
    await connector.close();
  } finally {
    await server.stop();
  }
});

test('a slot the target gave up is lost, whether it streams or not', async () => {
  const server = await startTarget({
    within: inject('scratch'),
    settings: { wal_level: 'logical', max_slot_wal_keep_size: '1MB', max_replication_slots: '2' },
  });
  try {
    const url = server.url('postgres');
    const connector = postgresConnector({ url, name: 'first', log: silentLog });
    const { signal } = new AbortController();
    const start = await connector.createSlot(signal);
    const other = postgresConnector({ url, name: 'second', log: silentLog });
    await other.createSlot(signal);
    const third = postgresConnector({ url, name: 'third', log: silentLog });
    const full = await failure(third.identify());
    expect([full.failure, full.message]).toEqual(['unfit', expect.stringContaining('max_replication_slots')]);
    await other.drop();
    await fillLog(url);
    expect(await connector.slotHealth()).toMatchObject({ kind: 'lost' });
    const error = await failure(connector.open(start, null, signal));
    expect(error.failure).toBe('slot-lost');
    await connector.createSlot(signal);
    expect(await connector.slotHealth()).toMatchObject({ kind: 'usable' });
    await Promise.all([connector.close(), other.close(), third.close()]);
  } finally {
    await server.stop();
  }
});

function added(...names: readonly string[]): Published {
  return { added: names.map(table), refused: [], stillPublished: [] };
}

function fixOf(judged: Publishable): string | null {
  return judged.kind === 'no' ? judged.fix : null;
}

async function untilLocked(database: TestDatabase): Promise<void> {
  for (;;) {
    const found = await database.query(
      `select from pg_locks where mode = 'AccessExclusiveLock' and relation = 't'::regclass`,
    );
    if (found.rowCount === 1) return;
  }
}
