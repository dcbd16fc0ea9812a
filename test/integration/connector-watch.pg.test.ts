import { describe, expect, test } from 'vitest';
import type { Connector } from '../../connectors/connector.ts';
import { postgresConnector } from '../../connectors/postgres/connector.ts';
import type { TableRef } from '../../src/core/names.ts';
import { freshName, silentLog, table, withConnector } from '../support/connector.ts';
import { poll } from '../support/poll.ts';
import { hasTestServer, type Which } from '../support/postgres.ts';
import { startProxy } from '../support/proxy.ts';

const SERVERS: readonly Which[] = ['target', 'target15'];

/** Which roles belong to which is the server's, and others who use the server change it. */
function checked(connector: Connector, tables: readonly TableRef[]): Promise<void> {
  return poll('what was looked at to be what is there', async () => {
    await connector.check(tables);
    return (await connector.observe()).isAsChecked;
  });
}

describe.each(SERVERS)('tables that are followed on %s', (which) => {
  const on = test.skipIf(!hasTestServer(which));

  on('are let go when they lose what names their rows, and only then', async () => {
    const names = ['by_index', 'deferred', 'parted', 'plain', 'told_nothing', 'untouched', 'whole'];
    const statements = [
      ...names
        .filter((name) => name !== 'parted')
        .map((name) => `create table ${name} (id int primary key, v int unique not null)`),
      'create table parted (id int primary key, v int) partition by range (id)',
      'create table parted_1 partition of parted for values from (0) to (10)',
      'create table parted_2 partition of parted for values from (10) to (20)',
      'alter table by_index replica identity using index by_index_v_key',
      'alter table whole replica identity full',
    ];
    await withConnector(which, statements, async (connector, database) => {
      await connector.publish(names.map(table));
      expect(await connector.protect()).toEqual([]);
      await database.query('alter table plain drop constraint plain_pkey');
      await database.query('alter table whole drop constraint whole_pkey');
      await database.query('alter table by_index drop constraint by_index_v_key');
      await database.query('alter table told_nothing replica identity nothing');
      await database.query('alter table parted_2 replica identity nothing');
      await database.query(
        'alter table deferred drop constraint deferred_pkey, add primary key (id) deferrable',
      );
      // Where no updates are told of, none is refused.
      await database.query(`alter publication ${connector.slot} set (publish = 'insert')`);
      expect(await connector.protect()).toEqual([]);
      await database.query(`alter publication ${connector.slot} set (publish = 'insert, delete')`);
      const harmed = (await connector.protect()).map(({ name }) => name);
      expect(harmed.toSorted()).toEqual(['by_index', 'deferred', 'parted', 'plain', 'told_nothing']);
      for (const name of names) {
        await database.query(`insert into ${name} values (11, 1)`);
        await database.query(`delete from ${name}`);
      }
      expect(await connector.protect()).toEqual([]);
      // Nor are they published again, whoever judged them when they had their keys.
      const { added, refused } = await connector.publish(names.map(table));
      expect(added).toEqual(['untouched', 'whole'].map(table));
      expect(refused.map(({ table: { name } }) => name)).toEqual([
        'by_index',
        'deferred',
        'parted',
        'plain',
        'told_nothing',
      ]);
      expect(refused[0]?.reason).toContain('a replica identity is missing');
      for (const name of names) await database.query(`delete from ${name}`);
    });
  });

  on('are looked at again when anything has changed that they were judged by', async () => {
    const [one, other] = [freshName(), freshName()];
    const statements = [
      `create role ${one}; create role ${other}; create schema apart`,
      `create type mood as enum ('low'); create type pair as (x int, y int)`,
      'create table apart.t (id int primary key, m mood, p pair); create table more (id int primary key)',
      'create table parted (id int primary key) partition by range (id)',
      'create table parted_1 partition of parted for values from (0) to (10)',
    ];
    await withConnector(which, statements, async (connector, database) => {
      const tables = [{ schema: 'apart', name: 't' }, table('parted')];
      await connector.publish(tables);
      for (const change of [
        `alter type mood rename value 'low' to 'high'`,
        `alter type mood add value 'low'`,
        'alter type pair add attribute z int',
        'alter table apart.t add extra int',
        'alter table apart.t alter extra set not null',
        'alter table apart.t drop constraint t_pkey',
        'alter table apart.t replica identity full',
        'alter table apart.t enable row level security',
        'truncate apart.t',
        'truncate parted_1',
        'create table parted_2 partition of parted for values from (10) to (20)',
        'alter table parted detach partition parted_2',
        `alter publication ${connector.slot} set (publish = 'insert')`,
        `alter publication ${connector.slot} add table more`,
        `alter publication ${connector.slot} drop table more, parted`,
        `grant ${one} to ${other}`,
        'alter schema apart rename to beside',
      ]) {
        await checked(connector, tables);
        await database.query(change);
        expect([change, await connector.observe()]).toMatchObject([change, { isAsChecked: false }]);
      }
      await database.query(`drop role ${one}; drop role ${other}`);
    });
  });

  on('… and when the role is another by which they are read', async () => {
    const role = freshName();
    const statements = [
      `create role ${role} login superuser password 'secret'`,
      'create table t (id int primary key)',
    ];
    await withConnector(which, statements, async (_, database) => {
      const url = new URL(database.url);
      url.username = role;
      url.password = 'secret';
      const connector = postgresConnector({ url: url.href, name: freshName(), log: silentLog });
      await checked(connector, [table('t')]);
      // It would see no rows from here on that a policy hides.
      await database.query(`alter role ${role} nosuperuser`);
      expect(await connector.observe()).toMatchObject({ isAsChecked: false });
      await connector.close();
      await database.query(`drop role ${role}`);
    });
  });
});

test('what a target was identified over is asked on: its slot and its position take no other session', async () => {
  await withConnector('target', [], async (connector, database) => {
    const sessions = async (): Promise<readonly number[]> => {
      const { rows } = await database.query<{ pid: number }>(
        `select pid from pg_stat_activity
         where datname = current_database() and backend_type = 'client backend' and application_name = 'nearjoin'`,
      );
      return rows.map(({ pid }) => pid);
    };
    await connector.identify();
    const identified = await sessions();
    expect(identified).toHaveLength(1);
    await connector.slotHealth();
    await connector.position();
    expect(await sessions()).toEqual(identified);
  });
});

test('a target that does not answer is tried once', async () => {
  await withConnector('target', [], async (_connector, database) => {
    await using proxy = await startProxy(database.server);
    proxy.setMode('black-hole');
    const url = proxy.through(database.url);
    const timings = { connectMs: 100 };
    const connector = postgresConnector({ url, name: freshName(), log: silentLog, timings });
    await expect(connector.identify()).rejects.toThrow('could not connect to the target');
    expect(proxy.connectionsMade).toBe(1);
    await connector.close();
  });
});
