import type { Column } from '../../catalog/catalog.ts';
import { BIGINT } from '../../catalog/conditions/built-in-types.ts';
import { must } from '../../core/assert.ts';
import { type Argument, argumentsOf, openArgument } from '../argument/arguments.ts';
import { selectColumns } from '../argument/enumeration.ts';
import { planEnums } from '../argument/planned-value.ts';
import type { CollectedField } from '../operation/collect.ts';
import type { OrderItem, Select } from '../plan.ts';
import type { Planning, Rows } from '../planning.ts';
import { and } from '../predicates.ts';
import { invalid } from '../problem.ts';
import { cellOf, permittedRows } from '../rule/permit.ts';
import { countOf } from '../value/built-in.ts';
import { valueOf } from '../value/input.ts';
import { planWhere } from '../where/where.ts';
import { planOrderBy } from './order-by.ts';

const ARGUMENTS = ['where', 'order_by', 'limit', 'offset', 'distinct_on'] as const;

/** The rows a field with list arguments selects, permission included; what it shows of them comes later. */
export function planRows(planning: Planning, rows: Rows, field: CollectedField): Omit<Select, 'fields'> {
  const argument = argumentsOf(field, ARGUMENTS, rows.view.table.spelling.field);
  const condition = planWhere(planning, rows, argument('where'));
  const orderBy = planOrderBy(planning, rows, argument('order_by'));
  const limit = planLimit(planning, argument('limit'));
  const offset = argument('offset');
  const offsetInput = openArgument(planning, offset, 'Int');
  const named = planDistinct(planning, rows, argument('distinct_on'));
  checkDistinct(named, orderBy, `${field.at.path}.args`);
  return {
    ...bareRows(rows),
    where: and([permittedRows(planning, rows), condition]),
    orderBy,
    limit,
    offset: offsetInput === null ? null : planning.params.offset(offsetInput, BIGINT, offset.at.path),
    distinctOn: [...new Set(named)].map((column) => cellOf(planning, rows, column)),
  };
}

/** All rows the role may see; the key is read too, as the last word in any ordering. */
export function permittedSelect(planning: Planning, rows: Rows): Omit<Select, 'fields'> {
  return { ...bareRows(rows), where: permittedRows(planning, rows) };
}

/** The smaller of two limits; null means none. */
export function smallerLimit(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}

function bareRows({ place }: Rows): Omit<Select, 'fields'> {
  for (const column of place.planTable.key) place.read(column);
  const none = { orderBy: [], distinctOn: [], limit: null, offset: null };
  return { from: place.planTable, where: { kind: 'true' }, ...none };
}

function planLimit(planning: Planning, argument: Argument): number | null {
  const input = openArgument(planning, argument, 'Int');
  return input === null ? null : countOf(valueOf(input), argument.at.path);
}

/** In the order they were named; a column may be named twice. */
function planDistinct(planning: Planning, rows: Rows, argument: Argument): readonly Column[] {
  const type = selectColumns(rows.view);
  const input = openArgument(planning, argument, `[${type.name}!]`);
  const names = input === null ? [] : planEnums(planning, input, type, argument.at);
  return names.map((name) => rows.place.read(must(rows.view.columnByField.get(name), 'column')));
}

/** Postgres keeps the first row of each group, so the ordering must begin with what makes the groups. */
function checkDistinct(named: readonly Column[], orderBy: readonly OrderItem[], path: string): void {
  if (named.length === 0 || orderBy.length === 0) return;
  // Hasura counts a column as often as it is named, Postgres once.
  if (beginsWith(orderBy, named) && beginsWith(orderBy, [...new Set(named)])) return;
  throw invalid(path, '"distinct_on" columns must match initial "order_by" columns');
}

function beginsWith(orderBy: readonly OrderItem[], distinctOn: readonly Column[]): boolean {
  const initial = orderBy.slice(0, distinctOn.length);
  const columns = initial.flatMap(({ by, path: steps }) =>
    by.kind === 'column' && steps.length === 0 ? [by.column] : [],
  );
  return columns.length === distinctOn.length && distinctOn.every((column) => columns.includes(column));
}
