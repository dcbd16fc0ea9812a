import { isStored } from '../../plan/computed-parts.ts';
import { freeName } from '../../plan/free-name.ts';
import type { PlanTable } from '../../plan/plan.ts';
import type { RowsCall } from '../../plan/rows-call.ts';
import { identifier, qualified, type Sql, separated, sql, syntax } from '../sql.ts';

/** Rows as a FROM item. */
export interface BaseRows {
  readonly from: Sql;
  /** A row as one value of its table's row type, where that is not read off the item itself. */
  readonly row: Sql | null;
  /** Orders the rows as a function has them; null where they have no number. */
  readonly number: Sql | null;
}

/**
 * Rows that a call answers, under an alias. Numbers keep the order in which the function returns them. They also keep Postgres from
 * deciding conditions inside a function that it inlines, on rows which the function leaves out: a failing condition would tell of them.
 */
export function fromCall(
  { columns, ref }: PlanTable,
  { set, statement }: RowsCall,
  called: Sql,
  { alias, isNumbered }: { readonly alias: string; readonly isNumbered: boolean },
): BaseRows {
  const as = syntax(alias);
  // Such a function always returns a row; without a result it is all nulls.
  if (!set)
    return {
      from: sql`(select f.* from ${called} f where not (f.* is null)) ${as}`,
      row: null,
      number: null,
    };
  if (!isNumbered) return { from: sql`${called} ${as}`, row: null, number: null };
  const stored = columns.filter(isStored).map(({ name }) => name);
  const isTaken = (name: string): boolean => stored.includes(name);
  const [row, number] = [identifier(freeName('r', isTaken)), identifier(freeName('n', isTaken))];
  // Postgres does not compute columns of this list that nothing reads.
  const list = [
    ...stored.map((name) => sql`f.${identifier(name)}`),
    // A native query's row has no type of its own, and nothing is computed from it.
    ...(statement === undefined ? [sql`(f.*)::${qualified(ref)} as ${row}`] : []),
    sql`row_number() over () as ${number}`,
  ];
  const from = sql`(select ${separated(list, ', ')} from ${called} f) ${as}`;
  return { from, row: sql`${as}.${row}`, number: sql`${as}.${number}` };
}
