import type { Column, ComputedField, Table } from '../catalog/catalog.ts';
import { givenSlots } from '../catalog/function-arguments.ts';
import type { CollectedField } from './collect.ts';
import { isValue } from './computed-columns.ts';
import { bareArguments, planArguments } from './function-call.ts';
import type { Planning, Rows } from './planning.ts';
import { visibleComputed } from './visible.ts';

/** A computed field that is a value, as a column, and what the selection says of it beside the function's arguments. */
export interface SelectedValue {
  readonly column: Column;
  readonly rest: CollectedField;
}

/** The computed field that a selection names, if it is a value that the role sees. */
export function planComputedValue(
  planning: Planning,
  { view, place }: Rows,
  field: CollectedField,
): SelectedValue | null {
  const value = visibleComputed(planning.catalog, view, field.name)?.field;
  if (value === undefined || !isValue(value)) return null;
  const { args, rest } = planArguments(planning, value, field);
  const isBare = rest.arguments.size === field.arguments.size;
  const column = isBare
    ? planning.computed.bare(place.table, value, () => args)
    : planning.computed.called(place.table, value, args);
  return { column, rest };
}

/** The computed field that a condition or an ordering names, if it is a value that the role sees. */
export function visibleValue(planning: Planning, { view, place }: Rows, name: string): Column | null {
  const field = visibleComputed(planning.catalog, view, name)?.field;
  return field === undefined ? null : bareColumn(planning, place.table, field);
}

/** A computed field as a column, if it is a value and takes nothing of a request: there it could be given nothing. */
export function bareColumn(planning: Planning, table: Table, field: ComputedField): Column | null {
  if (!isValue(field) || givenSlots(field.signature).length > 0) return null;
  return planning.computed.bare(table, field, () => bareArguments(planning, field.signature));
}
