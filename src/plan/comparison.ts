import { TEXT } from '../catalog/built-in-types.ts';
import type { Column, ColumnType } from '../catalog/catalog.ts';
import { operandType, operatorWhere, scalarOperandType } from '../catalog/operand-type.ts';
import type { Operator } from '../catalog/operators.ts';
import {
  castTypeName,
  comparisonTypeName,
  hasTextCast,
  operatorsOf,
  operatorsOfColumn,
  TEXT_CAST_OPERATORS,
} from '../catalog/operators.ts';
import type { Spelling } from '../catalog/spelling.ts';
import { mismatch } from './encode.ts';
import { enumerationOf } from './enumeration.ts';
import { elementsOf, type Input, membersOf, valueOf } from './input.ts';
import { locationOf, planOperand } from './operand.ts';
import type { ValueType } from './params.ts';
import { cellGuard, guardedCondition } from './permit.ts';
import type { Predicate, ScalarComparison } from './plan.ts';
import { inside, type Planning, type Position, type Rows } from './planning.ts';
import { and, FALSE, TRUE } from './predicates.ts';
import { notFound } from './problem.ts';

/** A column that a condition speaks of. */
export interface ColumnAt extends Rows {
  readonly column: Column;
}

/** The comparisons of one column: `{_eq: 1, _is_null: false}`. */
export function planComparisons(
  planning: Planning,
  target: ColumnAt,
  given: Input,
  at: ComparisonAt,
): Predicate {
  const { column, place } = target;
  const enumeration = enumerationOf(planning.catalog, place.table, column);
  const { spelling } = place.table;
  const type = spelling.type(
    enumeration === null ? comparisonTypeName(column.type) : `${enumeration.name}_comparison_exp`,
  );
  const input = planning.variables.open(given, type, at.path);
  const members = membersOf(input);
  if (members === null) throw mismatch(at.path, 'an object', type, valueOf(input));
  place.read(column);
  const comparisons = members.map(([name, member]) => {
    const here = inside(planning, at, name);
    const condition = planComparison(planning, target, {
      name,
      member,
      at: { ...here, negated: at.negated },
    });
    if (condition === null) throw notFound(at.path, name, type);
    return condition;
  });
  return and(comparisons);
}

/** A boolean member (`_is_null`, `distinct`): part of the plan, never a parameter. */
export function planBoolean(planning: Planning, given: Input, at: Position): boolean {
  const value = valueOf(planning.variables.open(given, 'Boolean', at.path));
  if (typeof value === 'boolean') return value;
  throw mismatch(at.path, 'a boolean', 'Boolean', value);
}

type ComparisonAt = Position & { readonly negated: boolean };

interface Member {
  readonly name: string;
  readonly member: Input;
  readonly at: ComparisonAt;
}

function planComparison(
  planning: Planning,
  target: ColumnAt,
  { name, member, at }: Member,
): Predicate | null {
  const { column, place } = target;
  const { spelling } = place.table;
  if (name === spelling.field('_is_null')) return planIsNull(planning, target, member, at);
  const enumeration = enumerationOf(planning.catalog, place.table, column);
  if (name === '_cast' && enumeration === null && hasTextCast(column.type))
    return planCast(planning, target, member, at);
  const operator = operatorOf(name, spelling);
  if (operator === null || !operatorsOfColumn(column).includes(operator)) return null;
  const value = { ...operandType(operator, column), enumeration };
  return compare(planning, target, { operator, input: member, value, at, cast: false });
}

function planIsNull(planning: Planning, target: ColumnAt, given: Input, at: ComparisonAt): Predicate {
  const { column } = target;
  return guarded(
    planning,
    target,
    { kind: 'is-null', column, negated: !planBoolean(planning, given, at) },
    at,
  );
}

function guarded(planning: Planning, target: ColumnAt, condition: Predicate, at: ComparisonAt): Predicate {
  return guardedCondition(cellGuard(planning, target, target.column), condition, at.negated);
}

/** `{String: {_like: …}}`: the column's text form is compared. */
function planCast(planning: Planning, target: ColumnAt, given: Input, at: ComparisonAt): Predicate {
  const type = target.place.table.spelling.type(castTypeName(target.column.type));
  const input = planning.variables.open(given, type, at.path);
  const members = membersOf(input);
  if (members === null) throw mismatch(at.path, 'an object', type, valueOf(input));
  return and(
    members.map(([name, member]) => {
      if (name !== 'String') throw notFound(at.path, name, type);
      const here = { ...inside(planning, at, name), negated: at.negated };
      return planTextComparisons(planning, target, member, here);
    }),
  );
}

