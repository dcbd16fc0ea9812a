import type { SelectionSetNode } from 'graphql';
import type { Column } from '../../catalog/catalog.ts';
import { TEXT } from '../../catalog/conditions/built-in-types.ts';
import { isJsonType } from '../../catalog/conditions/operators.ts';
import { selectedRows, selectedValue } from '../call/computed.ts';
import {
  type CollectedField,
  checkArguments,
  checkIsLeaf,
  collectFields,
  planTypename,
  unknownField,
} from '../operation/collect.ts';
import type { Aggregate, Field, Operand, Select } from '../plan.ts';
import type { Planning, Position, Rows } from '../planning.ts';
import { type VisibleRelationship, visibleAggregate, visibleRelationship } from '../role/visible.ts';
import { cellOf } from '../rule/permit.ts';
import { literal } from '../value/input.ts';
import { planAggregate } from './aggregate.ts';
import { followField } from './related.ts';
import { permittedSelect, planRows, smallerLimit } from './rows.ts';

/** A list field of a table with its arguments, its limit cut by the permission's. */
export function planList(planning: Planning, rows: Rows, field: CollectedField): Select {
  const selected = planRows(planning, rows, field);
  const fields = planFields(planning, rows, field.sets, field.at);
  return { ...selected, limit: smallerLimit(selected.limit, rows.view.limit), fields };
}

/** An aggregate field of a table with its arguments. */
export function planAggregateField(planning: Planning, rows: Rows, field: CollectedField): Aggregate {
  return planAggregate(planning, rows, field, planFields);
}

/** What is shown of each row, in response order. */
export function planFields(
  planning: Planning,
  rows: Rows,
  sets: readonly SelectionSetNode[],
  at: Position,
): readonly Field[] {
  const type = rows.view.table.typeName;
  return collectFields(planning, sets, type, at).map((field) => {
    const planned =
      planColumn(planning, rows, field) ??
      planComputed(planning, rows, field) ??
      planRelated(planning, rows, field);
    if (planned === null) throw unknownField(field, type);
    return planned;
  });
}

function planColumn(planning: Planning, rows: Rows, field: CollectedField): Field | null {
  const typename = planTypename(field, rows.view.table.typeName);
  if (typename !== null) return typename;
  const column = rows.view.columnByField.get(field.name);
  return column === undefined ? null : planValue(planning, rows, field, column);
}

function planComputed(planning: Planning, rows: Rows, field: CollectedField): Field | null {
  const value = selectedValue(planning, rows, field);
  if (value !== null) return planValue(planning, rows, value.rest, value.column);
  const found = selectedRows(planning, rows, field);
  if (found === null) return null;
  return {
    kind: 'array',
    key: field.key,
    join: found.join,
    select: planList(planning, found.target, found.rest),
  };
}

function planValue(planning: Planning, rows: Rows, field: CollectedField, column: Column): Field {
  checkIsLeaf(field);
  const jsonPath = planJsonPath(planning, field, column);
  rows.place.read(column);
  return { kind: 'column', key: field.key, jsonPath, ...cellOf(planning, rows, column) };
}

function planJsonPath(planning: Planning, field: CollectedField, column: Column): Operand | null {
  checkArguments(field, isJsonType(column.type) ? ['path'] : []);
  const node = field.arguments.get('path');
  if (node === undefined) return null;
  const args = `${field.at.path}.args`;
  const input = planning.variables.open(literal(node), 'String', `${args}.path`);
  return planning.params.jsonPath(input, TEXT, args);
}

function planRelated(planning: Planning, rows: Rows, field: CollectedField): Field | null {
  const related = visibleRelationship(planning.catalog, rows.view, field.name);
  if (related !== null) {
    return related.relationship.kind === 'object'
      ? planObject(planning, rows, field, related)
      : planArray(planning, rows, field, related);
  }
  const many = visibleAggregate(planning.catalog, rows.view, field.name);
  if (many === null || !many.target.mayAggregate) return null;
  const { join, to } = planning.places.follow(rows.place, many.relationship, many.target.table);
  const aggregate = planAggregateField(planning, { view: many.target, place: to }, field);
  return { kind: 'aggregate', key: field.key, join, aggregate };
}

function planObject(
  planning: Planning,
  rows: Rows,
  field: CollectedField,
  related: VisibleRelationship,
): Field {
  const { join, target, rest } = followField(planning, rows, field, related);
  checkArguments(rest, []);
  const selected = permittedSelect(planning, target);
  return {
    kind: 'object',
    key: field.key,
    join,
    select: { ...selected, fields: planFields(planning, target, field.sets, field.at) },
  };
}

function planArray(
  planning: Planning,
  rows: Rows,
  field: CollectedField,
  related: VisibleRelationship,
): Field {
  const { join, target, rest } = followField(planning, rows, field, related);
  return { kind: 'array', key: field.key, join, select: planList(planning, target, rest) };
}
