import { travelsAsText, travelType } from '../../catalog/type/travel-type.ts';
import type { LeafColumn } from '../place/leaf.ts';
import { printStatement } from '../print.ts';
import { identifier, parameter, separated, sql, syntax } from '../sql.ts';
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

/** Fills it from one array per column. */
export function fillTempTable({ name, columns }: TempTable, place: number): Statement {
  const arrays = columns.map((column, i) => {
    const values = parameter({ kind: 'fetched', table: place, column: i });
    return sql`${values}::${syntax(`${travelType(column.type)}[]`)}`;
  });
  const names = columns.map((_, i) => syntax(`c${i}`));
  const list = columns.map((column, i) => {
    const cast = travelsAsText(column.type) ? sql`::${syntax(column.type)}` : syntax('');
    return sql`r.${syntax(`c${i}`)}${cast}`;
  });
  return printStatement(
    sql`insert into pg_temp.${identifier(name)} select ${separated(list, ', ')} from unnest(${separated(arrays, ', ')}) as r(${separated(names, ', ')})`,
  );
}
