import { afterEach, expect, test } from 'vitest';
import { FeedRig } from '../support/feed.ts';

let rig: FeedRig | undefined;

afterEach(() => rig?.close());

test.each([
  [
    'source',
    'copying failed: the source database refused a statement (SQLSTATE P0001, by function refuse())',
  ],
  ['target', 'the role may not publish it: the target refused a command: not today (P0001)'],
] as const)(
  'an event trigger of the %s that refuses every definition keeps a new table waiting, and no other',
  async (where, reason) => {
    const feed = await FeedRig.open(
      ['create table item (id int primary key, n int)', 'create table other (id int primary key)'],
      { item: [['n']] },
    );
    rig = feed;
    feed.start();
    await feed.ready();
    await feed[where].query(`create function public.refuse() returns event_trigger language plpgsql as
      $$ begin raise exception 'not today'; end $$`);
    await feed[where].query(
      'create event trigger refuse on ddl_command_start execute function public.refuse()',
    );
    await feed.track({ item: [['n']], other: [] });
    await feed.until('the table to fail', async () => {
      return (await feed.tableStatus('other'))?.state.kind === 'failed';
    });
    expect((await feed.tableStatus('other'))?.state).toEqual({ kind: 'failed', reason });
    await feed.target.query('insert into item values (1, 1)');
    await feed.caughtUp();
    expect(feed.log.filter((line) => line.includes('feed interrupted'))).toEqual([]);
    await feed[where].query('drop event trigger refuse');
    feed.reload();
    await feed.ready();
  },
);
