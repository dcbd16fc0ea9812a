import { TEXT } from '../../catalog/built-in-types.ts';
import type { Column, ColumnType } from '../../catalog/catalog.ts';
import {
  isObjectOperand,
  type OperandType,
  operandOf,
  plainOperand,
  scalarOperandType,
} from '../../catalog/conditions/operand-type.ts';
import { castsOf, type Operator, operatorsOf } from '../../catalog/conditions/operators.ts';
import { operatorsIn, ruleOperator } from '../../catalog/conditions/rule-operator.ts';
import { isSessionVariable, ruleText } from '../../catalog/conditions/rule-value.ts';
import type { ObjectOperand } from '../../catalog/conditions/spatial-operators.ts';
import { arrayLiteral } from '../../core/array-literal.ts';
import { must, unreachable } from '../../core/assert.ts';
import type { Json, JsonObject } from '../../core/json-text.ts';
import type { Operand, Predicate, ScalarComparison } from '../plan.ts';
import { and, FALSE } from '../predicates.ts';
import { isLong, isRecord } from '../value/input.ts';
import { brokenRule, type RuleContext } from './context.ts';

/** One operator of a permission rule: `_eq` or `$eq`, with a value, a session variable or another column. */
export function planRuleOperator(context: RuleContext, column: Column, key: string, value: Json): Predicate {
  context.place.read(column);
  return planOperator(context, { column, cast: null }, key, value);
}

/** A column as what it is, or as what it is cast to. */
interface Compared {
  readonly column: Column;
  readonly cast: ColumnType | null;
}

function planOperator(context: RuleContext, compared: Compared, key: string, value: Json): Predicate {
  const meant = ruleOperator(key);
  const { column, cast } = compared;
  if (meant === null || (meant.kind === 'columns' && cast !== null)) throw unknownOperator(context, key);
  switch (meant.kind) {
    case 'is-null':
      return { ...isNull(context, value), column };
    case 'cast':
      return planCast(context, compared, value);
    case 'columns':
      return compareColumns(context, column, meant.operator, value);
    case 'compare':
      return compare(context, compared, meant.operator, value);
    default:
      return unreachable(meant);
  }
}

function unknownOperator({ place }: RuleContext, key: string): Error {
  return brokenRule(place.table, `unknown operator "${key}"`);
}

/** The comparisons of a computed value in a permission rule that one operator stands for. */
export function planRuleScalar(
  context: RuleContext,
  type: ColumnType,
  key: string,
  value: Json,
): readonly ScalarComparison[] {
  const meant = ruleOperator(key);
  if (meant?.kind === 'is-null' && typeof value === 'boolean') return [{ kind: 'is-null', negated: !value }];
  if (meant?.kind === 'cast') return textTests(context, value);
  if (meant?.kind !== 'compare' || value === null || !operatorsOf(type).includes(meant.operator))
    throw brokenRule(context.place.table, `"${key}" does not compare an aggregate`);
  const { operator } = meant;
  const given = single(context, scalarOperandType(operator, type), value);
  return [{ kind: 'compare', operator, value: given, cast: null }];
}

function compare(
  context: RuleContext,
  { column, cast }: Compared,
  operator: Operator,
  value: Json,
): Predicate {
  const isEquality = operator === 'eq' || operator === 'neq';
  if (value === null) return isEquality ? { kind: 'is-null', column, negated: operator === 'neq' } : FALSE;
  const nullSafe = cast === null && isEquality && !column.notNull;
  const operand = operandOf(operator, cast ?? column.type);
  const [first, ...also] = isObjectOperand(operand)
    ? objectOperands(context, operand, value)
    : [single(context, operand, value)];
  return { kind: 'compare', column, operator, value: must(first, 'an operand'), also, nullSafe, cast };
}

function objectOperands(context: RuleContext, { members }: ObjectOperand, value: Json): readonly Operand[] {
  const given = isRecord(value) ? (value as JsonObject) : {};
  return members.flatMap(({ name, type }) => {
    const member = given[name];
    return member === undefined ? [] : [single(context, plainOperand(type), member)];
  });
}

function isNull(context: RuleContext, value: Json): ScalarComparison & { readonly kind: 'is-null' } {
  if (typeof value === 'boolean') return { kind: 'is-null', negated: !value };
  throw brokenRule(context.place.table, '_is_null takes true or false');
}

/** `_cast: {String: {…}}` compares the column's text form. */
function planCast(context: RuleContext, { column, cast: from }: Compared, value: Json): Predicate {
  const casts = castsOf(from ?? column.type);
  return and(
    operatorsIn(value).flatMap(([name, operators]) => {
      const cast = casts.find(({ scalar }) => scalar === name);
      if (cast === undefined) throw unknownOperator(context, name);
      return operatorsIn(operators).map(([key, member]) =>
        planOperator(context, { column, cast }, key, member),
      );
    }),
  );
}

function textTests(context: RuleContext, value: Json): readonly ScalarComparison[] {
  const compare = (key: string, member: Json): ScalarComparison => {
    const meant = ruleOperator(key);
    if (meant?.kind === 'is-null') return isNull(context, member);
    if (meant?.kind !== 'compare' || member === null) throw unknownOperator(context, key);
    const { operator } = meant;
    const given = single(context, scalarOperandType(operator, TEXT), member);
    return { kind: 'compare', operator, value: given, cast: TEXT };
  };
  return operatorsIn(value)
    .flatMap(([, operators]) => operatorsIn(operators))
    .map(([key, member]) => compare(key, member));
}

/** `col`, `[col]` or, for a column of the table the rule belongs to, `[$, col]`. */
function compareColumns(context: RuleContext, column: Column, operator: Operator, value: Json): Predicate {
  const path: readonly Json[] = Array.isArray(value) ? value : [value];
  const place = path[0] === '$' ? context.root : context.place;
  const name = path[0] === '$' ? path[1] : path[0];
  const other =
    typeof name === 'string'
      ? (place.table.columnByName.get(name) ?? place.table.columnByField.get(name))
      : undefined;
  if (other === undefined || path.length > 2)
    throw brokenRule(context.place.table, 'a column comparison names no column');
  return { kind: 'compare-columns', column, operator, other: { table: place.id, column: place.read(other) } };
}

function single(context: RuleContext, what: OperandType, value: Json): Operand {
  const { type, list } = what;
  const { params } = context.planning;
  const text = (constant: Json): string => {
    const read = ruleText(type, constant);
    if (read === null) throw brokenRule(context.place.table, `a constant is no ${type.sql}`);
    return read;
  };
  if (isSessionVariable(value)) return params.session(value, what);
  if (!list) return params.constant(text(value), what);
  const elements: readonly Json[] = Array.isArray(value) ? value : [value];
  if (!elements.some(isSessionVariable))
    return params.constant(arrayLiteral(elements.map(text)), { ...what, long: isLong(elements) });
  const parts = elements.map((element) =>
    isSessionVariable(element) ? { session: element } : { text: text(element) },
  );
  return params.sessionList(parts, type);
}
