import { describe, expect, test } from 'vitest';
import { changesUntilNow, startFeed, table } from '../support/connector.ts';
import { hasTestServer, type Which } from '../support/postgres.ts';

const SERVERS: readonly Which[] = ['target', 'target15'];

describe.each(SERVERS)('what the stream of %s says about a change', (which) => {
  const on = test.skipIf(!hasTestServer(which));

  on('inserts, updates and deletes arrive in order with their text, null apart from empty', async () => {
    await using feed = await startFeed(
      which,
      ['create table t (id int primary key, a text, b text)'],
      [table('t')],
    );
    await feed.database.query(`insert into t values (1, null, ''), (2, 'é€😀', 'x')`);
    await feed.database.query(`update t set b = null where id = 2`);
    await feed.database.query(`delete from t where id = 1`);
    expect(await changesUntilNow(feed)).toEqual([
      'begin',
      `insert t ('1', null, '')`,
      `insert t ('2', 'é€😀', 'x')`,
      'commit',
      'begin',
      `update t ('2', 'é€😀', null)`,
      'commit',
      'begin',
      `delete t ('1', null, null)`,
      'commit',
    ]);
  });

  on('a changed key comes with the old one, also of several columns', async () => {
    await using feed = await startFeed(
      which,
      ['create table t (a int, v text, b int, primary key (b, a))', `insert into t values (1, 'x', 2)`],
      [table('t')],
    );
    await feed.database.query(`update t set a = 5`);
    expect(await changesUntilNow(feed)).toEqual([
      'begin',
      `update t ('1', null, '2') -> ('5', 'x', '2')`,
      'commit',
    ]);
  });

  on(
    'a large value an update left alone is unchanged, and comes from the old row when that is sent whole',
    async () => {
      await using feed = await startFeed(
        which,
        [
          'create table t (id int primary key, big text, n int)',
          'create table f (id int primary key, big text, n int)',
          'alter table t alter big set storage external',
          'alter table f alter big set storage external',
          'alter table f replica identity full',
          `insert into t values (1, repeat('x', 10000), 0), (2, null, 0)`,
          `insert into f values (1, repeat('y', 10000), 0)`,
        ],
        [table('t'), table('f')],
      );
      await feed.database.query('update t set n = 1');
      await feed.database.query('update f set n = 1');
      await feed.database.query('update t set id = 7 where id = 1');
      expect(await changesUntilNow(feed)).toEqual([
        'begin',
        `update t ('1', UNCHANGED, '1')`,
        `update t ('2', null, '1')`,
        'commit',
        'begin',
        `update f ('1', 'yyyyyyyyyy…10000', '0') -> ('1', 'yyyyyyyyyy…10000', '1')`,
        'commit',
        'begin',
        `update t ('1', null, null) -> ('7', UNCHANGED, '1')`,
        'commit',
      ]);
    },
  );

  on('a truncate names all its tables, in place among the other changes', async () => {
    await using feed = await startFeed(
      which,
      ['create table p (id int primary key)', 'create table c (id int primary key, p int references p)'],
      [table('p'), table('c')],
    );
    await feed.database.query('insert into p values (1)');
    await feed.database.query('truncate p, c');
    expect(await changesUntilNow(feed)).toEqual([
      'begin',
      `insert p ('1')`,
      'commit',
      'begin',
      'truncate p, c',
      'commit',
    ]);
  });

  on('partitions speak as their root, also when a row moves from one to another', async () => {
    await using feed = await startFeed(
      which,
      [
        'create table m (k int, v text, primary key (k)) partition by range (k)',
        'create table m1 partition of m for values from (0) to (10)',
        // Another order of columns, as after years of changes.
        'create table m2 (v text, k int not null, primary key (k))',
        'alter table m attach partition m2 for values from (10) to (20)',
      ],
      [table('m')],
    );
    await feed.database.query(`insert into m values (1, 'a'), (11, 'b')`);
    await feed.database.query(`update m set k = 12 where k = 1`);
    await feed.database.query(`truncate m`);
    expect(await changesUntilNow(feed)).toEqual([
      'begin',
      `insert m ('1', 'a')`,
      `insert m ('11', 'b')`,
      'commit',
      'begin',
      `delete m ('1', null)`,
      `insert m ('12', 'a')`,
      'commit',
      'begin',
      'truncate m',
      'commit',
    ]);
  });

  on('only published tables are heard, and a changed shape comes with the next row', async () => {
    await using feed = await startFeed(
      which,
      ['create table t (id int primary key)', 'create table other (id int primary key)'],
      [table('t')],
    );
    await feed.database.query('insert into other values (1)');
    await feed.database.query('insert into t values (1)');
    await feed.database.query(`alter table t add column d int default 7`);
    await feed.database.query('insert into t values (2)');
    await feed.database.query('begin; insert into t values (3); rollback');
    expect(await changesUntilNow(feed)).toEqual([
      'begin',
      `insert t ('1')`,
      'commit',
      'begin',
      `insert t ('2', '7')`,
      'commit',
    ]);
  });
});
