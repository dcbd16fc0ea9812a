import type { PlanTable } from '../../plan/plan.ts';
import { identifier, type Sql, sql, syntax } from '../sql.ts';
import { type BaseRows, fromCall } from './from-call.ts';
import { callSql } from './function-call.ts';
import { fromLeaf, isAtHome, type Leaf } from './leaf.ts';
import { type Build, directScope, type RowScope, type RowsInScope, rowOf } from './scope.ts';

/** A place as a FROM item, and its row there. */
export interface OpenPlace {
  readonly from: Sql;
  readonly row: RowScope;
  /** See `BaseRows`. */
  readonly number: Sql | null;
}

/** What a place is opened in: rows that a call may be about, and whether a call's rows are to be numbered. */
export interface PlaceSite {
  readonly rows: RowsInScope;
  readonly build: Build;
  readonly isNumbered: () => boolean;
}

/** The rows of a place, from the leaf of its table or from a call. */
export function openPlace(table: PlanTable, site: PlaceSite): OpenPlace {
  const { build } = site;
  const alias = build.alias();
  const leaf = build.leaves(table);
  const base = baseRows(table, leaf, alias, site);
  const row = directScope(table, leaf, alias, { ...build, row: base.row });
  return { from: base.from, row, number: base.number };
}

function baseRows(table: PlanTable, leaf: Leaf, alias: string, site: PlaceSite): BaseRows {
  const { call } = table;
  if (call === undefined || leaf.kind !== 'table') {
    const number = call?.set === true && !isAtHome(leaf) ? call.told?.number : undefined;
    const order = number === undefined ? null : sql`${syntax(alias)}.${identifier(number.name)}`;
    return { from: fromLeaf(table, leaf, alias), row: null, number: order };
  }
  const row = (): Sql => rowOf(site.rows, call.row ?? -1).whole();
  const called = callSql(call, { params: site.build.params, row });
  return fromCall(table, call, called, { alias, isNumbered: site.isNumbered() });
}
