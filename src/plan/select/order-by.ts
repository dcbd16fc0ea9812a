import type { Column } from '../../catalog/catalog.ts';
import { type Argument, openArgument } from '../argument/arguments.ts';
import { orderings } from '../argument/enumeration.ts';
import { objectMembers, openMembers } from '../argument/members.ts';
import { planEnum } from '../argument/planned-value.ts';
import { comparedRows, comparedValue } from '../call/computed.ts';
import type { AggregateFunction, OrderItem, OrderStep } from '../plan.ts';
import { inside, type Planning, type Position, type Rows } from '../planning.ts';
import { notFound } from '../problem.ts';
import {
  aggregatedComputed,
  isCompared,
  type VisibleRelationship,
  visibleAggregate,
  visibleRelationship,
} from '../role/visible.ts';
import { cellOf, permittedRows } from '../rule/permit.ts';
import { elementsOf, type Input, isNull } from '../value/input.ts';
import { aggregateFunction, columnsFor } from './aggregate-functions.ts';

/** An `order_by` argument: left out and null order nothing, and neither does a null for a field or a relationship inside. */
export function planOrderBy(planning: Planning, rows: Rows, argument: Argument): readonly OrderItem[] {
  const type = rows.view.table.derivedType('_order_by');
  const input = openArgument(planning, argument, `[${type}!]`);
  if (input === null) return [];
  return (elementsOf(input) ?? [input]).flatMap((element, index) => {
    const here = inside(planning, argument.at, index);
    const opened = planning.variables.open(element, `${type}!`, here.path);
    return planObject(planning, { ...rows, path: [] }, opened, here);
  });
}

interface Ordered extends Rows {
  /** How this table is reached from the one being ordered. */
  readonly path: readonly OrderStep[];
}

interface Member {
  readonly name: string;
  readonly input: Input;
  readonly at: Position;
}

function planObject(planning: Planning, ordered: Ordered, input: Input, at: Position): readonly OrderItem[] {
  const type = ordered.view.table.derivedType('_order_by');
  return objectMembers(input, type, at.path).flatMap(([name, member]) => {
    const here = { name, input: member, at: inside(planning, at, name) };
    const items = planColumn(planning, ordered, here) ?? planRelated(planning, ordered, here);
    if (items === null) throw notFound(at.path, name, type);
    return items;
  });
}

function planColumn(
  planning: Planning,
  ordered: Ordered,
  { name, input, at }: Member,
): readonly OrderItem[] | null {
  const column = ordered.view.columnByField.get(name) ?? comparedValue(planning, ordered, name);
  if (column === null) return null;
  const direction = planDirection(planning, ordered, input, at);
  if (direction === null) return [];
  ordered.place.read(column);
  return [
    {
      path: ordered.path,
      by: { kind: 'column', ...cellOf(planning, ordered, column) },
      ...direction,
    },
  ];
}

function planRelated(
  planning: Planning,
  ordered: Ordered,
  { name, input: given, at }: Member,
): readonly OrderItem[] | null {
  const single = visibleRelationship(planning.catalog, ordered.view, name);
  const isSingle = single?.relationship.kind === 'object';
  const related = isSingle ? single : visibleAggregate(planning.catalog, ordered.view, name);
  if (related === null || !isCompared(related, ordered.view))
    return planCalled(planning, ordered, { name, input: given, at });
  const type = related.target.table.derivedType(isSingle ? '_order_by' : '_aggregate_order_by');
  const input = planning.variables.open(given, type, at.path);
  if (isNull(input)) return [];
  const reached = follow(planning, ordered, related);
  return isSingle ? planObject(planning, reached, input, at) : planAggregates(planning, reached, input, at);
}

/** `<field>_aggregate` of a computed field that is rows. */
function planCalled(
  planning: Planning,
  ordered: Ordered,
  { name, input: given, at }: Member,
): readonly OrderItem[] | null {
  const field = aggregatedComputed(planning.catalog, ordered.view, name);
  if (field === null) return null;
  const input = planning.variables.open(
    given,
    field.target.table.derivedType('_aggregate_order_by'),
    at.path,
  );
  const called = isNull(input) ? null : comparedRows(planning, ordered, field.name);
  if (called === null) return [];
  const where = permittedRows(planning, called.target);
  const path = [...ordered.path, { join: called.join, to: called.to.planTable, where }];
  return planAggregates(planning, { ...called.target, path }, input, at);
}

function follow(
  planning: Planning,
  { place, path }: Ordered,
  { relationship, target }: VisibleRelationship,
): Ordered {
  const { join, to } = planning.places.follow(place, relationship, target.table);
  const where = permittedRows(planning, { view: target, place: to });
  return { view: target, place: to, path: [...path, { join, to: to.planTable, where }] };
}

function planAggregates(
  planning: Planning,
  ordered: Ordered,
  input: Input,
  at: Position,
): readonly OrderItem[] {
  const { view, path } = ordered;
  const type = view.table.derivedType('_aggregate_order_by');
  return objectMembers(input, type, at.path).flatMap(([name, member]): readonly OrderItem[] => {
    const here = inside(planning, at, name);
    if (name === 'count') {
      const direction = planDirection(planning, ordered, member, here);
      return direction === null ? [] : [{ path, by: { kind: 'count' }, ...direction }];
    }
    const called = aggregateFunction(view.table, name);
    const columns = called === undefined ? [] : columnsFor(called, view.columns);
    if (called === undefined || columns.length === 0) throw notFound(at.path, name, type);
    return planFunction(planning, ordered, { called, columns, input: member, at: here });
  });
}

interface FunctionMember {
  readonly called: AggregateFunction;
  readonly columns: readonly Column[];
  readonly input: Input;
  readonly at: Position;
}

function planFunction(
  planning: Planning,
  ordered: Ordered,
  { called, columns, input: given, at }: FunctionMember,
): readonly OrderItem[] {
  const type = ordered.view.table.derivedType(`_${called}_order_by`);
  return openMembers(planning, given, type, at).flatMap(([name, member]): readonly OrderItem[] => {
    const here = inside(planning, at, name);
    const column = columns.find(({ field }) => field === name);
    if (column === undefined) throw notFound(at.path, name, type);
    const direction = planDirection(planning, ordered, member, here);
    if (direction === null) return [];
    ordered.place.read(column);
    const cell = cellOf(planning, ordered, column);
    return [{ path: ordered.path, by: { kind: 'function', function: called, ...cell }, ...direction }];
  });
}

function planDirection(
  planning: Planning,
  { view }: Rows,
  input: Input,
  at: Position,
): Pick<OrderItem, 'direction' | 'nulls'> | null {
  const spelled = planEnum(planning, input, orderings(view.table.spelling), at);
  if (spelled === null) return null;
  const name = spelled.toLowerCase();
  const direction = name.startsWith('asc') ? 'asc' : 'desc';
  // As in Postgres, nulls count as larger than everything unless said otherwise.
  const usual = direction === 'asc' ? 'last' : 'first';
  if (name.endsWith('_first')) return { direction, nulls: 'first' };
  return { direction, nulls: name.endsWith('_last') ? 'last' : usual };
}
