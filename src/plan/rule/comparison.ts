import type { Column, ColumnType } from '../../catalog/catalog.ts';
import {
  isObjectOperand,
  type OperandType,
  operandOf,
  plainOperand,
} from '../../catalog/conditions/operand-type.ts';
import type { Operator } from '../../catalog/conditions/operators.ts';
import { operatorsIn, ruleCast, ruleOperator } from '../../catalog/conditions/rule-operator.ts';
import { ruleText, sessionVariable } from '../../catalog/conditions/rule-value.ts';
import type { ObjectOperand } from '../../catalog/conditions/spatial-operators.ts';
import { must } from '../../core/assert.ts';
import { isRecord } from '../../core/json/is-record.ts';
import type { Json } from '../../core/json/json-text.ts';
import { arrayLiteral } from '../../core/postgres/array-literal.ts';
import type { Operand, Predicate, Test } from '../plan.ts';
import { and, or, UNKNOWN } from '../predicates.ts';
import { isLong } from '../value/input.ts';
import { brokenRule, type RuleContext } from './context.ts';

/** The comparisons of one column: `{_eq: …}`, `{$eq: …}` or a bare value, which means `_eq`. */
export function planRuleColumn(context: RuleContext, column: Column, value: Json): Predicate {
  return and(operatorsIn(value).flatMap(([key, operand]) => planOperator(context, column, key, operand)));
}

function planOperator(context: RuleContext, column: Column, key: string, value: Json): readonly Predicate[] {
  context.place.read(column);
  const meant = ruleOperator(key);
  if (meant?.kind === 'columns') return [compareColumns(context, column, meant.operator, value)];
  if (meant?.kind === 'compare' && value === null) return [compareWithNull(column, meant.operator)];
  return planTest(context, { type: column.type, cast: null }, key, value).map((test) => ({
    ...test,
    column,
  }));
}

/** A comparison with null is unknown, as in SQL, except that a null equals it and anything else differs from it. */
function compareWithNull(column: Column, operator: Operator): Predicate {
  if (column.notNull || (operator !== 'eq' && operator !== 'neq')) return UNKNOWN;
  return or([{ kind: 'is-null', column, negated: operator === 'neq' }, UNKNOWN]);
}

/** The comparisons of an aggregate. */
export function planRuleTests(context: RuleContext, type: ColumnType, value: Json): readonly Test[] {
  return operatorsIn(value).flatMap(([key, operand]) =>
    planTest(context, { type, cast: null }, key, operand),
  );
}

/** The type of the left side of a comparison, and whether it is cast to that. */
interface Compared {
  readonly type: ColumnType;
  readonly cast: ColumnType | null;
}

function planTest(context: RuleContext, { type, cast }: Compared, key: string, value: Json): readonly Test[] {
  const meant = ruleOperator(key);
  switch (meant?.kind) {
    case 'is-null':
      if (typeof value !== 'boolean') throw brokenRule(context.place.table, `"${key}" takes true or false`);
      return [{ kind: 'is-null', negated: !value }];
    case 'cast':
      return planCast(context, type, value);
    case 'compare': {
      const [first, ...also] = operandsOf(context, operandOf(meant.operator, type), value);
      return [{ kind: 'compare', operator: meant.operator, value: must(first, 'an operand'), also, cast }];
    }
    default:
      throw unknownOperator(context, key);
  }
}

/** `{String: {_like: …}}`: casts the value to another type and compares that. */
function planCast(context: RuleContext, type: ColumnType, value: Json): readonly Test[] {
  return operatorsIn(value).flatMap(([name, operators]) => {
    const cast = ruleCast(type, name);
    if (cast === undefined) throw unknownOperator(context, name);
    return operatorsIn(operators).flatMap(([key, operand]) =>
      planTest(context, { type: cast, cast }, key, operand),
    );
  });
}

function unknownOperator({ place }: RuleContext, key: string): Error {
  return brokenRule(place.table, `unknown operator "${key}"`);
}

/** `col`, `[col]` or, for a column of the table the rule belongs to, `[$, col]`. */
function compareColumns(context: RuleContext, column: Column, operator: Operator, value: Json): Predicate {
  const path: readonly Json[] = Array.isArray(value) ? value : [value];
  const place = path[0] === '$' ? context.root : context.place;
  const name = path[0] === '$' ? path[1] : path[0];
  const other = typeof name === 'string' ? place.table.columnByName.get(name) : undefined;
  if (other === undefined || path.length > 2)
    throw brokenRule(context.place.table, 'a column comparison names no column');
  return { kind: 'compare-columns', column, operator, other: { table: place.id, column: place.read(other) } };
}

function operandsOf(
  context: RuleContext,
  operand: OperandType | ObjectOperand,
  value: Json,
): readonly Operand[] {
  if (!isObjectOperand(operand)) return [operandIn(context, operand, value)];
  const given = isRecord(value) ? value : {};
  return operand.members.flatMap(({ name, type }) => {
    const member = given[name];
    return member === undefined ? [] : [operandIn(context, plainOperand(type), member)];
  });
}

function operandIn(context: RuleContext, what: OperandType, value: Json): Operand {
  const { type, list } = what;
  const { params } = context.planning;
  const text = (constant: Json): string => {
    const read = ruleText(type, constant);
    if (read === null) throw brokenRule(context.place.table, `a constant is no ${type.sql}`);
    return read;
  };
  const session = sessionVariable(value);
  if (session !== null) return params.session(session, what);
  if (!list) return params.constant(text(value), what);
  if (!Array.isArray(value)) throw brokenRule(context.place.table, 'expected a list');
  const elements: readonly Json[] = value;
  if (!elements.some((element) => sessionVariable(element) !== null))
    return params.constant(arrayLiteral(elements.map(text)), { ...what, long: isLong(elements) });
  const parts = elements.map((element) => {
    const named = sessionVariable(element);
    return named === null ? { text: text(element) } : { session: named };
  });
  return params.sessionList(parts, type);
}
