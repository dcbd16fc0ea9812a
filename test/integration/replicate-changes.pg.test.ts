import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Supervisor } from '../../src/replicate/supervisor.ts';
import { FeedRig } from '../support/feed.ts';
import { hasTestServer, type Which } from '../support/postgres.ts';

// One feed, every kind of change, each seen in the cache exactly as it is on the target.

const TARGETS: readonly Which[] = ['target', 'target15'];

describe.each(TARGETS)('a feed of %s', (which) => {
  describe.skipIf(!hasTestServer(which))('follows', () => {
    let rig: FeedRig;
    let supervisor: Supervisor;

    beforeAll(async () => {
      rig = await FeedRig.open(
        [
          'create table item (id int primary key, name text, amount numeric(10,2), big text)',
          'create table pair (a text, b int, note varchar(20), primary key (b, a))',
          'create table only_keys (x int primary key)',
          'create table full_identity (id int primary key, big text, n int)',
          'alter table full_identity replica identity full',
          'alter table item alter column big set storage external',
          'alter table full_identity alter column big set storage external',
          `insert into item select n, 'name ' || n, n / 3.0, repeat('x', 3000) || n from generate_series(1, 50) n`,
        ],
        { item: [['name'], ['id']], pair: [['a']], only_keys: [], full_identity: [] },
        which,
      );
      supervisor = rig.start();
      await rig.ready();
    });

    afterAll(() => rig?.close());

    async function same(name: string): Promise<readonly string[]> {
      await rig.caughtUp();
      const { target, cache } = await rig.contents(name);
      expect(cache).toEqual(target);
      return cache;
    }

    test('the first copy holds every row', async () => {
      expect(await same('item')).toHaveLength(50);
    });

    test('inserts, updates and deletes arrive', async () => {
      await rig.target.query(`insert into item values (100, 'new', 1.5, null), (101, null, null, 'x')`);
      await rig.target.query(`update item set name = 'changed' where id < 10`);
      await rig.target.query('delete from item where id between 20 and 25');
      expect(await same('item')).toHaveLength(46);
    });

    test('a value that an update left alone is kept, and null is not mistaken for it', async () => {
      await rig.target.query(`update item set name = 'kept' where id = 1`);
      await rig.target.query(`update item set big = null where id = 2`);
      await same('item');
    });

    test('a key change carries the values that were not sent', async () => {
      await rig.target.query('update item set id = 1000 where id = 3');
      await rig.target.query(`update item set id = id + 2000, name = 'moved' where id between 30 and 35`);
      await same('item');
    });

    test('keys that change places keep their own rows', async () => {
      await rig.target.query('update item set id = -1 where id = 5');
      await rig.target.query('update item set id = 5 where id = 6');
      await rig.target.query('update item set id = 6 where id = -1');
      await same('item');
    });

    test('one row inserted, changed, moved and deleted in one transaction leaves nothing', async () => {
      await rig.target.query(
        `do $$ begin
       insert into item values (500, 'a', 1, repeat('y', 4000));
       update item set name = 'b' where id = 500;
       update item set id = 501 where id = 500;
       delete from item where id = 501;
       insert into item values (501, 'again', 2, repeat('z', 4000));
     end $$`,
      );
      await same('item');
    });

    test('composite keys with odd texts', async () => {
      await rig.target.query(
        `insert into pair values ('it''s', 1, 'q"uote'), ('back\\slash', 2, '{a,b}'), ('', 3, null), ('NULL', 4, 'null'), (e'tab\\t\\n', 5, e'x\\ny')`,
      );
      await rig.target.query(`update pair set b = b + 10 where b < 3`);
      await rig.target.query(`delete from pair where b = 4`);
      expect(await same('pair')).toHaveLength(4);
    });

    test('a table of nothing but its key', async () => {
      await rig.target.query('insert into only_keys select generate_series(1, 5)');
      await rig.target.query('update only_keys set x = 50 where x = 5');
      await rig.target.query('delete from only_keys where x = 1');
      await same('only_keys');
    });

    test('full replica identity', async () => {
      await rig.target.query(`insert into full_identity values (1, repeat('f', 5000), 1), (2, null, 2)`);
      await rig.target.query('update full_identity set n = n + 1');
      await rig.target.query('update full_identity set id = 10 where id = 1');
      await rig.target.query('delete from full_identity where id = 2');
      await same('full_identity');
    });

    test('a truncate arrives in order', async () => {
      await rig.target.query(
        `do $$ begin insert into pair values ('before', 100, null); truncate pair; insert into pair values ('after', 1, null); end $$`,
      );
      expect(await same('pair')).toHaveLength(1);
    });

    test('a transaction larger than a batch is whole or not there', async () => {
      const counted = rig.source.query<{ n: number }>('select 1 as n');
      await counted;
      const { relation } = (await rig.tableStatus('only_keys')) ?? { relation: '' };
      const seen = new Set<number>();
      let over = false;
      const watching = (async () => {
        while (!over) {
          const { rows } = await rig.source.query<{ n: number }>(
            `select count(*)::int as n from nearjoin."${relation}" where x > 1000`,
          );
          seen.add(rows[0]?.n ?? -1);
        }
      })();
      await rig.target.query('insert into only_keys select generate_series(1001, 31000)');
      await same('only_keys');
      over = true;
      await watching;
      expect([...seen].filter((n) => n !== 0 && n !== 30_000)).toEqual([]);
    });

    test('none of this took a second copy or another connection', () => {
      expect(rig.log.filter((line) => line.startsWith('warn'))).toEqual([]);
    });

    test('indexes serve the lookups, the key serves its own', async () => {
      const { relation } = (await rig.tableStatus('item')) ?? { relation: '' };
      const { rows } = await rig.source.query<{ def: string }>(
        `select regexp_replace(indexdef, '.*using', '', 'i') as def from pg_indexes where schemaname = 'nearjoin' and tablename = $1 order by 1`,
        [relation],
      );
      expect(rows.map((row) => row.def)).toEqual([' btree (id)', ' btree (name, id)']);
    });

    test('what changed while nobody read is there after a restart, in the same copies', async () => {
      const relations = async (): Promise<unknown> =>
        (await rig.status())?.tables.map(({ relation }) => relation);
      const before = await relations();
      await supervisor.stop();
      await rig.target.query(`update item set name = 'meanwhile', big = repeat('m', 3000) where id < 20`);
      await rig.target.query('delete from only_keys where x > 2000');
      await rig.target.query('truncate pair');
      supervisor = rig.start();
      for (const name of ['item', 'only_keys', 'pair', 'full_identity']) await same(name);
      expect(await relations()).toEqual(before);
    });
  });
});
