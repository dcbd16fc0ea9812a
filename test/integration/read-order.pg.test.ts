import { afterAll, beforeAll, expect, test } from 'vitest';
import { ThreeWays } from '../support/three-ways.ts';

const OPEN = { columns: '*', filter: {}, allow_aggregations: true };

let ways: ThreeWays;

beforeAll(async () => {
  ways = await ThreeWays.open({
    sql: [
      `create table chapter (id int primary key, book_id int);
       create table book (id int primary key, kept boolean);
       create table copy (id int primary key, book_id int);
       insert into book values (1, true), (2, true), (3, false);
       insert into copy values (1, 2), (2, 2), (3, 3);
       insert into chapter values (1, 1), (2, 2), (3, null), (4, 9), (5, 3);`,
    ],
    tables: {
      chapter: {
        database: 'pg1',
        relationships: { book: { kind: 'object', to: 'book', on: { book_id: 'id' } } },
        permissions: { reader: OPEN },
      },
      book: {
        database: 'pg2',
        relationships: { copies: { kind: 'array', to: 'copy', on: { id: 'book_id' } } },
        permissions: { reader: { ...OPEN, filter: { kept: true } } },
      },
      copy: { database: 'pg2', permissions: { reader: OPEN } },
    },
  });
});

afterAll(() => ways?.close());

test.each([
  ['asc', [1, 5, 2, 3, 4], [1, 2, 3, 4, 5]],
  ['desc_nulls_last', [2, 5, 1, 3, 4], [2, 1, 3, 4, 5]],
])(
  'rows below a row that is not there, or not to be seen, count as null: %s',
  async (direction, all, seen) => {
    const query = `{ chapter(order_by: [{book: {copies_aggregate: {count: ${direction}}}}, {id: asc}]) { id } }`;
    const ids = (rows: readonly number[]) => ({ chapter: rows.map((id) => ({ id })) });
    expect(await ways.agree(query)).toEqual(ids(all));
    expect(await ways.agree(query, { role: 'reader' })).toEqual(ids(seen));
  },
);
