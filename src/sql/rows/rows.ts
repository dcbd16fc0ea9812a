import type { Column } from '../../catalog/catalog.ts';
import { placesOfRows } from '../../plan/places-in.ts';
import type { Cell, Operand, OrderItem, PlanTable, Predicate, Select } from '../../plan/plan.ts';
import { conjuncts } from '../../plan/predicates.ts';
import { isLeaky } from '../condition/leaky.ts';
import { operandSql } from '../condition/operand.ts';
import { conditionsSql, joinedTo, relatedRows, visibleValue } from '../condition/predicate.ts';
import { sortValue } from '../place/enum-order.ts';
import { openPlace } from '../place/open-place.ts';
import { type Around, type Build, Exposure, type Site, siteOf } from '../place/scope.ts';
import { allOf, type Sql, separated, sql, syntax } from '../sql.ts';
import { orderTerm } from './order.ts';
import {
  type FromList,
  isFollowedElsewhere,
  type JoinSite,
  normalForms,
  type ShapeSite,
  startOf,
} from './sharing.ts';

/** The rows of a select before its list is known: joins, filter, order and cut. */
export interface OpenRows {
  /** The base row. */
  readonly site: ShapeSite;
  /** Orders the rows of a call as the function returns them; null for rows of a table. */
  readonly number: Sql | null;
  /** Closes the select around its list. */
  select(list: Sql): Sql;
}

/** All rows that satisfy a filter. */
export function allRows(from: PlanTable, where: Predicate): Select {
  const uncut = { limit: null, offset: null, distinctOn: [] };
  return { from, where, fields: [], orderBy: [], ...uncut };
}

/** Builds joins, filter and order of a select. */
export function openRows(select: Select, around: Around): OpenRows {
  const { build, link } = around;
  const isNumbered = (): boolean => mustOrderAlike(select, build) || isLeaky(select.where);
  const base = openPlace(select.from, { ...around, isNumbered });
  const from: FromList = { items: [base.from], shared: [] };
  const site = { ...siteOf(base.row, around), from, shared: from.shared };
  const conditions = link === null ? [] : [link(base.row)];
  if (!base.row.filtered) {
    const joined = joinedConditions(select);
    for (const part of joined) joinInstead(part, site);
    const others = conjuncts(select.where).filter((part) => !joined.some((one) => one === part));
    conditions.push(...conditionsSql(others, site));
  }
  const distinct = distinctValues(select, site);
  const order = rowOrder(select, build).map((item) => {
    const known = distinct.find(({ cell }) => isCellOrder(item, cell));
    return orderTerm(item, site, known?.value ?? null);
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
    site,
    number: base.number,
    select: (list) => sql`select ${head}${list} from ${separated(from.items, ' ')}${where}${tail}`,
  };
}

/** The rows of a select as they are read above it. */
export interface LiftedRows {
  readonly alias: string;
  readonly site: ShapeSite;
  /** The select itself; call it after everything above is built. */
  readonly inner: () => Sql;
}

/** Opens a select whose rows are read above it, where `cut` says whether rows are left out that its filter lets through. */
export function liftedRows(select: Select, around: Around, cut: boolean = isCut(select)): LiftedRows {
  const { build } = around;
  const opened = openRows(select, around);
  const alias = build.alias();
  const exposure = new Exposure(alias, { params: build.params, isCut: cut });
  const row = exposure.lift(opened.site.row);
  const shared = opened.site.shared.map((join) => ({ ...join, scope: exposure.lift(join.scope) }));
  return { alias, site: { ...siteOf(row, around), shared }, inner: () => opened.select(exposure.list()) };
}

/** Whether rows that the filter lets through may be left out. */
export function isCut({
  limit,
  offset,
  distinctOn,
}: Pick<Select, 'limit' | 'offset' | 'distinctOn'>): boolean {
  return limit !== null || offset !== null || distinctOn.length > 0;
}

/** Whether two routes must agree on the order of rows: where they are of remote tables, or found or ordered through one. */
function mustOrderAlike(select: Select, { isRemote }: Build): boolean {
  return isRemote(select.from) || placesOfRows(select).some(isRemote);
}

/**
 * The conditions of a filter that become joins: `exists` over a unique key is the same as an inner join, and the joined
 * row then also serves the ordering and the selection: one look-up instead of three. One for each relationship.
 */
export function joinedConditions(select: Select): readonly Exists[] {
  const parts = conjuncts(select.where);
  // A condition that may fail must wait for all others, so they must stay conditions.
  if (parts.some(isLeaky)) return [];
  const joined = new Map<string, Exists>();
  for (const part of parts) {
    if (part.kind !== 'exists' || !part.join.unique || !isFollowedElsewhere(part.join, select)) continue;
    if (!joined.has(part.join.name)) joined.set(part.join.name, part);
  }
  return [...joined.values()];
}

type Exists = Extract<Predicate, { kind: 'exists' }>;

function joinInstead(part: Exists, site: JoinSite): void {
  const { from: item, conditions, site: joined } = relatedRows(part, joinedTo(site, part.join));
  site.from.items.push(sql`join ${item} on ${allOf(conditions)}`);
  site.from.shared.push({
    start: startOf(site.row.table, part.join),
    scope: joined.row,
    optional: false,
    conditions: normalForms(part.where, part.to, site.build.params),
  });
}

/**
 * The order asked for, then what makes it total where two routes must agree: rows of remote tables, and rows that
 * were found or ordered through one, end with the table's key.
 */
function rowOrder(select: Select, build: Build): readonly OrderItem[] {
  const items = [...select.orderBy];
  const add = (cell: Cell): void => {
    if (!items.some((item) => isCellOrder(item, cell))) items.push(byCell(cell));
  };
  if (select.distinctOn.length > select.orderBy.length) select.distinctOn.forEach(add);
  // A total order has no ties.
  if (mustOrderAlike(select, build) && select.withTies === undefined) {
    for (const column of select.from.key) add({ column, onlyIf: null });
  }
  return items;
}

/** The ORDER BY of a select's rows above it, where two routes must agree and ties kept the select's own from being total. */
export function orderAbove(select: Select, site: Site): Sql {
  if (select.withTies === undefined || !mustOrderAlike(select, site.build)) return syntax('');
  const from: FromList = { items: [], shared: [] };
  const items = [...select.orderBy, ...select.from.key.map(byColumn)];
  return sql` order by ${separated(
    items.map((item) => orderTerm(item, { ...site, from }, null)),
    ', ',
  )}`;
}

/** A cell that reads as null in some rows orders them by less than the column does. */
function isCellOrder({ path, by }: OrderItem, { column, onlyIf }: Cell): boolean {
  return path.length === 0 && by.kind === 'column' && by.column.name === column.name && by.onlyIf === onlyIf;
}

/** Ascending by one column of the row itself. */
export function byColumn(column: Column): OrderItem {
  return byCell({ column, onlyIf: null });
}

/** The same by what the role sees of the column. */
export function byCell({ column, onlyIf }: Cell): OrderItem {
  return { path: [], by: { kind: 'column', column, onlyIf }, direction: 'asc', nulls: 'last' };
}

/** Built once: Postgres wants the very same expressions in the ordering. */
function distinctValues(
  { distinctOn }: Select,
  site: Site,
): readonly { readonly cell: Cell; readonly value: Sql }[] {
  return distinctOn.map((cell) => {
    return { cell, value: sortValue(visibleValue(cell, site), cell.column, site.row) };
  });
}

function closing(select: Select, order: readonly Sql[], build: Build): Sql {
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
