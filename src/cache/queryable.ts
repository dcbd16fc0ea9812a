import { createHash } from 'node:crypto';
import { isOfLibrary, sqlStateOf } from '../core/postgres/sql-state.ts';

/** A statement, or one that the session prepares under its name and keeps. */
export type Statement = string | { readonly name: string; readonly text: string };

/** A statement that a session asks again and again: planned once, under a name made of its text. */
export function keptStatement(text: string): Statement {
  return { name: `nearjoin_${createHash('sha256').update(text).digest('hex').slice(0, 16)}`, text };
}

/** The part of a `pg` client or pool this module needs. */
export interface Queryable {
  query(
    statement: Statement,
    values?: readonly unknown[],
  ): Promise<{
    rows: unknown[];
    rowCount: number | null;
    fields: readonly { readonly dataTypeModifier: number }[];
  }>;
}

/** Runs one statement and returns its rows as the type the statement was written for. */
export async function rowsOf<Row>(
  client: Queryable,
  statement: Statement,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  const { rows } = await client.query(statement, [...values]);
  return rows as Row[];
}

/** Runs one statement that must give exactly one row. */
export async function rowOf<Row>(
  client: Queryable,
  statement: Statement,
  values: readonly unknown[] = [],
): Promise<Row> {
  const [row] = await rowsOf<Row>(client, statement, values);
  if (row === undefined) throw new Error('bug: a statement that always gives a row gave none');
  return row;
}

/** SQLSTATE classes that no single table can cause: connections, rollbacks, locks, resources, operators, disks. */
const OF_SERVER = /^(08|25|40|53|55|57|58|XX)/;

/**
 * Whether the server refused what was asked of it (by a constraint, a trigger, a right, a type whose library is gone …), rather
 * than failing itself.
 */
export function isRefusal(error: unknown): boolean {
  const state = sqlStateOf(error);
  return state !== null && (!OF_SERVER.test(state) || isOfLibrary(error));
}
