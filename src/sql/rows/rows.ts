import type { Column } from '../../catalog/catalog.ts';
import type { Operand, OrderItem, Predicate, Select } from '../../plan/plan.ts';
import { conjuncts } from '../../plan/predicates.ts';
import { touchesRemote } from '../../plan/touches.ts';
import { isLeaky } from '../condition/leaky.ts';
import { operandSql } from '../condition/operand.ts';
import { conditionsSql, joinSql, predicateSql, visibleValue } from '../condition/predicate.ts';
import { sortValue } from '../place/enum-order.ts';
import { openPlace } from '../place/open-place.ts';
import { type Build, type RowScope, type RowsInScope, withRow } from '../place/scope.ts';
import { allOf, type Sql, separated, sql, syntax } from '../sql.ts';
import { orderTerms } from './order.ts';
import {
  type FromList,
  isFollowedElsewhere,
  type JoinSite,
  joinKey,
  normalForms,
  type SharedJoin,
} from './sharing.ts';

/** The rows of a select before its list is known: joins, filter, order and cut. */
export interface OpenRows {
  /** The base row. */
  readonly row: RowScope;
  /** Rows that what is built inside may refer to. */
  readonly rows: RowsInScope;
  /** To-one joins that the selection may use. */
  readonly shared: readonly SharedJoin[];
  /** Orders the rows as the function has them that answers them; null where none does. */
  readonly number: Sql | null;
  /** Closes the select around its list. */
  select(list: Sql): Sql;
}

/** How the rows are joined to an enclosing row; null for a root field. */
export type Link = ((right: RowScope) => Sql) | null;

/** What of a select decides its rows. */
export type RowsOf = Pick<
  Select,
  'from' | 'fields' | 'where' | 'orderBy' | 'distinctOn' | 'distinctOnlyIf' | 'limit' | 'withTies' | 'offset'
>;

/** Builds joins, filter and order of a select. */
export function openRows(select: RowsOf, link: Link, outer: RowsInScope, build: Build): OpenRows {
  const isNumbered = isOrderedAlike(select, build) || conjuncts(select.where).some(isLeaky);
  const base = openPlace(select.from, { rows: outer, build, isNumbered });
  const { row } = base;
  const rows = withRow(outer, row);
  const from: FromList = { items: [base.from], shared: [] };
  const conditions = link === null ? [] : [link(row)];
  if (!row.filtered) {
    const joined = joinedConditions(select);
    for (const part of joined) joinInstead(part, { row, rows, build, from });
    const others = conjuncts(select.where).filter((part) => !joined.some((one) => one === part));
    conditions.push(...conditionsSql(others, row, rows, build));
  }
  const distinct = distinctValues(select, { row, rows, build });
  const order = rowOrder(select, build).flatMap((item) => {
    const known = distinct.find(({ column, onlyIf }) => isColumnOrder(item, column, onlyIf));
    return orderTerms(item, { row, rows, build, from }, known?.value ?? null);
  });
  if (base.number !== null) order.push(base.number);
  const tail = closing(select, order, build);
  const head =
    distinct.length === 0
      ? syntax('')
      : sql`distinct on (${separated(
          distinct.map(({ value }) => value),
          ', ',
        )}) `;
  const where = conditions.length === 0 ? syntax('') : sql` where ${allOf(conditions)}`;
  return {
    row,
    rows,
    number: base.number,
    shared: from.shared,
    select: (list) => sql`select ${head}${list} from ${separated(from.items, ' ')}${where}${tail}`,
  };
}

/** Whether rows that the filter lets through may be left out. */
export function isCut({
  limit,
  offset,
  distinctOn,
}: Pick<RowsOf, 'limit' | 'offset' | 'distinctOn'>): boolean {
  return limit !== null || offset !== null || distinctOn.length > 0;
}

/** Whether two routes must agree on the order of rows: where they are of remote tables, or found or ordered through one. */
function isOrderedAlike(select: RowsOf, { isRemote }: Build): boolean {
  return isRemote(select.from) || touchesRemote(select, isRemote);
}

/**
 * The conditions of a filter that become joins: `exists` over a unique key is the same as an inner join, and the joined
 * row then also serves the ordering and the selection: one look-up instead of three. One for each relationship.
 */
