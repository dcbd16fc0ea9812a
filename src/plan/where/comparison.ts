import { TEXT } from '../../catalog/built-in-types.ts';
import type { Column, ColumnType } from '../../catalog/catalog.ts';
import {
  isObjectOperand,
  operandOf,
  operatorWhere,
  scalarOperandType,
} from '../../catalog/conditions/operand-type.ts';
import type { Operator } from '../../catalog/conditions/operators.ts';
import {
  castsOf,
  castTypeName,
  comparisonTypeName,
  operatorsOf,
  operatorsOfColumn,
} from '../../catalog/conditions/operators.ts';
import type { Spelling } from '../../catalog/spelling.ts';
import { must } from '../../core/assert.ts';
import { enumerationOf } from '../argument/enumeration.ts';
import { locationOf, planObjectOperand, planOperand } from '../argument/operand.ts';
import type { ValueType } from '../params.ts';
import type { Comparison, Predicate, ScalarComparison } from '../plan.ts';
import { type ConditionAt, inside, type Planning, type Position, type Rows } from '../planning.ts';
import { and, FALSE, TRUE } from '../predicates.ts';
import { notFound } from '../problem.ts';
import { cellGuard, guardedCondition } from '../rule/permit.ts';
import { type Enumeration, mismatch } from '../value/encode.ts';
import { type Input, isEmptyList, valueOf } from '../value/input.ts';
import { objectMembers } from '../value/object-input.ts';

/** A column that a condition speaks of. */
export interface ColumnAt extends Rows {
  readonly column: Column;
}

/** The comparisons of one column: `{_eq: 1, _is_null: false}`. */
export function planComparisons(
  planning: Planning,
  target: ColumnAt,
  given: Input,
  at: ConditionAt,
): Predicate {
  target.place.read(target.column);
  return planMembers(planning, { ...target, cast: null }, given, at);
}

/** A column as what it is, or as what it is cast to. */
interface Compared extends ColumnAt {
  readonly cast: ColumnType | null;
}

function planMembers(planning: Planning, target: Compared, given: Input, at: ConditionAt): Predicate {
  const { spelling } = target.place.table;
  const enumeration = enumerationAt(planning, target);
  const type = spelling.type(
    enumeration === null ? comparisonTypeName(typeOf(target)) : `${enumeration.name}_comparison_exp`,
  );
  const input = planning.variables.open(given, type, at.path);
  const members = objectMembers(input, type, at.path);
  const comparisons = members.map(([name, member]) => {
    const condition = planComparison(planning, target, { name, member, at: inside(planning, at, name) });
    if (condition === null) throw notFound(at.path, name, type);
    return condition;
  });
  return and(comparisons);
}

function typeOf({ column, cast }: Compared): ColumnType {
  return cast ?? column.type;
}

function enumerationAt(planning: Planning, { place, column, cast }: Compared): Enumeration | null {
  return cast === null ? enumerationOf(planning.catalog, place.table, column) : null;
}

/** A boolean member (`_is_null`, `distinct`): part of the plan, never a parameter. */
export function planBoolean(planning: Planning, given: Input, at: Position): boolean {
  const value = valueOf(planning.variables.open(given, 'Boolean', at.path));
  if (typeof value === 'boolean') return value;
  throw mismatch(at.path, 'a boolean', 'Boolean', value);
}

interface Member {
  readonly name: string;
  readonly member: Input;
  readonly at: ConditionAt;
}

