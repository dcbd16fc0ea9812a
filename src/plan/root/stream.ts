import type { Column } from '../../catalog/catalog.ts';
import { must } from '../../core/assert.ts';
import { type Argument, argumentsOf } from '../argument/arguments.ts';
import { enumerationOf } from '../argument/enumeration.ts';
import { knownMembers, objectMembers } from '../argument/members.ts';
import { planOperand } from '../argument/operand.ts';
import { planEnum } from '../argument/planned-value.ts';
import type { CollectedField } from '../operation/collect.ts';
import type { Operand, OrderItem, Predicate, Select } from '../plan.ts';
import { inside, type Planning, type Position, type Rows } from '../planning.ts';
import { and, compare } from '../predicates.ts';
import { invalid, missingField, nullForList } from '../problem.ts';
import { guarded } from '../rule/permit.ts';
import { permittedSelect, smallerLimit } from '../select/rows.ts';
import { planFields } from '../select/select.ts';
import { countOf } from '../value/built-in.ts';
import { mismatch } from '../value/encode.ts';
import { elementsOf, type Input, isNull, valueOf } from '../value/input.ts';
import { planWhere } from '../where/where.ts';
import type { Stream } from './stream-in.ts';

const ARGUMENTS = ['where', 'cursor', 'batch_size'] as const;

/** The column a stream goes by, and where it begins. */
interface Cursor {
  readonly column: Column;
  readonly value: Operand;
  readonly direction: OrderItem['direction'];
}

/** A `_stream` field: the next rows by one column behind a value, as many as a batch holds and the permission allows. */
export function planStream(
  planning: Planning,
  rows: Rows,
  field: CollectedField,
): Pick<Stream, 'select' | 'by' | 'cursor'> {
  const argument = argumentsOf(field, ARGUMENTS, rows.view.table.spelling.field);
  const filter = planWhere(planning, rows, argument('where'));
  const cursor = onlyOne(planCursors(planning, rows, argument('cursor')), `${field.at.path}.args`);
  const batch = planBatch(planning, argument('batch_size'));
  const selected = permittedSelect(planning, rows);
  const select: Select = {
    ...selected,
    where: and([selected.where, filter, behind(planning, rows, cursor)]),
    orderBy: [orderOf(cursor)],
    limit: smallerLimit(batch, rows.view.limit),
    // Behind the cursor they would never come.
    withTies: true,
    fields: planFields(planning, rows, field.sets, field.at),
  };
  return { select, by: cursor.column, cursor: cursor.value };
}

function required({ name, given, at }: Argument): Input {
  if (given === null) throw missingField(at.path, name);
  return given;
}

function planBatch(planning: Planning, size: Argument): number {
  const { path } = size.at;
  return countOf(valueOf(planning.variables.open(required(size), 'Int!', path)), path);
}

function onlyOne([cursor, ...others]: readonly Cursor[], path: string): Cursor {
  if (cursor === undefined) throw invalid(path, 'one streaming column field is expected');
  if (others.length > 0) throw invalid(path, 'multiple column cursors are not supported yet');
  return cursor;
}

/** Every column that any of the cursor's items names. */
function planCursors(planning: Planning, rows: Rows, cursor: Argument): readonly Cursor[] {
  const { at } = cursor;
  const type = rows.view.table.derivedType('_stream_cursor_input');
  const input = planning.variables.open(required(cursor), `[${type}]!`, at.path);
  if (isNull(input)) throw nullForList(at.path);
  return (elementsOf(input) ?? [input]).flatMap((element, index) => {
    const here = inside(planning, at, index);
    const item = planning.variables.open(element, type, here.path);
    return isNull(item) ? [] : planItem(planning, rows, item, here);
  });
}

function planItem(planning: Planning, rows: Rows, item: Input, at: Position): readonly Cursor[] {
  const { table } = rows.view;
  const initial = table.spelling.field('initial_value');
  const type = table.derivedType('_stream_cursor_input');
  const members = knownMembers(objectMembers(item, type, at.path), type, [initial, 'ordering'], at);
  const direction = planOrdering(planning, rows, members.get('ordering') ?? null, at);
  const value: Argument = {
    name: initial,
    given: members.get(initial) ?? null,
    at: inside(planning, at, initial),
  };
  return planValues(planning, rows, required(value), value.at).map((begun) => ({ ...begun, direction }));
}

function planOrdering(
  planning: Planning,
  rows: Rows,
  given: Input | null,
  item: Position,
): Cursor['direction'] {
  if (given === null) return 'asc';
  const at = inside(planning, item, 'ordering');
  const type = { name: rows.view.table.stream.ordering, values: ['ASC', 'DESC'] };
  const named = planEnum(planning, given, type, at);
  if (named === null) throw mismatch(at.path, 'an enum value', type.name, null);
  return named === 'ASC' ? 'asc' : 'desc';
}

function planValues(
  planning: Planning,
  rows: Rows,
  given: Input,
  at: Position,
): readonly Omit<Cursor, 'direction'>[] {
  const { view, place } = rows;
  const type = view.table.derivedType('_stream_cursor_value_input');
  const input = planning.variables.open(given, `${type}!`, at.path);
  const members = objectMembers(input, type, at.path);
  return [...knownMembers(members, type, view.columnByField.keys(), at)].map(([name, member]) => {
    const column = must(view.columnByField.get(name), 'column');
    const enumeration = enumerationOf(planning.catalog, view.table, column);
    const what = { type: column.type, list: false, pattern: null, enumeration };
    place.read(column);
    return { column, value: planOperand(planning, member, what, inside(planning, at, name)) };
  });
}

/** A row whose cell is hidden from the role is never behind a value. */
function behind(planning: Planning, rows: Rows, { column, value, direction }: Cursor): Predicate {
  const operator = direction === 'asc' ? 'gt' : 'lt';
  return guarded(planning, { ...rows, column }, compare(column, operator, value), false);
}

/** No cell of the rows behind a cursor is null. */
function orderOf({ column, direction }: Cursor): OrderItem {
  const nulls = direction === 'asc' ? 'last' : 'first';
  return { path: [], by: { kind: 'column', column, onlyIf: null }, direction, nulls };
}
