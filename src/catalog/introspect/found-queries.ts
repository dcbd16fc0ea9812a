import type pg from 'pg';
import { FIND_OPERATORS } from '../../core/postgres/search-path.ts';
import type { ColumnType } from '../catalog.ts';
import type { AnsweredType, FoundQueries } from '../introspection.ts';
import { TypeBook, type TypeRow } from './column-type.ts';
import { typesOfSql } from './introspect-sql.ts';
import type { AskedQueries } from './native-text.ts';
import { tried } from './tried.ts';

/** Nothing was asked. */
const NO_QUERIES: FoundQueries = { queryTypes: new Map(), statements: new Map() };

/**
 * Reads what a database says to native queries, names found as in the sessions that will run them. The session is in a transaction that
 * can only read, and what does not hold is undone.
 */
export async function readQueries(
  client: pg.Client,
  { types, statements }: AskedQueries,
): Promise<FoundQueries> {
  if (statements.length === 0) return NO_QUERIES;
  await client.query(`set local search_path to default; ${FIND_OPERATORS}`);
  const oids = new Map<string, number>();
  for (const name of types) {
    const oid = await tried(client, async () => {
      const { rows } = await client.query<{ oid: number | null }>(
        'select to_regtype($1)::oid::int8::float8 as oid',
        [name],
      );
      return rows[0]?.oid ?? null;
    });
    if (typeof oid === 'number') oids.set(name, oid);
  }
  const found = new Map<string, readonly AnsweredType[] | { readonly error: string }>();
  for (const text of statements) found.set(text, await tried(client, () => answered(client, text)));
  await client.query('set local search_path = pg_catalog');
  return { queryTypes: await typesOf(client, oids), statements: found };
}

/** Nothing is read: Postgres asks a statement of no row for none. */
async function answered(client: pg.Client, text: string): Promise<readonly AnsweredType[]> {
  // Else a text without parameters could hold several statements, one of which ends the transaction that can only read.
  const single: pg.QueryConfig & { readonly queryMode: 'extended' } = { text, queryMode: 'extended' };
  const { fields } = await client.query(single);
  const { rows } = await client.query<AnsweredType>(
    'select oid::int8::float8 as oid, format_type(oid, -1) as sql from unnest($1::oid[]) with ordinality as t(oid, n) order by n',
    [fields.map(({ dataTypeID }) => dataTypeID)],
  );
  return rows;
}

async function typesOf(
  client: pg.Client,
  oids: ReadonlyMap<string, number>,
): Promise<ReadonlyMap<string, ColumnType>> {
  const { rows } = await client.query<{ answer: readonly TypeRow[] }>(typesOfSql([...oids.values()]));
  const book = new TypeBook(rows[0]?.answer ?? []);
  return new Map([...oids].map(([name, oid]) => [name, book.type(oid)]));
}
