import { callOf, takesArguments } from '../../catalog/call/function-arguments.ts';
import { looseRows } from '../../catalog/call/loose-rows.ts';
import {
  type CallArgument,
  type Column,
  type ComputedField,
  findTable,
  type Table,
} from '../../catalog/catalog.ts';
import type { CollectedField } from '../operation/collect.ts';
import { toldOf } from '../place/identity.ts';
import type { Place } from '../place/places.ts';
import type { Join } from '../plan.ts';
import type { Planning, Rows } from '../planning.ts';
import { looseView, type VisibleTable, visibleComputed } from '../role/visible.ts';
import { isValue } from './computed-columns.ts';
import { bareArguments, planArguments } from './function-call.ts';

/** A computed value as a column, and the selected field without the function's arguments. */
export interface SelectedValue {
  readonly column: Column;
  readonly rest: CollectedField;
}

/** The computed value that a selection names; null when the role sees none of this name. */
export function selectedValue(
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

/** The computed value that a condition or an ordering names; null when the role sees none of this name. */
export function comparedValue(planning: Planning, { view, place }: Rows, name: string): Column | null {
  const field = visibleComputed(planning.catalog, view, name)?.field;
  return field === undefined ? null : ruledValue(planning, place.table, field);
}

/** A computed value as a column, whoever may see it; null when the field returns rows, or takes arguments: conditions and rules can pass none. */
export function ruledValue(planning: Planning, table: Table, field: ComputedField): Column | null {
  if (!isValue(field) || takesArguments(field)) return null;
  return planning.computed.bare(table, field, () => bareArguments(planning, field.signature));
}

/** The rows of a computed field, at a new place that is joined to the row it is about. */
export interface CalledRows {
  readonly join: Join;
  readonly to: Place;
}

/** The computed rows that a selection names, and the selected field without the function's arguments; null when the role sees none of this name. */
export function selectedRows(
  planning: Planning,
  rows: Rows,
  field: CollectedField,
): (CalledRows & { readonly target: Rows; readonly rest: CollectedField }) | null {
  const found = visibleComputed(planning.catalog, rows.view, field.name);
  if (found === null || found.target === null) return null;
  const { args, rest } = planArguments(planning, found.field, field);
  return { ...openView(planning, rows.place, { ...found, args, target: found.target }), rest };
}

/** The computed rows that a condition or an ordering names; null when the role sees none of this name. */
export function comparedRows(
  planning: Planning,
  rows: Rows,
  name: string,
): (CalledRows & { readonly target: Rows }) | null {
  const found = visibleComputed(planning.catalog, rows.view, name);
  if (found === null || found.target === null || takesArguments(found.field)) return null;
  const args = bareArguments(planning, found.field.signature);
  return openView(planning, rows.place, { ...found, args, target: found.target });
}

/** Opens the rows as the role sees them. */
function openView(
  planning: Planning,
  from: Place,
  { field, args, target }: Omit<Called, 'table'> & { readonly target: VisibleTable },
): CalledRows & { readonly target: Rows } {
  const view = looseView(planning.catalog, target);
  const called = openCall(planning, from, { field, args, table: view.table });
  return { ...called, target: { view, place: called.to } };
}

/** The computed rows that a rule names, whoever may see them; null when the field returns a value or takes arguments. */
export function ruledRows(planning: Planning, place: Place, field: ComputedField): CalledRows | null {
  if (field.returns.kind !== 'table' || takesArguments(field)) return null;
  const table = findTable(planning.catalog, place.table.source, field.returns.table);
  if (table === undefined) return null;
  const args = bareArguments(planning, field.signature);
  return openCall(planning, place, { field, args, table: looseRows(table) });
}

interface Called {
  readonly field: ComputedField;
  readonly args: readonly CallArgument[];
  readonly table: Table;
}

/**
 * The call takes the whole row, so the join needs no columns, and finding its rows is as cheap as by an index. Where they may be
 * fetched live, what identifies the row is read with it.
 */
function openCall(planning: Planning, from: Place, { field, args, table }: Called): CalledRows {
  const set = field.returns.kind === 'table' && field.returns.set;
  const { identity, source } = from.planTable;
  const isRemote = source !== from.scope.rootSource;
  if (isRemote) for (const column of identity) from.read(column);
  const told = isRemote ? { told: toldOf(identity, table) } : {};
  const call = { ...callOf(field.signature, args), set, row: from.id, ...told };
  const to = planning.places.open(table, from.scope, call);
  return { join: { name: field.name, on: [], unique: false, indexed: true }, to };
}
