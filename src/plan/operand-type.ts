import type { Column } from '../catalog/catalog.ts';
import { unreachable } from '../core/assert.ts';
import { JSONB_OPERATORS, LTREE_OPERATORS, operandShape, TEXT_CAST_OPERATORS } from './operators.ts';
import type { ValueType } from './params.ts';
import type { Operator } from './plan.ts';
import { JSONPATH, siblingType, TEXT } from './types.ts';

const ALL: ReadonlySet<Operator> = new Set([...TEXT_CAST_OPERATORS, ...JSONB_OPERATORS, ...LTREE_OPERATORS]);

/** The operator of that name without its underscore, or null. */
export function operatorNamed(name: string): Operator | null {
  return operatorWhere((operator) => operator === name);
}

/** The operator that is spelled as wanted, or null. */
export function operatorWhere(isWanted: (operator: Operator) => boolean): Operator | null {
  return [...ALL].find(isWanted) ?? null;
}

/** What an operator of a column is compared with. */
export function operandType(operator: Operator, { type }: Column): Omit<ValueType, 'enumeration'> {
  const shape = operandShape(operator);
  switch (shape) {
    case 'same':
      return { type, list: false };
    case 'list':
      return { type, list: true };
    case 'text':
      return { type: TEXT, list: false };
    case 'text-list':
      return { type: TEXT, list: true };
    case 'lquery':
      return { type: siblingType(type, 'lquery'), list: false };
    case 'lquery-list':
      return { type: siblingType(type, 'lquery'), list: true };
    case 'ltxtquery':
      return { type: siblingType(type, 'ltxtquery'), list: false };
    case 'jsonpath':
      return { type: JSONPATH, list: false };
    default:
      return unreachable(shape);
  }
}
