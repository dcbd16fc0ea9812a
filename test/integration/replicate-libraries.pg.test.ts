import { afterEach, expect, test } from 'vitest';
import { FeedRig } from '../support/feed.ts';
import { hasExtension, type TestDatabase } from '../support/postgres.ts';

// A type of an extension whose library is not there any more, on one server or the other.

const has = (await hasExtension('source', 'hstore')) && (await hasExtension('target', 'hstore'));
const SAID = 'could not access file';

let rig: FeedRig;

afterEach(() => rig.close());

async function open(): Promise<void> {
  rig = await FeedRig.open(
    [
      'create extension hstore',
      'create table item (id int primary key)',
      'create table word (id int primary key, more hstore)',
      `insert into word values (1, 'a=>1')`,
    ],
    { item: [], word: [] },
  );
  await rig.source.query('create extension hstore');
  rig.start();
  await rig.ready();
}

function setLibrary(database: TestDatabase, library: string): Promise<unknown> {
  return database.query(
    `update pg_proc set probin = $1 where proname like 'hstore%' and probin is not null`,
    [library],
  );
}

/** Waits until the table fails for what was said, and another goes on; then all is as it should be again. */
async function costsWord(database: TestDatabase): Promise<void> {
  await rig.until('the table to fail', async () => {
    const state = (await rig.tableStatus('word'))?.state;
    return state?.kind === 'failed' && state.reason.includes(SAID);
  });
  await rig.target.query('insert into item values (2)');
  await rig.caughtUp();
  expect((await rig.contents('item')).cache).toHaveLength(2);
  await setLibrary(database, '$libdir/hstore');
  rig.reload();
  await rig.ready();
  const { target, cache } = await rig.contents('word');
  expect(cache).toEqual(target);
}

test.skipIf(!has)('costs a target the tables with the type, and no other', async () => {
  await open();
  const before = (await rig.tableStatus('item'))?.relation;
  await setLibrary(rig.target, '$libdir/gone');
  await rig.target.query('insert into item values (1)');
  await rig.target.query('update word set id = 2');
  await rig.copiedAgain('item', before);
  await costsWord(rig.target);
});

test.skipIf(!has)('costs a source the tables with the type, and leaves the other copies', async () => {
  await open();
  const before = (await rig.tableStatus('item'))?.relation;
  await setLibrary(rig.source, '$libdir/gone');
  await rig.target.query('insert into item values (1)');
  await rig.target.query('update word set id = 2');
  await costsWord(rig.source);
  expect((await rig.tableStatus('item'))?.relation).toBe(before);
});
