import type { Column } from '../../catalog/catalog.ts';
import { baseType } from '../../catalog/conditions/operators.ts';
import { arrayLiteral } from '../../core/postgres/array-literal.ts';
import { constant, type Sql, sql } from '../sql.ts';
import { functionOf } from '../types.ts';
import type { RowScope } from './scope.ts';

// A copied enum value is a text, and texts sort by their letters: they are compared by their places among the labels.

/** A value of a column as it sorts in the column's own database. */
export function sortValue(value: Sql, column: Column, row: RowScope): Sql {
  const labels = labelsOf(column, row);
  return labels === null ? value : sql`pg_catalog.array_position(${labels}, ${value})`;
}

/** The least or the greatest of a column's values. */
export function extreme(name: 'min' | 'max', value: Sql, column: Column, row: RowScope): Sql {
  const labels = labelsOf(column, row);
  const called = sql`${functionOf(name, column.type)}(${sortValue(value, column, row)})`;
  return labels === null ? called : sql`(${labels})[${called}]`;
}

/** Labels in their order; null for a column whose values sort by themselves. */
function labelsOf(column: Column, row: RowScope): Sql | null {
  const { labels } = baseType(column.type);
  if (labels === undefined || row.heldAs(column) !== 'text') return null;
  return sql`${constant(arrayLiteral(labels))}::text[]`;
}