function planComparison(
  planning: Planning,
  target: Compared,
  { name, member, at }: Member,
): Predicate | null {
  const { column, cast, place } = target;
  const { spelling } = place.table;
  if (name === spelling.field('_is_null')) return planIsNull(planning, target, member, at);
  const type = typeOf(target);
  const enumeration = enumerationAt(planning, target);
  if (name === '_cast' && enumeration === null && castsOf(type).length > 0)
    return planCast(planning, target, member, at);
  const operator = operatorOf(name, spelling);
  const offered = cast === null ? operatorsOfColumn(column) : operatorsOf(cast);
  if (operator === null || !offered.includes(operator)) return null;
  const operand = operandOf(operator, type);
  if (isObjectOperand(operand)) {
    const [value, ...also] = planObjectOperand(planning, operand, member, at);
    return compared(planning, target, { operator, value: must(value, 'an operand'), also }, at);
  }
  return compare(planning, target, { operator, input: member, value: { ...operand, enumeration }, at });
}

function planIsNull(planning: Planning, target: ColumnAt, given: Input, at: ConditionAt): Predicate {
  const { column } = target;
  return guarded(
    planning,
    target,
    { kind: 'is-null', column, negated: !planBoolean(planning, given, at) },
    at,
  );
}

function guarded(planning: Planning, target: ColumnAt, condition: Predicate, at: ConditionAt): Predicate {
  return guardedCondition(cellGuard(planning, target, target.column), condition, at.negated);
}

/** `{String: {_like: …}}`: the column is compared as a value of another type. */
function planCast(planning: Planning, target: Compared, given: Input, at: ConditionAt): Predicate {
  const from = typeOf(target);
  const type = target.place.table.spelling.type(castTypeName(from));
  const input = planning.variables.open(given, type, at.path);
  const members = objectMembers(input, type, at.path);
  return and(
    members.map(([name, member]) => {
      const cast = castsOf(from).find(({ scalar }) => scalar === name);
      if (cast === undefined) throw notFound(at.path, name, type);
      return planMembers(planning, { ...target, cast }, member, inside(planning, at, name));
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
  const members = objectMembers(input, name, at.path);
  return members.flatMap(([member, value]): readonly ScalarComparison[] => {
    const here = inside(planning, at, member);
    if (member === spelling.field('_is_null'))
      return [{ kind: 'is-null', negated: !planBoolean(planning, value, here) }];
    if (member === '_cast' && castsOf(type).length > 0) return scalarCast(planning, computed, value, here);
    const operator = operatorOf(member, spelling);
    if (operator === null || !operatorsOf(type).includes(operator)) throw notFound(at.path, member, name);
    const operand = planOperand(
      planning,
      value,
      { ...scalarOperandType(operator, type), enumeration: null },
      here,
    );
    return [{ kind: 'compare', operator, value: operand, cast: null }];
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
  const members = objectMembers(input, name, at.path);
  const text = { type: TEXT, spelling };
  return members.flatMap(([member, value]) => {
    if (member !== 'String') throw notFound(at.path, member, name);
    const here = inside(planning, at, member);
    const opened = planning.variables.open(value, spelling.type(comparisonTypeName(TEXT)), here.path);
    return scalarComparisons(planning, text, opened, here).map((one) =>
      one.kind === 'compare' ? { ...one, cast: TEXT } : one,
    );
  });
}

interface SingleValue {
  readonly operator: Operator;
  readonly input: Input;
  readonly value: ValueType;
  readonly at: ConditionAt;
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
  target: Compared,
  { operator, input, value, at }: SingleValue,
): Predicate {
  const operand = planOperand(planning, input, value, at);
  const withNone = WITH_NONE[operator];
  const opened = planning.variables.open(input, locationOf(value), at.path);
  if (withNone !== undefined && isEmptyList(opened)) return withNone;
  return compared(planning, target, { operator, value: operand }, at);
}

function compared(
  planning: Planning,
  target: Compared,
  given: Pick<Comparison, 'operator' | 'value' | 'also'>,
  at: ConditionAt,
): Predicate {
  const { column, cast } = target;
  return guarded(planning, target, { kind: 'compare', column, ...given, nullSafe: false, cast }, at);
}

function operatorOf(name: string, spelling: Spelling): Operator | null {
  return operatorWhere((operator) => spelling.field(`_${operator}`) === name);
}
