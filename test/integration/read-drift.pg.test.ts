import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { GraphqlSocket } from '../support/graphql-socket.ts';
import { leadingTo } from '../support/leading-to.ts';
import { NearjoinHere } from '../support/nearjoin-here.ts';
import { poll } from '../support/poll.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

// Tables are changed under a server that has read the catalogs, and asked for at once.

let pg1: TestDatabase;
let pg2: TestDatabase;
let server: NearjoinHere;

beforeAll(async () => {
  [pg1, pg2] = await Promise.all([
    createDatabase('source', [
      'create schema kinds',
      `create type kinds.mood as enum ('fine', 'bad')`,
      'create table orders (id int primary key, user_id int, mood kinds.mood, note text)',
      `insert into orders values (1, 10, 'fine', 'a'), (2, 20, 'bad', 'b')`,
      'create function since(n int) returns setof orders language sql stable as $$ select * from orders where id >= n $$',
    ]),
    createDatabase('target', [
      'create schema people',
      'create table people.users (id int primary key, name text, email text, age int)',
      `insert into people.users values (10, 'Ada', 'ada@example.com', 36)`,
    ]),
  ]);
  server = await NearjoinHere.start({ NEARJOIN_ROLES: 'api' });
  const users = { schema: 'people', name: 'users' };
  const definition = leadingTo('pg2', users, { user_id: 'id' });
  const source = (name: string, { url }: TestDatabase, tables: readonly object[]): object => {
    return { name, kind: 'postgres', configuration: { connection_info: { database_url: url } }, tables };
  };
  const orders = {
    table: { schema: 'public', name: 'orders' },
    remote_relationships: [{ name: 'user', definition }],
  };
  const sources = [
    { ...source('pg1', pg1, [orders]), functions: [{ function: 'since' }] },
    source('pg2', pg2, [{ table: users }]),
  ];
  await server.command('replace_metadata', { version: 3, sources });
});

afterAll(async () => {
  await server?.stop();
  await Promise.all([pg1?.drop(), pg2?.drop()]);
});

async function ask(query: string): Promise<string> {
  return (await server.graphql(query)).text;
}

const BOTH = '{ orders(where: {mood: {_eq: "fine"}}) { id note user { name email age } } }';
const ANSWER =
  '{"data":{"orders":[{"id":1,"note":"a","user":{"name":"Ada","email":"ada@example.com","age":36}}]}}';

test.each([
  {
    what: 'a table of the target that was renamed',
    database: () => pg2,
    change: 'alter table people.users rename to persons',
    back: 'alter table people.persons rename to users',
    said: `field 'user' not found in type: 'orders'`,
  },
  {
    what: 'a schema of the target that was renamed',
    database: () => pg2,
    change: 'alter schema people rename to persons',
    back: 'alter schema persons rename to people',
    said: `field 'user' not found in type: 'orders'`,
  },
  {
    what: 'a column of the target that was renamed',
    database: () => pg2,
    change: 'alter table people.users rename email to mail',
    back: 'alter table people.users rename mail to email',
    said: `field 'email' not found in type: 'people_users'`,
  },
  {
    what: 'a column of the target of another type',
    database: () => pg2,
    change: `alter table people.users alter age type text using 'all of ' || age`,
    back: 'alter table people.users alter age type int using right(age, 2)::int',
    said: '"age":"all of 36"',
  },
  {
    what: 'a column of the source of another type',
    database: () => pg1,
    change: `alter table orders alter id type text using 'number ' || id`,
    back: 'alter table orders alter id type int using right(id, 1)::int',
    said: '"id":"number 1"',
  },
  {
    what: 'a table of the source that was renamed',
    database: () => pg1,
    change: 'alter table orders rename to buys',
    back: 'alter table buys rename to orders',
    said: `field 'orders' not found in type: 'query_root'`,
  },
  {
    what: 'a column of the source that was renamed',
    database: () => pg1,
    change: 'alter table orders rename note to remark',
    back: 'alter table orders rename remark to note',
    said: `field 'note' not found in type: 'orders'`,
  },
  {
    what: 'a type of the source that moved to another schema',
    database: () => pg1,
    change: 'create schema sorts; alter type kinds.mood set schema sorts',
    back: 'alter type sorts.mood set schema kinds; drop schema sorts',
    said: ANSWER,
  },
])('the first query after it meets $what as it is now', async ({ database, change, back, said }) => {
  expect(await ask(BOTH)).toBe(ANSWER);
  const answers = new Set<string>();
  // A machine that is busy may take longer to look than a query waits.
  await poll('a look at the database in time', async () => {
    answers.clear();
    await database().query(change);
    for (const answer of await Promise.all([ask(BOTH), ask(BOTH)])) answers.add(answer);
    await database().query(back);
    await server.command('reload_metadata', {});
    return ![...answers].some((answer) => /"code":"(schema-changed|data-exception)"/.test(answer));
  });
  expect([...answers]).toEqual([expect.stringContaining(said)]);
  expect(await ask(BOTH)).toBe(ANSWER);
});

