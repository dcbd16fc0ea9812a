import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestLane } from '../support/lane.ts';
import { toMany, toOne } from '../support/leading-to.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

// Keys that live rows are looked up by, and how many rows each of them is given.

const TABLES = {
  pg1: [
    {
      table: 'doc',
      remote_relationships: [
        toMany('notes', 'note', { big: 'doc' }),
        toMany('memos', 'memo', { id: 'doc' }),
        toOne('feeling', 'feeling', { mood: 'mood' }),
      ],
    },
  ],
  pg2: [{ table: 'note' }, { table: 'memo' }, { table: 'feeling' }],
};

const MOOD = `create type mood as enum ('sad', 'happy')`;

let pg1: TestDatabase;
let pg2: TestDatabase;
let lane: TestLane;

beforeAll(async () => {
  [pg1, pg2] = await Promise.all([
    createDatabase('source', [
      MOOD,
      'create table doc (id int primary key, big bigint, mood mood)',
      `insert into doc values (1, 9007199254740993, 'happy'), (2, null, null), (3, 7, 'sad')`,
    ]),
    createDatabase('target', [
      MOOD,
      'create table note (id int primary key, doc bigint)',
      'create index on note (doc)',
      'insert into note values (1, 9007199254740993), (2, 9007199254740992), (3, 9007199254740993)',
      // No index finds its rows: they are fetched.
      'create table memo (id int primary key, doc int, stars int)',
      'insert into memo values (1, 1, 5), (2, 1, 5), (3, 1, 7), (4, 1, 9), (5, 3, 5)',
      'create table feeling (mood mood primary key, word text)',
      `insert into feeling values ('sad', 'low'), ('happy', 'high')`,
    ]),
  ]);
  lane = await TestLane.open({ pg1, pg2 }, TABLES, { maxStalenessMs: 600_000, pollMs: 50 });
  await lane.fillCaches();
});

afterAll(async () => {
  await lane?.close();
  await Promise.all([pg1?.drop(), pg2?.drop()]);
});

test.each([
  [
    'a key beyond what a float holds, beside none',
    '{ doc(order_by: {id: asc}) { notes_aggregate { aggregate { count } } } }',
    '{"doc":[{"notes_aggregate":{"aggregate":{"count":2}}},{"notes_aggregate":{"aggregate":{"count":0}}},{"notes_aggregate":{"aggregate":{"count":0}}}]}',
  ],
  [
    'the first rows of each key that differ',
    '{ doc(order_by: {id: asc}) { memos(distinct_on: stars, order_by: {stars: asc}, limit: 2) { stars } } }',
    '{"doc":[{"memos":[{"stars":5},{"stars":7}]},{"memos":[]},{"memos":[{"stars":5}]}]}',
  ],
  [
    'the rows behind the first of each key',
    '{ doc(order_by: {id: asc}) { memos(order_by: {id: desc}, limit: 2, offset: 1) { id } } }',
    '{"doc":[{"memos":[{"id":3},{"id":2}]},{"memos":[]},{"memos":[]}]}',
  ],
  [
    'labels of an enum that each database has for itself',
    '{ doc(order_by: {id: asc}) { feeling { mood word } } }',
    '{"doc":[{"feeling":{"mood":"happy","word":"high"}},{"feeling":null},{"feeling":{"mood":"sad","word":"low"}}]}',
  ],
  [
    'and are filtered and ordered by',
    '{ doc(where: {feeling: {mood: {_gte: "sad"}}}, order_by: {feeling: {mood: desc}}) { id } }',
    '{"doc":[{"id":1},{"id":3}]}',
  ],
])('%s, from the cache and live', async (_, query, answer) => {
  const cached = await lane.query(query);
  expect(cached.targets).toMatchObject([{ route: 'cache' }]);
  const live = await lane.query(query, { freshness: { noCache: true } });
  expect([cached.text, live.text]).toEqual([answer, answer]);
});
