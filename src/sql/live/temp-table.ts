import { fetchedRows, type LeafColumn } from '../place/leaf.ts';
import { printStatement } from '../print.ts';
import { identifier, separated, sql, syntax } from '../sql.ts';
import type { Statement } from '../statement.ts';

/** Rows of one place in a session's temporary table, which empties itself when the transaction ends. */
export interface TempTable {
  readonly name: string;
  readonly columns: readonly LeafColumn[];
  /** Columns that rows are looked up by. */
  readonly lookup: readonly string[];
}

/** Creates table and index. */
export function createTempTable({ name, columns, lookup }: TempTable): readonly Statement[] {
  const list = columns.map((column) => sql`${identifier(column.name)} ${syntax(column.type)}`);
  const table = printStatement(
    sql`create temporary table ${identifier(name)} (${separated(list, ', ')}) on commit delete rows`,
  );
  if (lookup.length === 0) return [table];
  const keys = separated(lookup.map(identifier), ', ');
  return [table, printStatement(sql`create index on pg_temp.${identifier(name)} (${keys})`)];
}

/** Fills it from one array per column of the place's rows. */
export function fillTempTable({ name, columns }: TempTable, place: number): Statement {
  const list = columns.map((column) => sql`r.${identifier(column.name)}`);
  return printStatement(
    sql`insert into pg_temp.${identifier(name)} select ${separated(list, ', ')} from ${fetchedRows(place, columns, 'r')}`,
  );
}
