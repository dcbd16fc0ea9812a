import { TEXT } from '../catalog/built-in-types.ts';
import type { Column, ColumnType } from '../catalog/catalog.ts';
import { type OperandType, operandType, scalarOperandType } from '../catalog/operand-type.ts';
import { type Operator, operatorsOf } from '../catalog/operators.ts';
import { ruleOperator } from '../catalog/rule-operator.ts';
import { isSessionVariable, ruleText } from '../catalog/rule-value.ts';
import { arrayLiteral } from '../core/array-literal.ts';
import { unreachable } from '../core/assert.ts';
import type { Json } from '../core/json-text.ts';
import { isRecord } from './input.ts';
import type { Operand, Predicate, ScalarComparison } from './plan.ts';
import { and, FALSE } from './predicates.ts';
import { brokenRule, type RuleContext } from './rule-context.ts';

/** One operator of a permission rule: `_eq` or `$eq`, with a value, a session variable or another column. */
export function planRuleOperator(context: RuleContext, column: Column, key: string, value: Json): Predicate {
  const meant = ruleOperator(key);
  context.place.read(column);
  if (meant === null) throw unknownOperator(context, key);
  switch (meant.kind) {
    case 'is-null':
      return { ...isNull(context, value), column };
    case 'cast':
      return planCast(context, column, value);
    case 'columns':
      return compareColumns(context, column, meant.operator, value);
    case 'compare':
      return compare(context, column, meant.operator, value);
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
  const given = operand(context, scalarOperandType(operator, type), value);
  return [{ kind: 'compare', operator, value: given, cast: false }];
}

function compare(context: RuleContext, column: Column, operator: Operator, value: Json): Predicate {
  const isEquality = operator === 'eq' || operator === 'neq';
  if (value === null) return isEquality ? { kind: 'is-null', column, negated: operator === 'neq' } : FALSE;
  const operandOf = operand(context, operandType(operator, column), value);
  return {
    kind: 'compare',
    column,
    operator,
    value: operandOf,
    nullSafe: isEquality && !column.notNull,
    cast: false,
  };
}

function isNull(context: RuleContext, value: Json): ScalarComparison & { readonly kind: 'is-null' } {
  if (typeof value === 'boolean') return { kind: 'is-null', negated: !value };
  throw brokenRule(context.place.table, '_is_null takes true or false');
}

/** `_cast: {String: {…}}` compares the column's text form. */
function planCast(context: RuleContext, column: Column, value: Json): Predicate {
  return and(
    textTests(context, value).map((test): Predicate => {
      return test.kind === 'is-null' ? { ...test, column } : { ...test, column, nullSafe: false };
    }),
  );
}

function textTests(context: RuleContext, value: Json): readonly ScalarComparison[] {
  const compare = (key: string, member: Json): ScalarComparison => {
    const meant = ruleOperator(key);
    if (meant?.kind === 'is-null') return isNull(context, member);
    if (meant?.kind !== 'compare' || member === null) throw unknownOperator(context, key);
    const { operator } = meant;
    const given = operand(context, scalarOperandType(operator, TEXT), member);
    return { kind: 'compare', operator, value: given, cast: true };
  };
  const parts = isRecord(value) ? Object.values(value) : [];
  return parts
    .flatMap((operators) => (isRecord(operators) ? Object.entries(operators) : []))
    .map(([key, member]) => compare(key, member as Json));
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

function operand(context: RuleContext, what: OperandType, value: Json): Operand {
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
  if (!elements.some(isSessionVariable)) return params.constant(arrayLiteral(elements.map(text)), what);
  const parts = elements.map((element) =>
    isSessionVariable(element) ? { session: element } : { text: text(element) },
  );
  return params.sessionList(parts, type);
}
