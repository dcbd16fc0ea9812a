import type { Column, ColumnType } from '../catalog/catalog.ts';
import type { Json } from '../core/json-text.ts';
import { arrayText, encodeScalar } from './encode.ts';
import { isRecord } from './input.ts';
import { operandType, operatorNamed } from './operand-type.ts';
import { baseType, operatorsOf } from './operators.ts';
import type { Operand, Operator, Predicate, ScalarComparison } from './plan.ts';
import { and, FALSE, TRUE } from './predicates.ts';
import { brokenRule, type RuleContext } from './rule-context.ts';
import { TEXT } from './types.ts';

const COLUMN_OPERATORS: ReadonlyMap<string, Operator> = new Map([
  ['ceq', 'eq'],
  ['cne', 'neq'],
  ['cneq', 'neq'],
  ['cgt', 'gt'],
  ['clt', 'lt'],
  ['cgte', 'gte'],
  ['clte', 'lte'],
]);
const OTHER_SPELLINGS: ReadonlyMap<string, string> = new Map([['ne', 'neq']]);
const SESSION_VARIABLE = /^x-hasura-/i;

/** One operator of a permission rule: `_eq` or `$eq`, with a value, a session variable or another column. */
export function planRuleOperator(context: RuleContext, column: Column, key: string, value: Json): Predicate {
  const { table } = context.place;
  const bare = key.slice(1);
  const name = OTHER_SPELLINGS.get(bare) ?? bare;
  context.place.read(column);
  if (name === 'is_null') return isNull(context, column, value);
  if (name === 'cast') return planCast(context, column, value);
  const columnOperator = COLUMN_OPERATORS.get(name);
  if (columnOperator !== undefined) return compareColumns(context, column, columnOperator, value);
  const operator = operatorNamed(name);
  if (operator === null) throw brokenRule(table, `unknown operator "${key}"`);
  return compare(context, column, operator, value);
}

/** One comparison of a computed value in a permission rule. */
export function planRuleScalar(
  context: RuleContext,
  type: ColumnType,
  key: string,
  value: Json,
): ScalarComparison {
  const name = OTHER_SPELLINGS.get(key.slice(1)) ?? key.slice(1);
  if (name === 'is_null' && typeof value === 'boolean') return { kind: 'is-null', negated: !value };
  const operator = operatorNamed(name);
  if (operator === null || value === null || !operatorsOf(type).includes(operator))
    throw brokenRule(context.place.table, `"${key}" does not compare an aggregate`);
  const list = operator === 'in' || operator === 'nin';
  return { kind: 'compare', operator, value: operand(context, { type, list }, value) };
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

function isNull(context: RuleContext, column: Column, value: Json): Predicate {
  if (typeof value === 'boolean') return { kind: 'is-null', column, negated: !value };
  throw brokenRule(context.place.table, '_is_null takes true or false');
}

/** `_cast: {String: {…}}` compares the column's text form. */
function planCast(context: RuleContext, column: Column, value: Json): Predicate {
  const inner = isRecord(value) ? Object.values(value) : [];
  if (inner.length === 0) return TRUE;
  const compare = (key: string, member: Json): Predicate => {
    const operator = operatorNamed(key.slice(1));
    if (operator === null || member === null)
      throw brokenRule(context.place.table, `unknown operator "${key}"`);
    const type = { type: TEXT, list: operator === 'in' || operator === 'nin' };
    return {
      kind: 'compare',
      column,
      operator,
      value: operand(context, type, member),
      nullSafe: false,
      cast: true,
    };
  };
  const parts = inner.flatMap((operators) => (isRecord(operators) ? Object.entries(operators) : []));
  return and(parts.map(([key, member]) => compare(key, member as Json)));
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

function operand(
  context: RuleContext,
  type: { readonly type: ColumnType; readonly list: boolean },
  value: Json,
): Operand {
  const { params } = context.planning;
  if (isSession(value)) return params.session(value, type);
  if (!type.list) return params.constant(ruleText(type.type, value), type);
  const elements: readonly Json[] = Array.isArray(value) ? value : [value];
  const text = (element: Json): string => ruleText(type.type, element);
  if (!elements.some(isSession)) return params.constant(arrayText(elements.map(text)), type);
  const parts = elements.map((element) =>
    isSession(element) ? { session: element } : { text: text(element) },
  );
  return params.sessionList(parts, type.type);
}

function isSession(value: Json): value is string {
  return typeof value === 'string' && SESSION_VARIABLE.test(value);
}

/** Metadata quotes numbers and booleans as it likes: Postgres reads them from their text. */
function ruleText(type: ColumnType, value: Json): string {
  const isJson = baseType(type).name === 'json' || baseType(type).name === 'jsonb';
  return typeof value === 'string' && !isJson && type.kind !== 'array'
    ? value
    : encodeScalar(type, value, '$');
}
