import { afterEach, expect, test } from 'vitest';
import { FeedRig } from '../support/feed.ts';
import { createDatabase } from '../support/postgres.ts';

// A source whose encoding does not hold all that a target has and says.

const LATIN1 = `template template0 encoding 'LATIN1' lc_collate 'C' lc_ctype 'C'`;

let rig: FeedRig;

afterEach(() => rig.close());

async function tableReason(name: string): Promise<string> {
  const state = (await rig.tableStatus(name))?.state;
  return state?.kind === 'failed' ? state.reason : '';
}

test('a character that the source lacks costs its table the copy, for as long as it is there, and no other', async () => {
  rig = await FeedRig.open(
    [
      'create table word (id int primary key, name text)',
      'create table item (id int primary key)',
      `insert into word values (1, 'Käse')`,
    ],
    { word: [], item: [] },
    'target',
    LATIN1,
  );
  rig.start();
  await rig.ready();
  await rig.target.query(`insert into word values (2, '5 €')`);
  await rig.target.query('insert into item values (7)');
  const said = 'only a database with encoding UTF8 holds all';
  await rig.until('the table to fail', async () => (await tableReason('word')).includes(said));
  await rig.caughtUp();
  expect((await rig.contents('item')).cache).toHaveLength(1);
  await rig.target.query(`update word set name = '5 EUR' where id = 2`);
  await rig.ready();
  const { target, cache } = await rig.contents('word');
  expect(cache).toEqual(target);
});

test('a table whose name the source lacks a character of is left out, and the others are kept up', async () => {
  rig = await FeedRig.open(
    [
      'create table item (id int primary key)',
      'create table "Œuvre" (id int primary key)',
      'insert into item values (1)',
    ],
    { Œuvre: [], item: [] },
    'target',
    LATIN1,
  );
  rig.start({ limits: { schemaPollMs: 50 } });
  await rig.until('the other table', async () => (await rig.tableStatus('item'))?.state.kind === 'ready');
  await rig.target.query('insert into item values (2)');
  await rig.caughtUp();
  expect((await rig.contents('item')).cache).toHaveLength(2);
  const before = (await rig.tableStatus('item'))?.relation;
  await rig.target.query('alter table item add n int');
  await rig.refresh();
  await rig.copiedAgain('item', before);
  expect(rig.log.filter((line) => line.includes('its name has a character'))).toHaveLength(1);
});

test('bytes that are no text cost a target its own table, and no other', async () => {
  const ascii = await createDatabase('target', [], `template template0 encoding 'SQL_ASCII' locale 'C'`);
  const tables = [
    'create table word (id int primary key, name text)',
    'create table item (id int primary key)',
  ];
  rig = await FeedRig.open(tables, { word: [], item: [] }, ascii);
  rig.start();
  await rig.ready();
  const before = (await rig.tableStatus('item'))?.relation;
  await rig.target.query(`insert into word values (1, E'caf\\xe9')`);
  await rig.target.query('insert into item values (1)');
  await rig.copiedAgain('item', before);
  const said = 'its bytes are no text there';
  await rig.until('the table to fail', async () => (await tableReason('word')).includes(said));
  await rig.target.query('insert into item values (2)');
  await rig.caughtUp();
  expect((await rig.contents('item')).cache).toHaveLength(2);
  await rig.target.query(`update word set name = 'café'`);
  rig.reload();
  await rig.ready();
  const { target, cache } = await rig.contents('word');
  expect(cache).toEqual(target);
});

test('what a target says in a language whose letters the source lacks is told without them', async () => {
  rig = await FeedRig.open(
    [
      'create table item (id int primary key)',
      `create function refuse() returns event_trigger language plpgsql as
         $$ begin raise exception 'нет \\101 "места" é' using errcode = 'insufficient_privilege'; end $$`,
      `create event trigger refuse on ddl_command_start when tag in ('CREATE PUBLICATION') execute function refuse()`,
    ],
    { item: [] },
    'target',
    LATIN1,
  );
  rig.start();
  const said = 'the target refused a command: ? \\101 "?" ? (42501)';
  // It is tried again soon, and says what it waits for then.
  await rig.until('the feed to fail, and to say why', async () => {
    const status = await rig.status();
    const isTold = status?.reason === said && status.lastError?.includes(said) === true;
    return status?.state === 'failed' && isTold;
  });
});
