import { isRecord } from '../../core/json/is-record.ts';
import type { Json } from '../../core/json/json-text.ts';
import type { ColumnType } from '../catalog.ts';
import { operatorNamed } from './operand-type.ts';
import { castsOf, type Operator } from './operators.ts';

/** What an operator of a row rule does. */
export type RuleOperator =
  | { readonly kind: 'is-null' }
  /** The text form is compared. */
  | { readonly kind: 'cast' }
  /** The column is compared with another one. */
  | { readonly kind: 'columns'; readonly operator: Operator }
  | { readonly kind: 'compare'; readonly operator: Operator };

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

/** The operator that a row rule writes as `_eq` or `$eq`; null when there is none of that name. */
export function ruleOperator(key: string): RuleOperator | null {
  if (!/^[_$]/.test(key)) return null;
  const name = OTHER_SPELLINGS.get(key.slice(1)) ?? key.slice(1);
  if (name === 'is_null') return { kind: 'is-null' };
  if (name === 'cast') return { kind: 'cast' };
  const ofColumns = COLUMN_OPERATORS.get(name);
  if (ofColumns !== undefined) return { kind: 'columns', operator: ofColumns };
  const operator = operatorNamed(name);
  return operator === null ? null : { kind: 'compare', operator };
}

/**
 * The type that a row rule's `_cast` names, as Postgres or as GraphQL does; undefined where a value cannot be cast to it.
 */
export function ruleCast(type: ColumnType, called: string): ColumnType | undefined {
  return castsOf(type).find(({ name, scalar }) => scalar === called || name === called.toLowerCase());
}

/** The operators of a comparison in a row rule, each with its operand; a bare value is short for `_eq`. */
export function operatorsIn(value: Json): readonly (readonly [string, Json])[] {
  return isRecord(value) ? Object.entries(value) : [['_eq', value]];
}
