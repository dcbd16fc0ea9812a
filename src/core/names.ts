/** Hasura's name of a database in the metadata. */
export type SourceName = string;

/** A role of the metadata. */
export type RoleName = string;

/** The role that sees everything and has no row rules. */
export const ADMIN: RoleName = 'admin';

/** A table or view by its real Postgres names. */
export interface TableRef {
  readonly schema: string;
  readonly name: string;
}

/** A text that is equal exactly when two table references are; for map keys, never for SQL. */
export function tableKey(table: TableRef): string {
  return JSON.stringify([table.schema, table.name]);
}

/** Whether two references name the same table. */
export function sameTable(a: TableRef, b: TableRef): boolean {
  return a.schema === b.schema && a.name === b.name;
}

/** Whether two lists without repetitions hold the same names, in whatever order. */
export function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name) => b.includes(name));
}

/** The schemas and the names of tables, as two lists that a statement takes apart together. */
export function schemasAndNames(
  tables: readonly TableRef[],
): readonly [schemas: readonly string[], names: readonly string[]] {
  return [tables.map(({ schema }) => schema), tables.map(({ name }) => name)];
}

/** What a native query is called where tables are named: no table is in a schema without a name. */
export function queryRef(name: string): TableRef {
  return { schema: '', name };
}

/** How Hasura prints a table in messages and root fields: bare in schema public, dotted elsewhere. */
export function printTable(table: TableRef): string {
  return table.schema === 'public' || table.schema === '' ? table.name : `${table.schema}.${table.name}`;
}
