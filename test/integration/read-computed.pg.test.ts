import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestLane } from '../support/lane.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

let pg1: TestDatabase;
let pg2: TestDatabase;
let lane: TestLane;

const SCHEMA = [
  'create table author (id int primary key, first_name text not null, last_name text)',
  `insert into author values (1, 'Ada', 'Lovelace'), (2, 'Plato', null), (3, 'Mary', 'Shelley')`,
  `create function full_name(author) returns text language plpgsql stable as
   $$ begin return concat_ws(' ', $1.first_name, $1.last_name); end $$`,
  `create function greeting(word text, one author, session json, mark text default '!', times int default 1)
   returns text language sql stable as
   $$ select word || ' ' || one.first_name || repeat(mark, times) || coalesce(session ->> 'x-hasura-user-id', '') $$`,
  `create function facts(author) returns json language sql immutable as
   $$ select json_build_object('id', $1.id, 'names', json_build_array($1.first_name, $1.last_name)) $$`,
  `create function half(author) returns numeric language sql immutable as $$ select $1.id / 2.0 $$`,
];

const FIELDS = [
  { name: 'full_name', definition: { function: 'full_name' } },
  {
    name: 'greeting',
    definition: { function: 'greeting', table_argument: 'one', session_argument: 'session' },
  },
  { name: 'facts', definition: { function: 'facts' } },
  { name: 'half', definition: { function: 'half' } },
];

const AUTHOR = { table: 'author', computed_fields: FIELDS };

beforeAll(async () => {
  [pg1, pg2] = await Promise.all([createDatabase('source', SCHEMA), createDatabase('target', SCHEMA)]);
  lane = await TestLane.open({ pg1, pg2 }, { pg1: [AUTHOR], pg2: [] });
});

afterAll(async () => {
  await lane?.close();
  await Promise.all([pg1?.drop(), pg2?.drop()]);
});

const data = async (query: string, asking: Parameters<TestLane['query']>[1] = {}): Promise<unknown> =>
  JSON.parse((await lane.query(query, asking)).text);

test('values are shown, with arguments and a path into json', async () => {
  const query = `query ($mark: String, $args: greeting_author_args!) {
    author(order_by: {id: asc}, limit: 2) {
      full_name
      half
      facts(path: "names[0]")
      plain: greeting(args: {word: "Hi"})
      marked: greeting(args: {word: "Hi", mark: $mark, times: 2})
      named: greeting(args: {times: 3, word: "Ho"})
      none: greeting(args: {word: "Hi", mark: null})
      given: greeting(args: $args)
    }
  }`;
  const session = { 'x-hasura-role': 'admin', 'x-hasura-user-id': '7' };
  expect(await data(query, { session, variables: { mark: '?', args: { word: 'Oh', times: 2 } } })).toEqual({
    author: [
      {
        full_name: 'Ada Lovelace',
        half: 0.5,
        facts: 'Ada',
        plain: 'Hi Ada!7',
        marked: 'Hi Ada??7',
        named: 'Ho Ada!!!7',
        none: null,
        given: 'Oh Ada!!7',
      },
      {
        full_name: 'Plato',
        half: 1,
        facts: 'Plato',
        plain: 'Hi Plato!7',
        marked: 'Hi Plato??7',
        named: 'Ho Plato!!!7',
        none: null,
        given: 'Oh Plato!!7',
      },
    ],
  });
});

test('an argument without default must be given, and no other than there are', async () => {
  const ask = (args: string) => data(`{ author { greeting${args} } }`);
  await expect(ask('')).rejects.toMatchObject({ message: "missing required field 'args'" });
  await expect(ask('(args: {mark: "."})')).rejects.toMatchObject({
    code: 'not-supported',
    message: 'Non default arguments cannot be omitted',
  });
  await expect(ask('(args: {word: "a", session: "{}"})')).rejects.toMatchObject({
    message: "field 'session' not found in type: 'greeting_author_args'",
  });
  await expect(data('{ author { full_name(args: {}) } }')).rejects.toMatchObject({
    message: "'full_name' has no argument named 'args'",
  });
});
