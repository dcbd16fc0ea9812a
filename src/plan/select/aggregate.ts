import type { SelectionSetNode } from 'graphql';
import type { Column } from '../../catalog/catalog.ts';
import { must } from '../../core/assert.ts';
import { selectColumns } from '../argument/enumeration.ts';
import { planBoolean, planEnums } from '../argument/planned-value.ts';
import { type SelectedValue, selectedValue } from '../call/computed.ts';
import type { ComputedValue } from '../call/computed-columns.ts';
import {
  type CollectedField,
  checkArguments,
  checkIsLeaf,
  collectFields,
  planTypename,
  unknownField,
} from '../operation/collect.ts';
import type { Aggregate, AggregateField, AggregateFunction, AggregateValue, Field } from '../plan.ts';
import type { Planning, Position, Rows } from '../planning.ts';
import { visibleComputedFields } from '../role/visible.ts';
import { cellOf } from '../rule/permit.ts';
import { literal } from '../value/input.ts';
import { aggregateFunction, columnsFor, computedFor } from './aggregate-functions.ts';
import { planRows } from './rows.ts';

/** How the fields of `nodes` are planned. */
export type PlanFields = (
  planning: Planning,
  rows: Rows,
  sets: readonly SelectionSetNode[],
  at: Position,
) => readonly Field[];

/** An aggregate field: its arguments choose the rows, the permission's limit cuts `nodes` only. */
export function planAggregate(
  planning: Planning,
  rows: Rows,
  field: CollectedField,
  planFields: PlanFields,
): Aggregate {
  const selected = planRows(planning, rows, field);
  const type = rows.view.table.derivedType('_aggregate');
  const fields = collectFields(planning, field.sets, type, field.at).map((part): AggregateField => {
    const typename = planTypename(part, type);
    if (typename !== null) return typename;
    switch (part.name) {
      case 'nodes':
        checkArguments(part, []);
        return { kind: 'nodes', key: part.key, fields: planFields(planning, rows, part.sets, part.at) };
      case 'aggregate':
        checkArguments(part, []);
        return { kind: 'values', key: part.key, values: planValues(planning, rows, part) };
      default:
        throw unknownField(part, type);
    }
  });
  return { rows: { ...selected, fields: [] }, fields, nodesLimit: rows.view.limit };
}

function planValues(planning: Planning, rows: Rows, field: CollectedField): readonly AggregateValue[] {
  const type = rows.view.table.derivedType('_aggregate_fields');
  return collectFields(planning, field.sets, type, field.at).map((part): AggregateValue => {
    const typename = planTypename(part, type);
    if (typename !== null) return typename;
    if (part.name === 'count') return planCount(planning, rows, part);
    const called = aggregateFunction(rows.view.table, part.name);
    const over = called === undefined ? null : operandsOf(planning, rows, called);
    if (over === null || over.columns.length + over.computed.length === 0) throw unknownField(part, type);
    return planFunction(planning, rows, part, over);
  });
}

function planCount(planning: Planning, rows: Rows, field: CollectedField): AggregateValue {
  const selectable = selectColumns(rows.view);
  checkArguments(field, selectable.values.length === 0 ? ['distinct'] : ['columns', 'distinct']);
  checkIsLeaf(field);
  const at = (name: string): Position => ({
    path: `${field.at.path}.args.${name}`,
    depth: field.at.depth + 1,
  });
  const given = field.arguments.get('columns');
  const names = given === undefined ? [] : planEnums(planning, literal(given), selectable, at('columns'));
  const columns = names.map((name) => rows.place.read(must(rows.view.columnByField.get(name), 'column')));
  const node = field.arguments.get('distinct');
  const distinct = node !== undefined && planBoolean(planning, literal(node), at('distinct'));
  const cells = columns.map((column) => cellOf(planning, rows, column));
  return { kind: 'count', key: field.key, cells, distinct: distinct && cells.length > 0 };
}

interface Called {
  readonly called: AggregateFunction;
  readonly columns: readonly Column[];
  readonly computed: readonly ComputedValue[];
}

function operandsOf({ catalog }: Planning, { view }: Rows, called: AggregateFunction): Called {
  const fields = visibleComputedFields(catalog, view).map(({ field }) => field);
  return { called, columns: columnsFor(called, view.columns), computed: computedFor(called, fields) };
}

function planFunction(
  planning: Planning,
  rows: Rows,
  field: CollectedField,
  { called, columns, computed }: Called,
): AggregateValue {
  checkArguments(field, []);
  const operandOf = (part: CollectedField): SelectedValue | null => {
    const column = columns.find((candidate) => candidate.field === part.name);
    if (column !== undefined) return { column, rest: part };
    return computed.some(({ name }) => name === part.name) ? selectedValue(planning, rows, part) : null;
  };
  const type = rows.view.table.derivedType(`_${called}_fields`);
  const of = collectFields(planning, field.sets, type, field.at).map((part) => {
    const typename = planTypename(part, type);
    if (typename !== null) return typename;
    const operand = operandOf(part);
    if (operand === null) throw unknownField(part, type);
    const { column, rest } = operand;
    checkArguments(rest, []);
    checkIsLeaf(part);
    rows.place.read(column);
    return { kind: 'column' as const, key: part.key, ...cellOf(planning, rows, column) };
  });
  return { kind: 'function', key: field.key, function: called, of };
}