function planTextComparisons(
  planning: Planning,
  target: ColumnAt,
  given: Input,
  at: ComparisonAt,
): Predicate {
  const { spelling } = target.place.table;
  const type = spelling.type(comparisonTypeName(TEXT));
  const input = planning.variables.open(given, type, at.path);
  const members = membersOf(input);
  if (members === null) throw mismatch(at.path, 'an object', type, valueOf(input));
  return and(
    members.map(([name, member]) => {
      const here = { ...inside(planning, at, name), negated: at.negated };
      if (name === spelling.field('_is_null')) return planIsNull(planning, target, member, here);
      const operator = operatorOf(name, spelling);
      if (operator === null || !TEXT_CAST_OPERATORS.includes(operator)) throw notFound(at.path, name, type);
      const value = { ...scalarOperandType(operator, TEXT), enumeration: null };
      return compare(planning, target, { operator, input: member, value, at: here, cast: true });
    }),
  );
}

/** A value computed from a table's rows, that a condition compares. */
export interface ComputedValue {
  readonly type: ColumnType;
  readonly spelling: Spelling;
}

/** The comparisons of a computed value. */
export function planScalarComparisons(
  planning: Planning,
  computed: ComputedValue,
  given: Input,
  at: Position,
): readonly ScalarComparison[] {
  const name = computed.spelling.type(comparisonTypeName(computed.type));
  const input = planning.variables.open(given, `${name}!`, at.path);
  return scalarComparisons(planning, computed, input, at);
}

function scalarComparisons(
  planning: Planning,
  computed: ComputedValue,
  input: Input,
  at: Position,
): readonly ScalarComparison[] {
  const { type, spelling } = computed;
  const name = spelling.type(comparisonTypeName(type));
  const members = membersOf(input);
  if (members === null) throw mismatch(at.path, 'an object', name, valueOf(input));
  return members.flatMap(([member, value]): readonly ScalarComparison[] => {
    const here = inside(planning, at, member);
    if (member === spelling.field('_is_null'))
      return [{ kind: 'is-null', negated: !planBoolean(planning, value, here) }];
    if (member === '_cast' && hasTextCast(type)) return scalarCast(planning, computed, value, here);
    const operator = operatorOf(member, spelling);
    if (operator === null || !operatorsOf(type).includes(operator)) throw notFound(at.path, member, name);
    const operand = planOperand(
      planning,
      value,
      { ...scalarOperandType(operator, type), enumeration: null },
      here,
    );
    return [{ kind: 'compare', operator, value: operand, cast: false }];
  });
}

function scalarCast(
  planning: Planning,
  { type, spelling }: ComputedValue,
  given: Input,
  at: Position,
): readonly ScalarComparison[] {
  const name = spelling.type(castTypeName(type));
  const input = planning.variables.open(given, name, at.path);
  const members = membersOf(input);
  if (members === null) throw mismatch(at.path, 'an object', name, valueOf(input));
  const text = { type: TEXT, spelling };
  return members.flatMap(([member, value]) => {
    if (member !== 'String') throw notFound(at.path, member, name);
    const here = inside(planning, at, member);
    const opened = planning.variables.open(value, spelling.type(comparisonTypeName(TEXT)), here.path);
    return scalarComparisons(planning, text, opened, here).map((one) =>
      one.kind === 'compare' ? { ...one, cast: true } : one,
    );
  });
}

interface Comparison {
  readonly operator: Operator;
  readonly input: Input;
  readonly value: ValueType;
  readonly at: ComparisonAt;
  readonly cast: boolean;
}

/** What a comparison with the elements of an empty list says of every cell, of a null or hidden one too. */
const WITH_NONE: Partial<Readonly<Record<Operator, Predicate>>> = {
  in: FALSE,
  nin: TRUE,
  ancestor_any: FALSE,
  descendant_any: FALSE,
};

function compare(
  planning: Planning,
  target: ColumnAt,
  { operator, input, value, at, cast }: Comparison,
): Predicate {
  const operand = planOperand(planning, input, value, at);
  const withNone = WITH_NONE[operator];
  const opened = planning.variables.open(input, locationOf(value), at.path);
  if (withNone !== undefined && elementsOf(opened)?.length === 0) return withNone;
  const { column } = target;
  const condition: Predicate = { kind: 'compare', column, operator, value: operand, nullSafe: false, cast };
  return guarded(planning, target, condition, at);
}

function operatorOf(name: string, spelling: Spelling): Operator | null {
  return operatorWhere((operator) => spelling.field(`_${operator}`) === name);
}
