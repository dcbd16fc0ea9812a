import type { Column, ColumnType, JoinPair } from '../../catalog/catalog.ts';
import { baseType, type Operator } from '../../catalog/conditions/operators.ts';
import { SPATIAL_OPERATORS } from '../../catalog/conditions/spatial-operators.ts';
import { unreachable } from '../../core/assert.ts';
import type { ColumnComparison, Join, Param, PlanTable, Predicate } from '../../plan/plan.ts';
import { conjuncts } from '../../plan/predicates.ts';
import { sortValue } from '../place/enum-order.ts';
import {
  refuseUnlessDistinct,
  refuseUnlessText,
  refuseUnlessTexts,
  TypeUnknown,
} from '../place/held-as-text.ts';
import { openPlace } from '../place/open-place.ts';
import { type Build, type RowScope, type RowsInScope, rowOf, withRow } from '../place/scope.ts';
import { allOf, type Sql, separated, sql, syntax } from '../sql.ts';
import { bareType } from '../types.ts';
import { afterShown, FLOATS, inSafeOrder, isLeaky, shownFirst, unlessHidden } from './leaky.ts';
import { heldIn, operandSql, typeThere } from './operand.ts';
import { boxesMeet, spatialSql } from './spatial.ts';
import { SQL_OPERATORS } from './sql-operators.ts';

/** A condition on one row, safe to join with `and`. Where it is unknown it may be false. */
export function predicateSql(predicate: Predicate, row: RowScope, rows: RowsInScope, build: Build): Sql {
  switch (predicate.kind) {
    case 'true':
    case 'false':
      return syntax(predicate.kind);
    case 'unknown':
      return syntax('null::boolean');
    case 'and':
      return allOf(conditionsSql(shownFirst(predicate.of), row, rows, build));
    case 'or':
      return unlessHidden(predicate.of, (part) => predicateSql(part, row, rows, build));
    case 'not':
      return sql`(not (${negatedSql(predicate.of, row, rows, build)}))`;
    case 'is-true':
      return sql`((${predicateSql(predicate.of, row, rows, build)}) is true)`;
    case 'is-null':
      return sql`${row.read(predicate.column)} is ${syntax(predicate.negated ? 'not null' : 'null')}`;
    case 'compare':
      return compare(predicate, row, build);
    case 'compare-columns':
      return compareColumns(predicate, row, rows);
    case 'exists':
      return exists(predicate, row, rows, build);
    case 'exists-table':
      return existsIn(predicate.to, predicate.where, withRow(rows, row), { build, link: null });
    case 'exists-aggregate':
      return existsAggregate(predicate, row, rows, build);
    default:
      return unreachable(predicate);
  }
}

/** A condition inside a negation: where it is unknown it must not become false. */
function negatedSql(predicate: Predicate, row: RowScope, rows: RowsInScope, build: Build): Sql {
  const toSql = (part: Predicate): Sql => negatedSql(part, row, rows, build);
  switch (predicate.kind) {
    case 'and':
      return allOf(afterShown(predicate.of, toSql));
    case 'or':
      return unlessHidden(predicate.of, toSql);
    default:
      return predicateSql(predicate, row, rows, build);
  }
}

