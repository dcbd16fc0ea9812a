import type { Column, ColumnType, JoinPair } from '../catalog/catalog.ts';
import type { Operator } from '../catalog/operators.ts';
import { must, unreachable } from '../core/assert.ts';
import { NearjoinError } from '../core/errors.ts';
import { printTable } from '../core/names.ts';
import type { Join, Operand, PlanTable, Predicate } from '../plan/plan.ts';
import { conjuncts } from '../plan/predicates.ts';
import { parameterType } from './encode.ts';
import { sortValue } from './enum-order.ts';
import { baseType, isSplitElsewhere } from './leaf.ts';
import { inSafeOrder, isLeaky, shownFirst } from './leaky.ts';
import { openPlace } from './open-place.ts';
import { SQL_OPERATORS } from './operators.ts';
import { type Build, type RowScope, type Rows, rowOf, withRow } from './scope.ts';
import { allOf, identifier, type Sql, separated, sql, syntax, typedParameter } from './sql.ts';

/** A condition on one row, safe to join with `and`. */
export function predicateSql(predicate: Predicate, row: RowScope, rows: Rows, build: Build): Sql {
  switch (predicate.kind) {
    case 'true':
    case 'false':
      return syntax(predicate.kind);
    case 'and':
      return allOf(shownFirst(predicate.of, (part) => predicateSql(part, row, rows, build)));
    case 'or':
      return anyOf(predicate.of.map((part) => predicateSql(part, row, rows, build)));
    case 'not':
      return sql`(not (${predicateSql(predicate.of, row, rows, build)}))`;
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

/** The condition of a join between two rows. Between databases texts are equal when their bytes are. */
export function joinSql(on: readonly JoinPair[], left: RowScope, right: RowScope): Sql {
  const crosses = left.table.source !== right.table.source;
  return allOf(
    on.map((pair) => {
      const [a, b] = [left.read(pair.left), right.read(pair.right)];
      if (isCitextPair(pair) && isText(right, pair.right)) throw unknownType(pair.right, right.table);
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

/** A value of the request, cast so that Postgres knows its type: `held` is what the column is held as. */
export function operandSql(
  operand: Operand,
  build: Pick<Build, 'params'>,
  held: { column: Column; as: string } | null = null,
): Sql {
  const param = must(build.params[operand.index], `parameter ${operand.index}`);
  const value = (type: Sql): Sql => typedParameter({ kind: 'plan', index: operand.index }, type);
  const as = held === null ? null : typeThere(param.type, held);
  if (!param.list) return value(as ?? parameterType(param.type, false));
  // Arrays of different lengths make no array: they are bound as texts.
  if (baseType(param.type).kind === 'array')
    return sql`select v::${as ?? parameterType(param.type, false)} from unnest(${value(syntax('text[]'))}) v`;
  const list = as === null ? parameterType(param.type, true) : sql`${as}[]`;
  // The list of a session variable comes as the type's own arrays are written.
  const isOfTexts = isSplitElsewhere(param.type) && param.from.kind !== 'session';
  return isOfTexts ? sql`${value(syntax('text[]'))}::${list}` : value(list);
}

/** A column's value where the role may see it, else null. */
export function visibleValue(
  what: { readonly column: Column; readonly onlyIf: Predicate | null },
  row: RowScope,
  rows: Rows,
  build: Build,
): Sql {
  const value = row.read(what.column);
  if (what.onlyIf === null) return value;
  return sql`(case when ${predicateSql(what.onlyIf, row, withRow(rows, row), build)} then ${value} end)`;
}

/** A value is read as what its column is held as; what lives beside that type, as `lquery` does beside `ltree`, is there too. */
function typeThere(type: ColumnType, held: { readonly column: Column; readonly as: string }): Sql | null {
  if (sameType(type, held.column.type)) return syntax(held.as);
  const { schema, name } = baseType(type);
  if (schema === 'pg_catalog' || schema !== baseType(held.column.type).schema) return null;
  return sql`${syntax(held.as.slice(0, held.as.lastIndexOf('.') + 1))}${identifier(name)}`;
}

function sameType(a: ColumnType, b: ColumnType): boolean {
  const [first, second] = [baseType(a), baseType(b)];
  return first.name === second.name && first.schema === second.schema;
}

function anyOf(parts: readonly Sql[]): Sql {
  return parts.length === 0 ? syntax('false') : sql`(${separated(parts, ' or ')})`;
}

type Compare = Extract<Predicate, { kind: 'compare' }>;

function compare(predicate: Compare, row: RowScope, build: Build): Sql {
  const as = row.heldAs(predicate.column);
  const read = row.read(predicate.column);
  const left = predicate.cast ? sql`${read}::text` : read;
  const right = operandSql(predicate.value, build, as === null ? null : { column: predicate.column, as });
  // A value is never null, so a null-safe `=` is a plain one; `<>` must also hold for a null column.
  if (predicate.nullSafe && predicate.operator === 'neq' && !predicate.column.notNull) {
    return sql`${left} is distinct from ${right}`;
  }
  if (as === 'text') refuseUnlessText(predicate, row);
  if (!RANGES.has(predicate.operator) || predicate.cast) return operatorSql(predicate.operator, left, right);
  const sorted = (value: Sql): Sql => sortValue(value, predicate.column, row);
  return operatorSql(predicate.operator, sorted(left), sorted(right));
}

const RANGES: ReadonlySet<Operator> = new Set(['gt', 'lt', 'gte', 'lte']);
const EQUALITIES: ReadonlySet<Operator> = new Set(['eq', 'neq', 'in', 'nin']);

/** A value of an extension's type that is held as text is only known to be equal to itself; to citext not even that. */
function refuseUnlessText({ column, operator, cast }: Compare, { table }: RowScope): void {
  const { kind, schema, name } = baseType(column.type);
  if (cast || kind !== 'base' || schema === 'pg_catalog') return;
  if (EQUALITIES.has(operator) && name !== 'citext') return;
  throw unknownType(column, table);
}

function unknownType({ name, type }: Column, table: PlanTable): NearjoinError {
  return new NearjoinError(
    'not-supported',
    `column "${name}" of table "${printTable(table.ref)}" can be compared only where its type is known: create the extension of "${baseType(type).name}" in the source database too`,
  );
}

function operatorSql(operator: Operator, left: Sql, right: Sql): Sql {
  const { symbol, shape } = SQL_OPERATORS[operator];
  if (shape === 'binary') return sql`${left} ${syntax(symbol)} ${right}`;
  return sql`${left} ${syntax(symbol)} ${syntax(shape)}(${right})`;
}

type CompareColumns = Extract<Predicate, { kind: 'compare-columns' }>;

function compareColumns(predicate: CompareColumns, row: RowScope, rows: Rows): Sql {
  const { table, column } = predicate.other;
  const other = table === row.table.id ? row : rowOf(rows, table);
  const asText = isText(row, predicate.column) !== isText(other, column);
  const [left, right] = [row.read(predicate.column), other.read(column)];
  const cast = asText ? syntax('::text') : syntax('');
  // One of the two may be an enum of its own database; the labels are those of either.
  const held = isText(row, predicate.column) ? row : { ...row, heldAs: () => (asText ? 'text' : null) };
  const sorted = (value: Sql): Sql =>
    RANGES.has(predicate.operator)
      ? sortValue(sql`${value}${cast}`, predicate.column, held)
      : sql`${value}${cast}`;
  return operatorSql(predicate.operator, sorted(left), sorted(right));
}

function exists(
  predicate: { join: Join; to: PlanTable; where: Predicate },
  row: RowScope,
  rows: Rows,
  build: Build,
): Sql {
  const link = (right: RowScope): Sql => joinSql(predicate.join.on, row, right);
  return existsIn(predicate.to, predicate.where, withRow(rows, row), { build, link });
}

interface Linked {
  readonly build: Build;
  readonly link: ((right: RowScope) => Sql) | null;
}

function existsIn(to: PlanTable, where: Predicate, rows: Rows, { build, link }: Linked): Sql {
  const { from, conditions } = related(to, where, rows, { build, link });
  return sql`exists (select 1 from ${from} where ${allOf(conditions)})`;
}

/** The rows of a related table that satisfy a join and a filter. */
function related(
  to: PlanTable,
  where: Predicate,
  rows: Rows,
  { build, link }: Linked,
): { from: Sql; conditions: Sql[]; right: RowScope } {
  const isNumbered = conjuncts(where).some(isLeaky);
  const { from, row: right } = openPlace(to, { rows, build, isNumbered });
  const conditions = link === null ? [] : [link(right)];
  if (!right.filtered)
    conditions.push(...inSafeOrder(conjuncts(where), (part) => predicateSql(part, right, rows, build)));
  return { from, conditions, right };
}

type ExistsAggregate = Extract<Predicate, { kind: 'exists-aggregate' }>;

function existsAggregate(predicate: ExistsAggregate, row: RowScope, rows: Rows, build: Build): Sql {
  const link = (right: RowScope): Sql => joinSql(predicate.join.on, row, right);
  const found = related(predicate.to, predicate.where, withRow(rows, row), { build, link });
  const columns = predicate.columns.map((column) => found.right.read(column));
  const mark = syntax(predicate.distinct ? 'distinct ' : '');
  const value =
    predicate.function === 'count'
      ? countSql(columns, predicate.distinct)
      : sql`${syntax(predicate.function)}(${mark}${separated(columns, ', ')})`;
  const aggregated = sql`(select ${value} from ${found.from} where ${allOf(found.conditions)})`;
  const { test } = predicate;
  if (test.kind === 'is-null') return sql`${aggregated} is ${syntax(test.negated ? 'not null' : 'null')}`;
  const compared = test.cast ? sql`${aggregated}::text` : aggregated;
  return operatorSql(test.operator, compared, operandSql(test.value, build));
}

/** `count` over rows, over one column, or over rows in which every one of several columns has a value. */
export function countSql(columns: readonly Sql[], distinct: boolean): Sql {
  const [first, ...others] = columns;
  if (first === undefined) return syntax('count(*)');
  const mark = syntax(distinct ? 'distinct ' : '');
  if (others.length === 0) return sql`count(${mark}${first})`;
  const list = separated(columns, ', ');
  const present = allOf(columns.map((column) => sql`${column} is not null`));
  return sql`count(${mark}(${list})) filter (where ${present})`;
}
