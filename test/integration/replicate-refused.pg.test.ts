import { afterEach, expect, test } from 'vitest';
import { FeedRig } from '../support/feed.ts';

let rig: FeedRig | undefined;

afterEach(() => rig?.close());

test('a table that cannot be published is told of once, and is not called pending each time that is tried', async () => {
  const feed = await FeedRig.open(
    ['create table item (id int primary key)', 'create table other (id int primary key)'],
    { item: [] },
  );
  rig = feed;
  let tries = 0;
  feed.start({
    limits: { schemaPollMs: 100 },
    onConnect: (connector) => {
      const publish = connector.publish.bind(connector);
      connector.publish = async (tables) => {
        const published = await publish(tables);
        if (published.refused.length > 0) tries += 1;
        return published;
      };
    },
  });
  await feed.ready();
  await feed.target.query(`create function public.refuse() returns event_trigger language plpgsql as
    $$ begin raise exception 'not today'; end $$`);
  await feed.target.query(
    'create event trigger refuse on ddl_command_start execute function public.refuse()',
  );
  await feed.track({ item: [], other: [] });
  await feed.until('the table to fail', async () => {
    return (await feed.tableStatus('other'))?.state.kind === 'failed';
  });
  await feed.source.query('create table said (state text)');
  await feed.source.query(`create function note() returns trigger language plpgsql as
    $$ begin insert into public.said values (new.state); return null; end $$`);
  await feed.source.query(
    'create trigger note after update on nearjoin.cache_table for each row execute function note()',
  );
  const until = tries + 3;
  await feed.until('more tries', async () => tries >= until);
  expect((await feed.source.query('select state from said')).rows).toEqual([]);
  expect(feed.log.filter((line) => line.includes('a table cannot be cached'))).toHaveLength(1);
});

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
      const state = (await feed.tableStatus('other'))?.state;
      return state?.kind === 'failed' && state.reason === reason;
    });
    await feed.target.query('insert into item values (1, 1)');
    await feed.caughtUp();
    expect(feed.log.filter((line) => line.includes('feed interrupted'))).toEqual([]);
    await feed[where].query('drop event trigger refuse');
    feed.reload();
    await feed.ready();
  },
);

test('a wrong copy that may be neither dropped nor renamed stops the feed, is told by name, and goes when it may', async () => {
  const feed = await FeedRig.open(
    ['create table item (id int primary key, n int)', 'insert into item values (1, 1)'],
    { item: [] },
  );
  rig = feed;
  feed.start();
  await feed.ready();
  const before = (await feed.tableStatus('item'))?.relation;
  await feed.source.query(`create function public.refuse() returns event_trigger language plpgsql as
    $$ begin raise exception 'not today'; end $$`);
  await feed.source.query(`create event trigger refuse on ddl_command_start
    when tag in ('ALTER TABLE', 'DROP TABLE') execute function public.refuse()`);
  await feed.target.query('alter table item alter n type text using n * 2');
  const why = 'the source database refused a statement (SQLSTATE P0001, by function refuse())';
  const reason = `nearjoin."${before}" can be neither dropped nor renamed: ${why}`;
  await feed.until('the feed to say why', async () => {
    const status = await feed.status();
    return status?.state === 'retrying' && status.reason === reason;
  });
  await feed.source.query('drop event trigger refuse');
  await feed.copiedAgain('item', before);
});
