import { callOf, givenSlots } from '../../catalog/call/function-arguments.ts';
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

/** A computed field that is a value, as a column, and what the selection says of it beside the function's arguments. */
export interface SelectedValue {
  readonly column: Column;
  readonly rest: CollectedField;
}

/** The computed field that a selection names, if it is a value that the role sees. */
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

/** The computed field that a condition or an ordering names, if it is a value that the role sees. */
export function comparedValue(planning: Planning, { view, place }: Rows, name: string): Column | null {
  const field = visibleComputed(planning.catalog, view, name)?.field;
  return field === undefined ? null : ruledValue(planning, place.table, field);
}

/** A computed field as a column, if it is a value and takes nothing of a request: there it could be given nothing. */
export function ruledValue(planning: Planning, table: Table, field: ComputedField): Column | null {
  if (!isValue(field) || givenSlots(field.signature).length > 0) return null;
  return planning.computed.bare(table, field, () => bareArguments(planning, field.signature));
}

/** Rows that a computed field answers, at a new place that hangs on the row it is about. */
export interface CalledRows {
  readonly join: Join;
  readonly to: Place;
}

/** The computed field that a selection names, if it is rows that the role sees, and what the selection says of them. */
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

/** The computed field that a condition or an ordering names, if it is rows that the role sees. */
export function comparedRows(
  planning: Planning,
  rows: Rows,
  name: string,
): (CalledRows & { readonly target: Rows }) | null {
  const found = visibleComputed(planning.catalog, rows.view, name);
  if (found === null || found.target === null || givenSlots(found.field.signature).length > 0) return null;
  const args = bareArguments(planning, found.field.signature);
  return openView(planning, rows.place, { ...found, args, target: found.target });
}

/** The rows as the role sees them. */
function openView(
  planning: Planning,
  from: Place,
  { field, args, target }: Omit<Called, 'table'> & { readonly target: VisibleTable },
): CalledRows & { readonly target: Rows } {
  const view = looseView(planning.catalog, target);
  const called = openCall(planning, from, { field, args, table: view.table });
  return { ...called, target: { view, place: called.to } };
}

/** The rows of a computed field in a rule, whoever may see them; null where it is none or takes arguments. */
export function ruledRows(planning: Planning, place: Place, field: ComputedField): CalledRows | null {
  if (field.returns.kind !== 'table' || givenSlots(field.signature).length > 0) return null;
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

/** The row itself is the key: a target finds its rows as it would by an index. What tells it from others is read where its rows may be fetched. */
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
