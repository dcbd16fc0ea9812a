import type { Column, ColumnType } from '../../src/catalog/catalog.ts';
import type { ColumnComparison, PlanTable, Predicate } from '../../src/plan/plan.ts';
import { typeOf } from './catalog.ts';

/** A column without a table. */
export function columnOfType(type: string, more: Partial<Column> = {}): Column {
  return {
    name: 'c',
    field: 'c',
    type: typeOf(type),
    notNull: false,
    generated: false,
    description: null,
    enumTable: null,
    upperCased: false,
    ...more,
  };
}

/** What a function computes that does or does not promise to be silent. */
export function computedColumn(leakproof: boolean): Column {
  const call = { ref: { schema: 'public', name: 'f' }, args: [], leakproof };
  return columnOfType('integer', { computed: { field: 'c', call } });
}

/** Rows of a table, at a place of no plan. */
export function placeAt(id: number, source = 'b'): PlanTable {
  const ref = { schema: 'public', name: 't' };
  return { id, source, ref, columns: [], key: [], permitted: [], guarded: [], identity: [] };
}

/** A condition that compares a column with a value, perhaps as another type. */
export function compared(
  column: Column,
  operator: ColumnComparison['operator'] = 'eq',
  cast: ColumnType | null = null,
): Predicate {
  return { kind: 'compare', column, operator, value: { kind: 'param', index: 0 }, also: [], cast };
}

/** A condition that compares a column with one of the row at a place. */
export function paired(column: Column, other: Column, table = 1): Predicate {
  return { kind: 'compare-columns', column, operator: 'eq', other: { table, column: other } };
}
