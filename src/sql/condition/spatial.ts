import { baseType, type Operator } from '../../catalog/conditions/operators.ts';
import { isShape } from '../../catalog/conditions/spatial-operators.ts';
import type { ColumnComparison, Predicate } from '../../plan/plan.ts';
import type { Site } from '../place/scope.ts';
import { type Sql, separated, sql } from '../sql.ts';
import { beside, operatorBeside } from '../types.ts';
import { heldIn, operandSql } from './operand.ts';
import { SQL_OPERATORS } from './sql-operators.ts';

/** A comparison by a function of the type's extension: `left` is the column, or what it is cast to. */
export function spatialSql(
  { column, operator, value, also }: ColumnComparison,
  left: Sql,
  { row, build }: Site,
): Sql {
  const held = heldIn(row, column);
  const values = [value, ...also].map((operand) => operandSql(operand, build, held));
  const called = beside(SQL_OPERATORS[operator].symbol, column.type, held?.as ?? null);
  return sql`${called}(${separated([left, ...values], ', ')})`;
}

/** Operators for which an index can tell more than that boxes meet. */
const OF_BOXES: Readonly<Partial<Record<Operator, string>>> = { st_contains: '~', st_within: '@' };

/**
 * What is true wherever a comparison of shapes is, never fails, and is found by an index: that their boxes meet, or that one
 * holds the other. Null for all other conditions, and for equality: two shapes that are empty are equal and have no box.
 */
export function boxesMeet(predicate: Predicate, { row, build }: Site): Sql | null {
  if (!isOfBoxes(predicate)) return null;
  const { column, operator, value, also } = predicate;
  const type = baseType(column.type);
  const held = heldIn(row, column);
  const as = held?.as ?? null;
  const shape = operandSql(value, build, held);
  const distance = also[0];
  const expand = beside(type.name === 'geography' ? '_st_expand' : 'st_expand', type, as);
  const other =
    distance === undefined ? shape : sql`${expand}(${shape}, ${operandSql(distance, build, held)})`;
  return sql`${row.read(column)} ${operatorBeside(OF_BOXES[operator] ?? '&&', type, as)} ${other}`;
}

function isOfBoxes(predicate: Predicate): predicate is ColumnComparison {
  if (predicate.kind !== 'compare' || predicate.cast !== null) return false;
  const { column, operator } = predicate;
  const isFunction = SQL_OPERATORS[operator].shape === 'function';
  return isFunction && operator !== 'st_equals' && isShape(baseType(column.type));
}
