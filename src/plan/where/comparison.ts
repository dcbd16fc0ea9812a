import type { ColumnType } from '../../catalog/catalog.ts';
import { isObjectOperand, operandOf, operatorWhere } from '../../catalog/conditions/operand-type.ts';
import {
  castsOf,
  castTypeName,
  comparisonTypeName,
  type Operator,
  operatorsOf,
  operatorsOfColumn,
} from '../../catalog/conditions/operators.ts';
import type { Spelling } from '../../catalog/part/spelling.ts';
import { must } from '../../core/assert.ts';
import { enumerationOf } from '../argument/enumeration.ts';
import { openMembers } from '../argument/members.ts';
import { locationOf, planObjectOperand, planOperand } from '../argument/operand.ts';
import { planBoolean } from '../argument/planned-value.ts';
import type { Predicate, Test } from '../plan.ts';
import { type ConditionAt, inside, type Planning, type Position } from '../planning.ts';
import { and, FALSE, TRUE } from '../predicates.ts';
import { notFound } from '../problem.ts';
import { type ColumnAt, guarded } from '../rule/permit.ts';
import type { Enumeration } from '../value/encode.ts';
import { type Input, isEmptyList } from '../value/input.ts';

/** The result of comparing with an empty list. It is the same for every cell, even a null or hidden one. */
const WITH_NONE: Partial<Readonly<Record<Operator, Predicate>>> = {
  in: FALSE,
  nin: TRUE,
  ancestor_any: FALSE,
  descendant_any: FALSE,
};

/** The comparisons of one column: `{_eq: 1, _is_null: false}`. */
export function planColumn(planning: Planning, target: ColumnAt, given: Input, at: ConditionAt): Predicate {
  const { column, place } = target;
  const { table } = place;
  place.read(column);
  const compared: Compared<Predicate> = {
    type: column.type,
    cast: null,
    enumeration: enumerationOf(planning.catalog, table, column),
    operators: operatorsOfColumn(column),
    spelling: table.spelling,
    finish: (test, withNone) => {
      const known = withNone && test.kind === 'compare' ? WITH_NONE[test.operator] : undefined;
      if (known !== undefined) return known;
      return guarded(planning, target, { ...test, column }, at.negated);
    },
  };
  return and(planMembers(planning, compared, given, at));
}

/** The comparisons of an aggregate. */
export function planTests(
  planning: Planning,
  { type, spelling }: Pick<Compared<Test>, 'type' | 'spelling'>,
  given: Input,
  at: Position,
): readonly Test[] {
  const input = planning.variables.open(given, `${spelling.type(comparisonTypeName(type))}!`, at.path);
  const compared: Compared<Test> = {
    type,
    cast: null,
    enumeration: null,
    operators: operatorsOf(type),
    spelling,
    finish: (test) => test,
  };
  return planMembers(planning, compared, input, at);
}

/** The left side of comparisons: a column or an aggregate, perhaps cast. `Condition` is what a comparison becomes. */
interface Compared<Condition> {
  readonly type: ColumnType;
  readonly cast: ColumnType | null;
  readonly enumeration: Enumeration | null;
  readonly operators: readonly Operator[];
  readonly spelling: Spelling;
  /** Turns one test into a condition. `withNone`: it compares with the elements of an empty list. */
  readonly finish: (test: Test, withNone: boolean) => Condition;
}

function planMembers<Condition>(
  planning: Planning,
  compared: Compared<Condition>,
  given: Input,
  at: Position,
): readonly Condition[] {
  const { type, enumeration, spelling, operators, finish } = compared;
  const typeName = spelling.type(
    enumeration === null ? comparisonTypeName(type) : `${enumeration.name}_comparison_exp`,
  );
  return openMembers(planning, given, typeName, at).flatMap(([name, member]) => {
    const here = inside(planning, at, name);
    if (name === spelling.field('_is_null'))
      return [finish({ kind: 'is-null', negated: !planBoolean(planning, member, here) }, false)];
    if (name === '_cast' && enumeration === null && castsOf(type).length > 0)
      return planCast(planning, compared, member, here);
    const operator = operatorWhere((known) => spelling.field(`_${known}`) === name);
    if (operator === null || !operators.includes(operator)) throw notFound(at.path, name, typeName);
    return [planComparison(planning, compared, { operator, input: member, at: here })];
  });
}

/** `{String: {_like: …}}`: casts the value to another type and compares that. */
function planCast<Condition>(
  planning: Planning,
  compared: Compared<Condition>,
  given: Input,
  at: Position,
): readonly Condition[] {
  const { type, spelling } = compared;
  const typeName = spelling.type(castTypeName(type));
  return openMembers(planning, given, typeName, at).flatMap(([name, member]) => {
    const cast = castsOf(type).find(({ scalar }) => scalar === name);
    if (cast === undefined) throw notFound(at.path, name, typeName);
    const casted = { ...compared, type: cast, cast, operators: operatorsOf(cast) };
    return planMembers(planning, casted, member, inside(planning, at, name));
  });
}

interface GivenOperand {
  readonly operator: Operator;
  readonly input: Input;
  readonly at: Position;
}

function planComparison<Condition>(
  planning: Planning,
  { type, cast, enumeration, finish }: Compared<Condition>,
  { operator, input, at }: GivenOperand,
): Condition {
  const operand = operandOf(operator, type);
  if (isObjectOperand(operand)) {
    const [value, ...also] = planObjectOperand(planning, operand, input, at);
    return finish({ kind: 'compare', operator, value: must(value, 'an operand'), also, cast }, false);
  }
  const what = { ...operand, enumeration };
  const value = planOperand(planning, input, what, at);
  const withNone = isEmptyList(planning.variables.open(input, locationOf(what), at.path));
  return finish({ kind: 'compare', operator, value, also: [], cast }, withNone);
}
