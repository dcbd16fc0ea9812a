import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { TestLane } from '../support/lane.ts';
import { toOne } from '../support/leading-to.ts';
import { poll } from '../support/poll.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

// A snapshot taken before a table was emptied or rewritten finds nothing in it afterwards: such rows are no answer.

const TABLES = {
  pg1: [
    {
      table: 'doc',
      remote_relationships: [toOne('label', 'label', { id: 'id' }), toOne('price', 'price', { id: 'id' })],
    },
  ],
  pg2: [{ table: 'label' }, { table: 'price' }],
};
const LIVE = { freshness: { noCache: true } };

let pg1: TestDatabase;
let pg2: TestDatabase;
let lane: TestLane;

beforeAll(async () => {
  [pg1, pg2] = await Promise.all([
    createDatabase('source', ['create table doc (id int primary key)', 'insert into doc values (1), (2)']),
    createDatabase('target', [
      'create table label (id int primary key, body text)',
      `insert into label values (1, 'one'), (2, 'two')`,
    ]),
  ]);
});

beforeEach(async () => {
  await pg2.query('drop table if exists price');
  await pg2.query('create table price (id int primary key, cents int) partition by range (id)');
  await pg2.query('create table price_low partition of price for values from (0) to (10)');
  await pg2.query('insert into price values (1, 100), (2, 200)');
  lane = await TestLane.open({ pg1, pg2 }, TABLES);
});

afterEach(() => lane?.close());

afterAll(async () => {
  await Promise.all([pg1?.drop(), pg2?.drop()]);
});

const FORMS = [
  ['one statement', '{ doc(order_by: {id: asc}) { label { body } price { cents } } }'],
  [
    'a transaction',
    '{ doc(where: {label: {id: {_gt: 0}}}, order_by: {id: asc}) { label { body } price { cents } } }',
  ],
  [
    'a transaction that shows nothing of the target',
    '{ doc(where: {label: {id: {_gt: 0}}, price: {cents: {_eq: 200}}}) { id } }',
  ],
] as const;
const FILL = 'insert into price values (1, 100), (2, 200)';
const CHANGES = [
  ['is filled anew', `begin; truncate price; ${FILL}`],
  ['has a partition that is filled anew', `begin; truncate price_low; ${FILL}`],
  ['is rewritten', 'begin; alter table price add column more float default random()'],
  [
    'gets another partition for its rows',
    `begin; alter table price detach partition price_low; create table price_all partition of price default; ${FILL}; drop table price_low`,
  ],
  [
    'is another',
    `begin; alter table price rename to old; create table price (id int primary key, cents int); ${FILL}; drop table old`,
  ],
  [
    'keeps what a column holds in another of its name',
    'begin; alter table price rename cents to was; alter table price add cents int; update price set cents = was',
  ],
  [
    'gives its name to one that was there',
    `create table new (id int primary key, cents int); begin; alter table price rename to old; alter table new rename to price; ${FILL}; drop table old`,
  ],
] as const;

test.each(
  FORMS.flatMap(([form, query]) => CHANGES.map(([change, sql]) => [form, change, query, sql] as const)),
)('%s that waits for a table that %s shows its rows', async (_form, _change, query, sql) => {
  const usual = (await lane.query(query, LIVE)).text;
  expect(usual).toMatch(/200|"id":2/);
  const holder = new pg.Client({ connectionString: pg2.url });
  await holder.connect();
  try {
    await holder.query(sql);
    const asked = lane.query(query, LIVE);
    await untilLocked(pg2);
    await holder.query('commit');
    expect((await asked).text).toBe(usual);
  } finally {
    await holder.end();
  }
});

test('so it is where the table is one of the source', async () => {
  const [, [, query]] = FORMS;
  const usual = (await lane.query(query, LIVE)).text;
  const holder = new pg.Client({ connectionString: pg1.url });
  await holder.connect();
  try {
    await holder.query('begin; truncate doc; insert into doc values (1), (2)');
    const asked = lane.query(query, LIVE);
    await untilLocked(pg1);
    await holder.query('commit');
    expect((await asked).text).toBe(usual);
  } finally {
    await holder.end();
  }
});

function untilLocked(database: TestDatabase): Promise<void> {
  return poll('the answer to wait for the table', async () => {
    const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    return (await database.query(waiting)).rows.length > 0;
  });
}
