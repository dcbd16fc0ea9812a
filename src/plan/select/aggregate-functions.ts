import type { Column, ColumnType, ComputedField, Table } from '../../catalog/catalog.ts';
import { baseType } from '../../catalog/conditions/operators.ts';
import { type ComputedValue, isValue } from '../call/computed-columns.ts';
import type { AggregateFunction } from '../plan.ts';

/** Functions over numbers. */
const NUMERIC_FUNCTIONS: readonly AggregateFunction[] = [
  'sum',
  'avg',
  'stddev',
  'stddev_pop',
  'stddev_samp',
  'variance',
  'var_pop',
  'var_samp',
];

/** Functions over everything that has an order. */
const ORDERED_FUNCTIONS: readonly AggregateFunction[] = ['max', 'min'];

/** Every aggregate function of a column's values. */
export const AGGREGATE_FUNCTIONS: readonly AggregateFunction[] = [...NUMERIC_FUNCTIONS, ...ORDERED_FUNCTIONS];

/** The function that a table's source spells so. */
export function aggregateFunction({ spelling }: Table, name: string): AggregateFunction | undefined {
  return AGGREGATE_FUNCTIONS.find((known) => spelling.field(known) === name);
}

const NUMBERS: ReadonlySet<string> = new Set([
  'int2',
  'int4',
  'int8',
  'float4',
  'float8',
  'numeric',
  'money',
]);
const ORDERED: ReadonlySet<string> = new Set([
  ...NUMBERS,
  'text',
  'varchar',
  'bpchar',
  'citext',
  'date',
  'time',
  'timetz',
  'timestamp',
  'timestamptz',
  'interval',
  'inet',
]);
const MONEY_FUNCTIONS: ReadonlySet<AggregateFunction> = new Set(['sum']);

/** Whether a function can be applied to a column's values. */
function appliesTo(name: AggregateFunction, column: Column): boolean {
  return supports(name, baseType(column.type)) && column.enumTable === null;
}

/** The columns a function can be applied to. */
export function columnsFor(name: AggregateFunction, columns: readonly Column[]): readonly Column[] {
  return columns.filter((column) => appliesTo(name, column));
}

/** The computed fields a function can be applied to. */
export function computedFor(
  name: AggregateFunction,
  fields: readonly ComputedField[],
): readonly ComputedValue[] {
  return fields.filter(isValue).filter(({ returns }) => supports(name, baseType(returns.type)));
}

/** The GraphQL scalar a function answers for a column. */
export function resultScalar(name: AggregateFunction, column: Column): string {
  return name === 'max' || name === 'min' || name === 'sum' ? column.type.scalar : 'Float';
}

function supports(name: AggregateFunction, type: ColumnType): boolean {
  if (ORDERED_FUNCTIONS.includes(name)) return ORDERED.has(type.name) || type.kind === 'enum';
  if (type.name === 'money') return MONEY_FUNCTIONS.has(name);
  return NUMBERS.has(type.name);
}