/** The condition of a join between two rows. Between databases texts are equal when their bytes are, and rows of a call that were fetched tell whose they are. */
export function joinSql(on: readonly JoinPair[], left: RowScope, right: RowScope): Sql {
  const crosses = left.table.source !== right.table.source;
  const told = right.atHome ? undefined : right.table.call?.told;
  return allOf(
    (told?.on ?? on).map((pair) => {
      const [a, b] = [left.read(pair.left), right.read(pair.right)];
      if (isCitextPair(pair) && isText(right, pair.right)) throw new TypeUnknown(pair.right, right.table);
      if (crosses && isLoosePair(pair)) return sql`${b} collate "C" = ${a} collate "C"`;
      const asText = isText(left, pair.left) !== isText(right, pair.right);
      return asText ? sql`${b}::text = ${a}::text` : sql`${b} = ${a}`;
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
export function visibleValue(
  what: { readonly column: Column; readonly onlyIf: Predicate | null },
  row: RowScope,
  rows: RowsInScope,
  build: Build,
): Sql {
  const value = row.read(what.column);
  if (what.onlyIf === null) return value;
  return sql`(case when ${predicateSql(what.onlyIf, row, withRow(rows, row), build)} then ${value} end)`;
}

function compare(predicate: ColumnComparison, row: RowScope, build: Build): Sql {
  const { column, operator, value, cast } = predicate;
  const held = heldIn(row, column);
  refuseUnlessText(predicate, row);
  const read = row.read(column);
  const left = cast === null ? read : sql`${read}::${typeThere(cast, held)}`;
  if (SQL_OPERATORS[operator].shape === 'function') return spatialSql(predicate, left, row, build);
  const right = operandSql(value, build, held);
  const type = cast ?? column.type;
  if (isHashed(type, build.params[value.index])) return lookedUp(operator, left, right);
  const sorted = (side: Sql): Sql =>
    cast === null && RANGES.has(operator) ? sortValue(side, column, row) : side;
  return typedSql(operator, type, sorted(left), sorted(right));
}

/** Among whose values Postgres looks one up; others it would compare one by one, and more slowly than with `any`. */
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

/** Whether a value is in a list. `any` compares it with one after the other where the list is a parameter: with thousands of them, for every row. */
function lookedUp(operator: Operator, left: Sql, right: Sql): Sql {
  const found = sql`${left} in (select unnest(${right}))`;
  return operator === 'nin' ? sql`(not (${found}))` : found;
}

/** Conditions that must all hold of a row, in an order in which none tells of rows that another hides. */
export function conditionsSql(
  parts: readonly Predicate[],
  row: RowScope,
  rows: RowsInScope,
  build: Build,
): readonly Sql[] {
  const toSql = (part: Predicate): Sql => predicateSql(part, row, rows, build);
  return inSafeOrder(parts, toSql, (part) => boxesMeet(part, row, build));
}

const RANGES: ReadonlySet<Operator> = new Set(['gt', 'lt', 'gte', 'lte']);

const NEGATIONS: Partial<Record<Operator, Operator>> = { neq: 'eq', nin: 'in' };

/** The types of PostGIS have no operator for what is not equal. */
function typedSql(operator: Operator, type: ColumnType, left: Sql, right: Sql): Sql {
  const negated = NEGATIONS[operator];
  const isSpatial = SPATIAL_OPERATORS[baseType(type).name] !== undefined;
  if (negated !== undefined && isSpatial) return sql`(not ${operatorSql(negated, left, right)})`;
  return operatorSql(operator, left, right);
}

function operatorSql(operator: Operator, left: Sql, right: Sql): Sql {
  const { symbol, shape } = SQL_OPERATORS[operator];
  if (shape === 'binary') return sql`${left} ${syntax(symbol)} ${right}`;
  return sql`${left} ${syntax(symbol)} ${syntax(shape)}(${right})`;
}

type CompareColumns = Extract<Predicate, { kind: 'compare-columns' }>;

function compareColumns(predicate: CompareColumns, row: RowScope, rows: RowsInScope): Sql {
  const { table, column } = predicate.other;
  const other = table === row.table.id ? row : rowOf(rows, table);
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
  return typedSql(predicate.operator, predicate.column.type, sorted(left), sorted(right));
}

function exists(
  predicate: { join: Join; to: PlanTable; where: Predicate },
  row: RowScope,
  rows: RowsInScope,
  build: Build,
): Sql {
  const link = (right: RowScope): Sql => joinSql(predicate.join.on, row, right);
  return existsIn(predicate.to, predicate.where, withRow(rows, row), { build, link });
}

interface Linked {
  readonly build: Build;
  readonly link: ((right: RowScope) => Sql) | null;
}

function existsIn(to: PlanTable, where: Predicate, rows: RowsInScope, { build, link }: Linked): Sql {
  const { from, conditions } = related(to, where, rows, { build, link });
  return sql`exists (select 1 from ${from} where ${allOf(conditions)})`;
}

/** The rows of a related table that satisfy a join and a filter. */
function related(
  to: PlanTable,
  where: Predicate,
  rows: RowsInScope,
  { build, link }: Linked,
): { from: Sql; conditions: Sql[]; right: RowScope } {
  const isNumbered = conjuncts(where).some(isLeaky);
  const { from, row: right } = openPlace(to, { rows, build, isNumbered });
  const conditions = link === null ? [] : [link(right)];
  if (!right.filtered) conditions.push(...conditionsSql(conjuncts(where), right, rows, build));
  return { from, conditions, right };
}

type ExistsAggregate = Extract<Predicate, { kind: 'exists-aggregate' }>;

function existsAggregate(predicate: ExistsAggregate, row: RowScope, rows: RowsInScope, build: Build): Sql {
  const link = (right: RowScope): Sql => joinSql(predicate.join.on, row, right);
  const found = related(predicate.to, predicate.where, withRow(rows, row), { build, link });
  const columns = predicate.columns.map((column) => found.right.read(column));
  if (predicate.distinct) for (const column of predicate.columns) refuseUnlessDistinct(column, found.right);
  const value =
    predicate.function === 'count'
      ? countSql(columns, predicate.distinct)
      : aggregateSql(predicate.function, { ...predicate, values: columns });
  // A plan leaves out rows of which a cell is hidden: with a null among several they are left out alike.
  const present = columns.length > 1 ? columns.map((column) => sql`${column} is not null`) : [];
  const conditions = allOf([...found.conditions, ...present]);
  const aggregated = sql`(select ${value} from ${found.from} where ${conditions})`;
  const { test } = predicate;
  if (test.kind === 'is-null') return sql`${aggregated} is ${syntax(test.negated ? 'not null' : 'null')}`;
  const compared = test.cast === null ? aggregated : sql`${aggregated}::${bareType(test.cast)}`;
  return operatorSql(test.operator, compared, operandSql(test.value, build));
}

interface Aggregated {
  readonly columns: readonly Column[];
  /** What is read of each column. */
  readonly values: readonly Sql[];
  readonly distinct: boolean;
}

/** An aggregate function of columns. What floats add up to depends on their order, and their rows lie in another one in every database. */
export function aggregateSql(name: string, { columns, values, distinct }: Aggregated): Sql {
  const isExtreme = name === 'min' || name === 'max';
  const isInOrder = !isExtreme && columns.some(({ type }) => FLOATS.has(baseType(type).name));
  const list = separated(values, ', ');
  const order = isInOrder ? sql` order by ${list}` : syntax('');
  return sql`${syntax(name)}(${syntax(distinct ? 'distinct ' : '')}${list}${order})`;
}

/** `count` over rows, over one column's values, or over several columns as one value, which is none of nothing. */
export function countSql(columns: readonly Sql[], distinct: boolean): Sql {
  if (columns.length === 0) return syntax('count(*)');
  return sql`count(${syntax(distinct ? 'distinct ' : '')}(${separated(columns, ', ')}))`;
}
