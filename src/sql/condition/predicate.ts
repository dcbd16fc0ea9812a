import type { Column, ColumnType, JoinPair } from '../../catalog/catalog.ts';
import { baseType, type Operator } from '../../catalog/conditions/operators.ts';
import { SPATIAL_OPERATORS } from '../../catalog/conditions/spatial-operators.ts';
import { must, unreachable } from '../../core/assert.ts';
import type { Cell, ColumnComparison, Join, Param, PlanTable, Predicate } from '../../plan/plan.ts';
import { conjuncts } from '../../plan/predicates.ts';
import { sortValue } from '../place/enum-order.ts';
import {
  nullTest,
  refuseUnlessDistinct,
  refuseUnlessText,
  refuseUnlessTexts,
  TypeUnknown,
} from '../place/held-as-text.ts';
import { openPlace } from '../place/open-place.ts';
import { type Around, type RowScope, rowOf, type Site, siteOf } from '../place/scope.ts';
import { allOf, type Sql, separated, sql, syntax } from '../sql.ts';
import { bareType, functionOf, operatorOf } from '../types.ts';
import { keptFromJoins } from './joined.ts';
import { afterShown, FLOATS, inSafeOrder, isLeaky, shownFirst, unlessHidden } from './leaky.ts';
import { heldIn, operandSql, typeThere } from './operand.ts';
import { boxesMeet, spatialSql } from './spatial.ts';
import { SQL_OPERATORS } from './sql-operators.ts';

/** A condition on one row, safe to join with `and`. Where it is unknown it may be false. */
export function predicateSql(predicate: Predicate, site: Site): Sql {
  switch (predicate.kind) {
    case 'true':
    case 'false':
      return syntax(predicate.kind);
    case 'unknown':
      return syntax('null::boolean');
    case 'and':
      return allOf(conditionsSql(shownFirst(predicate.of), site));
    case 'or':
      return unlessHidden(predicate.of, (part) => predicateSql(part, site));
    case 'not':
      return sql`(not (${negatedSql(predicate.of, site)}))`;
    case 'is-true':
      return isTrue(predicate.of, site);
    case 'is-null':
      return nullTest(predicate.column, site.row, predicate.negated);
    case 'compare':
      return compare(predicate, site);
    case 'compare-columns':
      return compareColumns(predicate, site);
    case 'exists':
      return existsSql(relatedRows(predicate, joinedTo(site, predicate.join)));
    case 'exists-table':
      return existsSql(relatedRows(predicate, { ...site, link: null }));
    case 'exists-aggregate':
      return existsAggregate(predicate, site);
    default:
      return unreachable(predicate);
  }
}

function isTrue(predicate: Predicate, site: Site): Sql {
  return sql`((${predicateSql(predicate, site)}) is true)`;
}

/** A condition inside a negation: where it is unknown it must not become false. */
function negatedSql(predicate: Predicate, site: Site): Sql {
  const toSql = (part: Predicate): Sql => negatedSql(part, site);
  switch (predicate.kind) {
    case 'and':
      return allOf(afterShown(predicate.of, toSql));
    case 'or':
      return unlessHidden(predicate.of, toSql);
    default:
      return predicateSql(predicate, site);
  }
}

/** What the rows that a join leads to stand in: see `Around`. */
export function joinedTo(site: Site, join: Join): Around {
  const { rows, build } = site;
  return { rows, build, link: (right) => joinSql(join.on, site.row, right) };
}

/**
 * The condition of a join between two rows. Between databases texts are equal when their bytes are; fetched rows of a call
 * say which row they belong to.
 */
function joinSql(on: readonly JoinPair[], left: RowScope, right: RowScope): Sql {
  const crosses = left.table.source !== right.table.source;
  const told = right.atHome ? undefined : right.table.call?.told;
  return allOf(
    (told?.on ?? on).map((pair) => {
      const [a, b] = [left.read(pair.left), right.read(pair.right)];
      if (isCitextPair(pair) && isText(right, pair.right)) throw new TypeUnknown(pair.right, right.table);
      if (crosses && isLoosePair(pair)) return sql`${b} collate "C" operator(pg_catalog.=) ${a} collate "C"`;
      const asText = isText(left, pair.left) !== isText(right, pair.right);
      if (asText) return sql`${b}::text = ${a}::text`;
      return sql`${b} ${operatorOf('=', pair.left.type, pair.right.type)} ${a}`;
    }),
  );
}

