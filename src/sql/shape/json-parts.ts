import { type Build, type Exposure, type RowScope, type RowsInScope, withRow } from '../place/scope.ts';
import type { SharedJoin } from '../rows/sharing.ts';
import { concatenated, constant, type Sql, sql, syntax } from '../sql.ts';

/** Where the JSON of one row is built. */
export interface ShapeSite {
  readonly row: RowScope;
  readonly rows: RowsInScope;
  readonly shared: readonly SharedJoin[];
  readonly build: Build;
}

/** A JSON object of members that are JSON text and never null. */
export function membersJson(members: readonly { readonly key: string; readonly value: Sql }[]): Sql {
  const parts: Sql[] = [constant('{')];
  members.forEach(({ key, value }, i) => {
    parts.push(constant(`${i === 0 ? '' : ','}${JSON.stringify(key)}:`), value);
  });
  parts.push(constant('}'));
  return concatenated(parts);
}

/** How the rows of a list are cut, and sorted where what stands beside the list may sort them otherwise. */
interface ListTail {
  readonly filter: Sql;
  readonly order: Sql;
}

/** JSON texts of rows as one list, by default in the order the rows arrive: nothing above may sort them again. */
export function joinedList(
  row: Sql,
  { filter, order }: ListTail = { filter: syntax(''), order: syntax('') },
): Sql {
  return sql`coalesce(${constant('[')} || string_agg(${row}, ${constant(',')}${order})${filter} || ${constant(']')}, ${constant('[]')})`;
}

/** The rows of an opened select as they are read above it. */
export function liftedSite(
  opened: { readonly row: RowScope; readonly shared: readonly SharedJoin[] },
  exposure: Exposure,
  rows: RowsInScope,
  build: Build,
): ShapeSite {
  const row = exposure.lift(opened.row);
  const shared = opened.shared.map((join) => ({ ...join, scope: exposure.lift(join.scope) }));
  return { row, rows: withRow(rows, row), shared, build };
}
