import type { Column, ColumnType } from '../../catalog/catalog.ts';
import { lacksEquality } from '../../catalog/conditions/mapping.ts';
import { baseType, type Operator, patternOf } from '../../catalog/conditions/operators.ts';
import type { PredicateFunctionName } from '../../catalog/conditions/predicate-functions.ts';
import { SPATIAL_OPERATORS } from '../../catalog/conditions/spatial-operators.ts';
import { callsForRow } from '../../plan/computed-parts.ts';
import type { ColumnComparison, PlanTable, Predicate } from '../../plan/plan.ts';
import { conjuncts, someConditionIn } from '../../plan/predicates.ts';
import { allOf, anyOf, type Sql, sql } from '../sql.ts';

// A comparison that may fail in some rows tells of them by failing. Postgres evaluates conditions in any order it likes, and
// may come to such a comparison in a row that a rule hides: so it has to wait for everything else. All other conditions,
// above all those that indexes serve, are left to Postgres' own order.

const FAILING: ReadonlySet<Operator> = new Set([
  'jsonb_path_exists',
  'jsonb_path_match',
  // Shapes of unlike reference systems, or too bent, are compared with nothing.
  ...Object.values(SPATIAL_OPERATORS).flat(),
]);
/** Types compared by a size that may overflow. */
const SIZED: ReadonlySet<string> = new Set(['box', 'circle', 'lseg', 'path', 'polygon']);
/** Types whose values are rounded. */
export const FLOATS: ReadonlySet<string> = new Set(['float4', 'float8']);
const LISTS: ReadonlySet<Operator> = new Set(['in', 'nin']);
/** Aggregates that cannot overflow. */
const UNFAILING: ReadonlySet<PredicateFunctionName> = new Set(['bool_and', 'bool_or', 'count', 'max', 'min']);

/** Whether a condition may fail in one row and not in another. */
export function isLeaky(predicate: Predicate): boolean {
  return someConditionIn(predicate, mayFail);
}

function mayFail(condition: Predicate): boolean {
  switch (condition.kind) {
    case 'exists':
    case 'exists-table':
      return condition.to.call?.leakproof === false || isLeaky(condition.where);
    case 'exists-aggregate':
      return !UNFAILING.has(condition.function) || isLeaky(condition.where);
    case 'is-null':
      return isFailing(condition.column);
    case 'compare':
      return comparisonMayFail(condition);
    case 'compare-columns':
      return (
        isFailing(condition.column) ||
        isLeakyIn(condition) ||
        isNarrowed(condition.column, condition.other.column)
      );
    default:
      return false;
  }
}

function comparisonMayFail(condition: ColumnComparison): boolean {
  const { column, operator, cast } = condition;
  if (FAILING.has(operator) || isFailing(column) || isLoosePattern(condition)) return true;
  return cast === null ? isLeakyIn(condition) : cast.schema !== 'pg_catalog';
}

/** Whether computing the value may fail: a function's error may say anything. */
function isFailing({ computed }: Column): boolean {
  return computed !== undefined && !computed.call.leakproof;
}

/** A `numeric` becomes a float where it is compared with one, and may be too large for it. */
function isNarrowed(...columns: readonly Column[]): boolean {
  const names = columns.map(({ type }) => baseType(type).name);
  return names.includes('numeric') && names.some((name) => FLOATS.has(name));
}

/** A column, and how it is compared. */
type Compared = Pick<ColumnComparison, 'column' | 'operator'>;

/** A pattern does not fit a collation that takes unlike texts for equal, which a cast to text keeps. */
function isLoosePattern({ column, operator }: Compared): boolean {
  return column.loose === true && patternOf(operator) !== null;
}

/** Whether the column's values cannot all be compared. */
function isLeakyIn({ column, operator }: Compared): boolean {
  const type = baseType(column.type);
  if (SIZED.has(type.name) || type.kind === 'composite') return true;
  return type.element !== null && isLeakyElement(type.element, operator);
}

/**
 * Postgres compares the elements of arrays, like the parts of composites, only when it meets two, and fails then if they
 * have no equality. A list of arrays of an extension's type is also read only then.
 */
function isLeakyElement(element: ColumnType, operator: Operator): boolean {
  const { kind, schema, unordered } = baseType(element);
  if (unordered === true) return true;
  if (schema === 'pg_catalog') return lacksEquality(element);
  return kind !== 'enum' && (kind !== 'base' || LISTS.has(operator));
}

/**
 * Conditions that must all hold, in a safe order: those that may fail wait for all others, and keep their own order (rules
 * come first). For one that waits, `narrow` gives a cheap condition that holds wherever it does and cannot fail: an index
 * can serve that in its place, and rows that this leaves out are never met by the one that waits.
 */
export function inSafeOrder(
  parts: readonly Predicate[],
  toSql: (part: Predicate) => Sql,
  narrow: (part: Predicate) => Sql | null,
): readonly Sql[] {
  const waiting = new Set(parts.filter(isLeaky));
  const safe = parts.filter((part) => !waiting.has(part)).map(toSql);
  const leaky = [...waiting].map(toSql);
  const last = leaky.at(-1);
  if (last === undefined) return safe;
  const behind = leaky.slice(0, -1).reduceRight(after, last);
  const narrowed = [...waiting].flatMap((part) => narrow(part) ?? []);
  return [...safe, ...narrowed, safe.length === 0 ? behind : after(behind, allOf(safe))];
}

/** The parts of a filter in an order in which none tells of rows that another hides: what may fail or looks at what is computed comes last, rules first. */
export function computingOrder({ permitted }: PlanTable, where: Predicate): readonly Predicate[] {
  const rank = (part: Predicate): number => {
    if (!isLeaky(part) && !callsForRow(part)) return 0;
    return permitted.includes(part) ? 1 : 2;
  };
  return [...conjuncts(where)].sort((a, b) => rank(a) - rank(b));
}

/** The parts of a conjunction, with those that show a cell before those that look at it. */
export function shownFirst(parts: readonly Predicate[]): readonly Predicate[] {
  return [...parts.filter(isShowing), ...parts.filter((part) => !isShowing(part))];
}

/**
 * The same as conditions inside a negation, where none may turn from unknown to false: what shows a cell is never unknown.
 */
export function afterShown(parts: readonly Predicate[], toSql: (part: Predicate) => Sql): readonly Sql[] {
  const shown = parts.filter(isShowing).map(toSql);
  if (shown.length === 0 || !parts.some(isLeaky)) return parts.map(toSql);
  const others = parts.filter((part) => !isShowing(part)).map(toSql);
  return [after(allOf(others), allOf(shown))];
}

/**
 * Alternatives. A negation around them would make them conditions that must all hold, so what looks at a cell waits for what
 * hides it.
 */
export function unlessHidden(parts: readonly Predicate[], toSql: (part: Predicate) => Sql): Sql {
  const hidden = parts.filter(isHiding).map(toSql);
  if (hidden.length === 0 || !parts.some(isLeaky)) return anyOf(parts.map(toSql));
  const others = parts.filter((part) => !isHiding(part)).map(toSql);
  return sql`(case when ${anyOf(hidden)} then true else ${anyOf(others)} end)`;
}

function isShowing({ kind }: Predicate): boolean {
  return kind === 'is-true';
}

function isHiding(part: Predicate): boolean {
  return part.kind === 'not' && isShowing(part.of);
}

function after(condition: Sql, first: Sql): Sql {
  return sql`(case when ${first} then ${condition} else false end)`;
}