function isLoosePair({ left, right }: JoinPair): boolean {
  return left.loose === true || right.loose === true;
}

/** Both sides ignore case, as texts do not. */
function isCitextPair({ left, right }: JoinPair): boolean {
  return [left, right].every(({ type }) => baseType(type).name === 'citext');
}

function isText(row: RowScope, column: Column): boolean {
  return row.heldAs(column) === 'text';
}

/** A column's value where the role may see it, else null. */
export function visibleValue({ column, onlyIf }: Cell, site: Site): Sql {
  const value = site.row.read(column);
  return onlyIf === null ? value : sql`(case when ${predicateSql(onlyIf, site)} then ${value} end)`;
}

function compare(predicate: ColumnComparison, site: Site): Sql {
  const { column, operator, value, cast } = predicate;
  const { row, build } = site;
  const held = heldIn(row, column);
  refuseUnlessText(predicate, row);
  const read = row.read(column);
  const left = cast === null ? read : sql`${read}::${typeThere(cast, held)}`;
  if (SQL_OPERATORS[operator].shape === 'function') return spatialSql(predicate, left, site);
  const right = operandSql(value, build, held);
  const type = cast ?? column.type;
  if (isHashed(type, build.params[value.index])) return lookedUp(operator, left, right);
  const sorted = (side: Sql): Sql =>
    cast === null && RANGES.has(operator) ? sortValue(side, column, row) : side;
  return typedSql(operator, [type], sorted(left), sorted(right));
}

/** Types whose values Postgres hashes. Values of others it would compare one by one, and more slowly than with `any`. */
const HASHED: ReadonlySet<string> = new Set([
  'int2',
  'int4',
  'int8',
  'numeric',
  'text',
  'varchar',
  'bpchar',
  'uuid',
  'date',
  'timestamp',
  'timestamptz',
]);

function isHashed(type: ColumnType, values: Param | undefined): boolean {
  const { schema, name } = baseType(type);
  return values?.long === true && schema === 'pg_catalog' && HASHED.has(name);
}

/**
 * Whether a value is in a list, looked up by hash. With the list as a parameter `any` would compare the value with one
 * element after the other, thousands of them, for every row.
 */
function lookedUp(operator: Operator, left: Sql, right: Sql): Sql {
  const found = sql`${left} operator(pg_catalog.=) any (select pg_catalog.unnest(${right}))`;
  return operator === 'nin' ? sql`(not (${found}))` : found;
}

/** Conditions that must all hold of a row, in an order in which none tells of rows that another hides. */
export function conditionsSql(parts: readonly Predicate[], site: Site): readonly Sql[] {
  const kept = keptFromJoins(parts);
  return inSafeOrder(
    parts,
    (part) => (kept.has(part) ? isTrue(part, site) : predicateSql(part, site)),
    (part) => boxesMeet(part, site),
  );
}

const RANGES: ReadonlySet<Operator> = new Set(['gt', 'lt', 'gte', 'lte']);

const NEGATIONS: Partial<Record<Operator, Operator>> = { neq: 'eq', nin: 'in' };

/** The type of a comparison's left side, and of its right side where that may be another one. */
type Compared = readonly [ColumnType, ...ColumnType[]];

/** The types of PostGIS have no operator for what is not equal. */
function typedSql(operator: Operator, types: Compared, left: Sql, right: Sql): Sql {
  const negated = NEGATIONS[operator];
  const isSpatial = SPATIAL_OPERATORS[baseType(types[0]).name] !== undefined;
  if (negated !== undefined && isSpatial) return sql`(not ${operatorSql(negated, types, left, right)})`;
  return operatorSql(operator, types, left, right);
}

function operatorSql(operator: Operator, types: Compared, left: Sql, right: Sql): Sql {
  const { symbol, shape } = SQL_OPERATORS[operator];
  const between = operatorOf(symbol, ...types);
  if (shape === 'binary') return sql`${left} ${between} ${right}`;
  return sql`${left} ${between} ${syntax(shape)}(${right})`;
}

type CompareColumns = Extract<Predicate, { kind: 'compare-columns' }>;