test('a query under way meets a database under its new name', async () => {
  const holder = new pg.Client(pg1.url);
  await holder.connect();
  await holder.query('begin; lock table orders');
  const answer = ask(BOTH);
  await aQueryToWait();
  await server.command('rename_source', { name: 'pg2', new_name: 'people' });
  await holder.end();
  expect(await answer).toBe(ANSWER);
  await server.command('rename_source', { name: 'people', new_name: 'pg2' });
  expect(await ask(BOTH)).toBe(ANSWER);
});

function aQueryToWait(): Promise<void> {
  return poll('the query to wait for the table', async () => {
    const { rowCount } = await pg1.query(
      `select from pg_stat_activity where datname = current_database() and application_name = 'nearjoin' and wait_event_type = 'Lock'`,
    );
    return rowCount === 1;
  });
}

test('a subscription that meets it goes on', async () => {
  const client = await GraphqlSocket.connect(server.url);
  client.start('a', `subscription ${BOTH}`);
  await client.untilAnswer('a', JSON.parse(ANSWER));
  await pg1.query('create schema sorts; alter type kinds.mood set schema sorts');
  await pg1.query(`update orders set note = 'z' where id = 1`);
  await client.untilAnswer('a', JSON.parse(ANSWER.replace('"note":"a"', '"note":"z"')));
  expect(JSON.stringify(client.answers('a'))).not.toContain('unexpected');
  client.close();
  await pg1.query(`update orders set note = 'a' where id = 1`);
  await pg1.query('alter type sorts.mood set schema kinds; drop schema sorts');
  await server.command('reload_metadata', {});
});

test('a function is subscribed to as a table is, and one that is gone is noticed', async () => {
  const since = '{ since(args: {n: 2}) { id note user { name } } }';
  const answer = (note: string) => ({ data: { since: [{ id: 2, note, user: null }] } });
  const client = await GraphqlSocket.connect(server.url);
  client.start('a', `subscription ${since}`);
  await client.untilAnswer('a', answer('b'));
  await pg1.query(`update orders set note = 'c' where id = 2`);
  await client.untilAnswer('a', answer('c'));
  client.close();
  await pg1.query('alter function since(int) rename to later');
  // Long before the catalogs are read again anyway, unless the machine is busy.
  await poll('the look at the database', async () =>
    (await ask(since)).includes(`field 'since' not found in type: 'query_root'`),
  );
  await pg1.query(`alter function later(int) rename to since; update orders set note = 'b' where id = 2`);
  await server.command('reload_metadata', {});
  expect(JSON.parse(await ask(since))).toEqual(answer('b'));
});

test('what a function reads that is not there is no change of the schema', async () => {
  await pg1.query(`create function gone() returns int language sql as 'select 1';
    create function calls_gone() returns int language plpgsql as 'begin return gone(); end';
    create view broken as select calls_gone() as n`);
  await server.command('pg_track_table', { source: 'pg1', table: 'broken' });
  await pg1.query('drop function gone; create table nothing ()');
  expect(await ask('{ broken { n } }')).toContain('"message":"database query error"');
  await pg1.query(`create or replace function calls_gone() returns int language plpgsql as
    'begin return (select n from nowhere); end'`);
  const told = await ask('{ broken { n } }');
  expect(told).toContain('"message":"database query error"');
  expect(told).not.toContain('schema-changed');
});

test('a query asked before meets another column of rows that a function gives to a computed field', async () => {
  await pg1.query('create function twice(orders) returns int language sql stable as $$ select 2 * $1.id $$');
  const twice = { source: 'pg1', table: 'orders', name: 'twice', definition: { function: 'twice' } };
  await server.command('pg_add_computed_field', twice);
  const rows = '{ since(args: {n: 2}) { id twice } }';
  const answer = '{"data":{"since":[{"id":2,"twice":4}]}}';
  expect(await ask(rows)).toBe(answer);
  await pg1.query('alter table orders add column more int');
  expect(await ask(rows)).toBe(answer);
});
