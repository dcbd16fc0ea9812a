import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FeedRig } from '../support/feed.ts';
import { testServer } from '../support/postgres.ts';

// Keys that are equal in more than one writing, and keys of types that come with an extension outside of the search path:
// the row of a change is found by its key however it is written, and afterwards it is written as on the target.

/** Postgres 16 and newer write a byte above 127 as its number, of which an older one reads only the backslash. */
const READ_ALIKE =
  new Set([testServer('source'), testServer('target')].map(({ version }) => version >= 16)).size === 1;

/** By type: writings of one value, then of another one. */
const KEYS: Readonly<Record<string, readonly [one: readonly string[], other: string]>> = {
  numeric: [['1.0', '1.00', '1'], '2'],
  'double precision': [['0', '-0'], 'NaN'],
  real: [['-0', '0'], 'Infinity'],
  interval: [['1 mon', '30 days', '720:00:00'], '-1 day'],
  jsonb: [['{"a":1.0}', '{"a":1.00}'], '[]'],
  numrange: [['[1.0,2.0)', '[1.00,2)'], 'empty'],
  'numeric[]': [['{1.0,NULL}', '{1.00,NULL}'], '{}'],
  'character(3)': [['a'], 'b'],
  '"char"': [['a'], READ_ALIKE ? '\\200' : 'b'],
  bytea: [['\\x00ff5c'], '\\x'],
  'bit varying': [['101'], ''],
  timestamptz: [['infinity'], '0044-03-15 12:00:00 BC'],
  money: [['-1234.5'], '0'],
  oidvector: [['1 2 3'], ''],
  inet: [['10.0.0.1/8'], '::1'],
  mood: [['sad'], "it's"],
  short: [['1.0', '1.00'], '2'],
  'other.citext': [['Abc', 'aBC'], 'x'],
  'other.ltree': [['Top.Science'], 'Top'],
  'other.cube': [['(1,2),(3,4)'], '(0)'],
};
const TYPES = Object.keys(KEYS);

const tableOf = (type: string): string => `k${TYPES.indexOf(type)}`;
const keyOf = (type: string, value: string): string => `${pg.escapeLiteral(value)}::${type}`;

let rig: FeedRig;

beforeAll(async () => {
  const extensions = ['citext', 'ltree', 'cube'].map((name) => `create extension ${name} schema other`);
  const tables = TYPES.flatMap((type) => [
    `create table ${tableOf(type)} (k ${type} primary key, n int, big text)`,
    `alter table ${tableOf(type)} alter big set storage external`,
    `insert into ${tableOf(type)} values (${keyOf(type, KEYS[type]?.[0][0] ?? '')}, 0, repeat('x', 3000))`,
  ]);
  rig = await FeedRig.open(
    [
      'create schema other',
      ...extensions,
      `create type mood as enum ('sad', 'it''s')`,
      'create domain short as numeric(5,2)',
      ...tables,
    ],
    Object.fromEntries(TYPES.map((type) => [tableOf(type), []])),
  );
  for (const statement of ['create schema other', ...extensions]) await rig.source.query(statement);
  rig.start();
  await rig.ready();
});

afterAll(() => rig?.close());

async function expectSame(name: string): Promise<void> {
  await rig.caughtUp();
  expect(rig.log.filter((line) => line.startsWith('warn'))).toEqual([]);
  const { target, cache } = await rig.contents(name);
  expect(cache).toEqual(target);
}

describe.each(TYPES)('a key of type %s', (type) => {
  const table = tableOf(type);
  const [one, other] = KEYS[type] ?? [[], ''];

  test('finds its row, whatever happens to it', async () => {
    await rig.target.query(`update ${table} set n = 1`);
    for (const value of [...one, other, one[0] ?? '']) {
      await rig.target.query(`update ${table} set k = ${keyOf(type, value)}`);
    }
    await expectSame(table);
    await rig.target.query(`insert into ${table} values (${keyOf(type, other)}, 2, repeat('y', 3000))`);
    await rig.target.query(`update ${table} set n = 3, big = big || 'z'`);
    await expectSame(table);
    // A row that goes and comes back in another writing, and one that moves, in one transaction.
    await rig.target.query(
      `do $$ begin
         delete from ${table} where k::text = ${keyOf(type, one[0] ?? '')}::text;
         insert into ${table} values (${keyOf(type, one.at(-1) ?? '')}, 4, null);
         update ${table} set n = n + 1; end $$`,
    );
    await expectSame(table);
    await rig.target.query(`delete from ${table} where k::text = ${keyOf(type, other)}::text`);
    await expectSame(table);
  });
});

test('a key that is written in two ways, and goes, while its table is copied', async () => {
  await rig.target.query('create table late (k numeric primary key, n int)');
  await rig.target.query('insert into late values (1.0, 1), (2, 2)');
  await rig.stop();
  let letGo = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  rig.start({ onStep: (step) => (step === 'copy:snapshot-taken' ? held : undefined) });
  await rig.track({ late: [] });
  await rig.until('the copy', async () => (await rig.tableStatus('late'))?.state.kind === 'copying');
  await rig.target.query('begin; update late set k = 1.00 where k = 1; delete from late where k = 1; commit');
  await rig.caughtUp();
  letGo();
  await rig.ready();
  await expectSame('late');
});