function compareColumns(predicate: CompareColumns, { row, rows }: Site): Sql {
  const { table, column } = predicate.other;
  const other = rowOf(rows, table);
  refuseUnlessTexts(predicate.operator, [predicate.column, row], [column, other]);
  const asText = isText(row, predicate.column) !== isText(other, column);
  const [left, right] = [row.read(predicate.column), other.read(column)];
  const cast = asText ? syntax('::text') : syntax('');
  // One of the two may be an enum of its own database; the labels are those of either.
  const held = isText(row, predicate.column) ? row : { ...row, heldAs: () => (asText ? 'text' : null) };
  const sorted = (value: Sql): Sql =>
    RANGES.has(predicate.operator)
      ? sortValue(sql`${value}${cast}`, predicate.column, held)
      : sql`${value}${cast}`;
  const types = [predicate.column.type, column.type] as const;
  return typedSql(predicate.operator, types, sorted(left), sorted(right));
}

/** Rows that satisfy a join and a filter. */
export interface RelatedRows {
  readonly from: Sql;
  readonly conditions: readonly Sql[];
  readonly site: Site;
}

/** The rows of a place that a filter lets through. */
export function relatedRows(
  { to, where }: { readonly to: PlanTable; readonly where: Predicate },
  around: Around,
): RelatedRows {
  const { from, row } = openPlace(to, { ...around, isNumbered: () => isLeaky(where) });
  const site = siteOf(row, around);
  const conditions = around.link === null ? [] : [around.link(row)];
  if (!row.filtered) conditions.push(...conditionsSql(conjuncts(where), site));
  return { from, conditions, site };
}

function existsSql({ from, conditions }: RelatedRows): Sql {
  return sql`exists (select 1 from ${from} where ${allOf(conditions)})`;
}

type ExistsAggregate = Extract<Predicate, { kind: 'exists-aggregate' }>;

function existsAggregate(predicate: ExistsAggregate, outer: Site): Sql {
  const { from, conditions, site } = relatedRows(predicate, joinedTo(outer, predicate.join));
  const columns = predicate.columns.map((column) => site.row.read(column));
  if (predicate.distinct) for (const column of predicate.columns) refuseUnlessDistinct(column, site.row);
  const value =
    predicate.function === 'count'
      ? countSql(columns, predicate.distinct)
      : aggregateSql(predicate.function, { ...predicate, values: columns });
  // The plan's filter leaves out rows with a hidden cell. A hidden cell counts as null, so rows with a null are left out
  // too.
  const present =
    columns.length > 1 ? predicate.columns.map((column) => nullTest(column, site.row, true)) : [];
  const aggregated = sql`(select ${value} from ${from} where ${allOf([...conditions, ...present])})`;
  const { test } = predicate;
  if (test.kind === 'is-null') return sql`${aggregated} is ${syntax(test.negated ? 'not null' : 'null')}`;
  const compared = test.cast === null ? aggregated : sql`${aggregated}::${bareType(test.cast)}`;
  const { type } = must(site.build.params[test.value.index], `parameter ${test.value.index}`);
  return operatorSql(test.operator, [type], compared, operandSql(test.value, site.build));
}

interface Aggregated {
  readonly columns: readonly Column[];
  /** What is read of each column. */
  readonly values: readonly Sql[];
  readonly distinct: boolean;
}

/**
 * An aggregate function of columns. The sum of floats depends on their order, and rows lie in another one in every database:
 * so they are sorted.
 */
export function aggregateSql(name: string, { columns, values, distinct }: Aggregated): Sql {
  const isExtreme = name === 'min' || name === 'max';
  const isInOrder = !isExtreme && columns.some(({ type }) => FLOATS.has(baseType(type).name));
  const list = separated(values, ', ');
  const order = isInOrder ? sql` order by ${list}` : syntax('');
  const called = functionOf(name, ...columns.map(({ type }) => type));
  return sql`${called}(${syntax(distinct ? 'distinct ' : '')}${list}${order})`;
}

/** `count` over rows, over one column's values, or over several columns taken as one value, which is never null. */
export function countSql(columns: readonly Sql[], distinct: boolean): Sql {
  if (columns.length === 0) return syntax('count(*)');
  return sql`pg_catalog.count(${syntax(distinct ? 'distinct ' : '')}(${separated(columns, ', ')}))`;
}
