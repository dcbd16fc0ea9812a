import fc from 'fast-check';
import { MODEL, TABLES, type TableName } from './orders-model.ts';

/** One transaction of one database, replayed on the database that holds everything. */
export interface Write {
  readonly database: 'pg1' | 'pg2';
  readonly statements: readonly string[];
}

const ID = fc.integer({ min: 1, max: 14 });
const maybeInt = fc.option(fc.integer({ min: -1, max: 14 }));
const text = fc.option(fc.constantFrom('a', 'b', 'ab', 'Ä', '', "o'x", 'new\nline', '"q"', 'x'.repeat(40)));
const region = fc.constantFrom('eu', 'us', "o'x");

const VALUES: Readonly<Record<TableName, Readonly<Record<string, fc.Arbitrary<unknown>>>>> = {
  orders: {
    id: ID,
    user_id: maybeInt,
    store_region: fc.option(region),
    store_no: maybeInt,
    status: fc.constantFrom('open', 'done', ''),
    amount: fc.option(fc.constantFrom('0', '1.10', '-3.50', '99999999.99')),
    placed: fc.option(fc.constantFrom('2024-01-01 00:00+00', '2024-06-01 12:00:00.123456+02', 'infinity')),
  },
  items: { id: ID, order_id: maybeInt, product: text, qty: maybeInt },
  users: {
    id: ID,
    name: text,
    country_id: maybeInt,
    score: fc.option(fc.constantFrom('0', '0.1', '-1.5', '1e20', 'NaN', 'Infinity')),
    active: fc.option(fc.boolean()),
    born: fc.option(fc.constantFrom('2000-01-01', '1999-12-31', '0044-03-15 BC')),
  },
  countries: { id: ID, code: fc.constantFrom('de', 'us', '') },
  reviews: { id: ID, user_id: maybeInt, order_id: maybeInt, stars: maybeInt, body: text },
  stores: { region, no: ID, label: text },
};

function literal(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  return `'${String(value as string | number | boolean).replaceAll("'", "''")}'`;
}

function statement(table: TableName): fc.Arbitrary<string> {
  const values = VALUES[table];
  const key = table === 'stores' ? ['region', 'no'] : ['id'];
  return fc
    .tuple(fc.record(values), fc.record(values), fc.integer({ min: 0, max: 19 }))
    .map(([row, other, dice]) => {
      const columns = Object.keys(row);
      const at = key.map((column) => `${column} = ${literal(other[column])}`).join(' and ');
      const rest = columns.filter((column) => !key.includes(column));
      const set = rest.map((column) => `${column} = excluded.${column}`).join(', ');
      if (dice === 0) return `truncate ${table}`;
      if (dice < 4) return `delete from ${table} where ${at}`;
      const taken = `exists (select from ${table} o where ${key.map((column) => `o.${column} = ${literal(row[column])}`).join(' and ')})`;
      if (dice < 8)
        return `update ${table} set ${columns.map((column) => `${column} = ${literal(row[column])}`).join(', ')} where ${at} and not ${taken}`;
      if (dice < 11) return `update ${table} set ${rest[0]} = ${literal(row[rest[0] ?? ''])} where ${at}`;
      return `insert into ${table} (${columns.join(', ')}) values (${columns.map((column) => literal(row[column])).join(', ')}) on conflict (${key.join(', ')}) do update set ${set}`;
    });
}

function inDatabase(database: 'pg1' | 'pg2'): fc.Arbitrary<Write> {
  const tables = TABLES.filter((table) => MODEL[table].database === database);
  const one = fc.constantFrom(...tables).chain(statement);
  return fc.array(one, { minLength: 1, maxLength: 6 }).map((statements) => ({ database, statements }));
}

/** A transaction on either database: upserts, key changes, deletes, now and then a truncate. */
export const write: fc.Arbitrary<Write> = fc.oneof(inDatabase('pg1'), inDatabase('pg2'), inDatabase('pg2'));