export function joinedConditions(select: RowsOf): readonly Exists[] {
  const parts = conjuncts(select.where);
  // A condition that may fail must wait for all others, so they must stay conditions.
  if (parts.some(isLeaky)) return [];
  const joined = new Map<string, Exists>();
  for (const part of parts) {
    if (part.kind !== 'exists' || !part.join.unique || !isFollowedElsewhere(part.join, select)) continue;
    const key = joinKey(select.from, part.join);
    if (!joined.has(key)) joined.set(key, part);
  }
  return [...joined.values()];
}

type Exists = Extract<Predicate, { kind: 'exists' }>;

function joinInstead(part: Exists, { row, rows, build, from }: JoinSite): void {
  const { from: item, row: scope } = openPlace(part.to, { rows, build, isNumbered: false });
  const on = [joinSql(part.join.on, row, scope)];
  if (!scope.filtered && part.where.kind !== 'true')
    on.push(predicateSql(part.where, scope, withRow(rows, scope), build));
  from.items.push(sql`join ${item} on ${allOf(on)}`);
  from.shared.push({
    key: joinKey(row.table, part.join),
    scope,
    optional: false,
    conditions: normalForms(part.where, part.to, build.params),
  });
}

/**
 * The order asked for, then what makes it total where two routes must agree: rows of remote tables, and rows that
 * were found or ordered through one, end with the table's key.
 */
function rowOrder(select: RowsOf, build: Build): readonly OrderItem[] {
  const items = [...select.orderBy];
  const add = (column: Column, onlyIf: Predicate | null): void => {
    if (!items.some((item) => isColumnOrder(item, column, onlyIf))) items.push(byValue(column, onlyIf));
  };
  if (select.distinctOn.length > select.orderBy.length) {
    for (const [index, column] of select.distinctOn.entries())
      add(column, select.distinctOnlyIf[index] ?? null);
  }
  // A total order has no ties.
  if (isOrderedAlike(select, build) && select.withTies === undefined) {
    for (const column of select.from.key) add(column, null);
  }
  return items;
}

/** The ORDER BY of a select's rows above it, where two routes must agree and ties kept the select's own from being total. */
export function orderAbove(select: Select, site: Omit<JoinSite, 'from'>): Sql {
  if (select.withTies === undefined || !isOrderedAlike(select, site.build)) return syntax('');
  const from: FromList = { items: [], shared: [] };
  const items = [...select.orderBy, ...select.from.key.map(byColumn)];
  return sql` order by ${separated(
    items.flatMap((item) => orderTerms(item, { ...site, from }, null)),
    ', ',
  )}`;
}

/** A cell that reads as null in some rows orders them by less than the column does. */
function isColumnOrder({ path, by }: OrderItem, column: Column, onlyIf: Predicate | null): boolean {
  return path.length === 0 && by.kind === 'column' && by.column.name === column.name && by.onlyIf === onlyIf;
}

/** Ascending by one column of the row itself. */
export function byColumn(column: Column): OrderItem {
  return byValue(column, null);
}

function byValue(column: Column, onlyIf: Predicate | null): OrderItem {
  return { path: [], by: { kind: 'column', column, onlyIf }, direction: 'asc', nulls: 'last' };
}

/** Built once: Postgres wants the very same expressions in the ordering. */
function distinctValues(
  { distinctOn, distinctOnlyIf }: RowsOf,
  { row, rows, build }: { readonly row: RowScope; readonly rows: RowsInScope; readonly build: Build },
): readonly { readonly column: Column; readonly onlyIf: Predicate | null; readonly value: Sql }[] {
  return distinctOn.map((column, index) => {
    const what = { column, onlyIf: distinctOnlyIf[index] ?? null };
    return { ...what, value: sortValue(visibleValue(what, row, rows, build), column, row) };
  });
}

function closing(select: RowsOf, order: readonly Sql[], build: Build): Sql {
  const parts: Sql[] = [];
  if (order.length > 0) parts.push(sql` order by ${separated(order, ', ')}`);
  if (select.limit !== null) parts.push(limitSql(select.limit, select.withTies !== undefined));
  if (select.offset !== null) parts.push(offsetSql(select.offset, build));
  return separated(parts, '');
}

function limitSql(limit: number, withTies: boolean): Sql {
  const rows = Math.trunc(limit);
  return syntax(withTies ? ` fetch first ${rows} rows with ties` : ` limit ${rows}`);
}

function offsetSql(offset: Operand, build: Build): Sql {
  return sql` offset ${operandSql(offset, build)}`;
}
