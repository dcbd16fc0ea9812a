import { unreachable } from '../../core/assert.ts';
import type { ColumnType } from '../catalog.ts';
import { JSONPATH, siblingType, TEXT } from './built-in-types.ts';
import {
  baseType,
  JSONB_OPERATORS,
  LTREE_OPERATORS,
  type Operator,
  operandShape,
  operatorsOf,
  type Pattern,
  patternOf,
} from './operators.ts';
import { type ObjectOperand, objectOperand, SPATIAL_OPERATORS } from './spatial-operators.ts';

/** What the right side of a comparison is read and bound as. */
export interface OperandType {
  readonly type: ColumnType;
  readonly list: boolean;
  readonly pattern: Pattern | null;
}

const ALL: ReadonlySet<Operator> = new Set([
  ...operatorsOf(TEXT),
  ...JSONB_OPERATORS,
  ...LTREE_OPERATORS,
  ...Object.values(SPATIAL_OPERATORS).flat(),
]);

/** The operator of that name without its underscore, or null. */
export function operatorNamed(name: string): Operator | null {
  return operatorWhere((operator) => operator === name);
}

/** The operator that is spelled as wanted, or null. */
export function operatorWhere(isWanted: (operator: Operator) => boolean): Operator | null {
  return [...ALL].find(isWanted) ?? null;
}

/** What an operator over values of a type is compared with: one value, or the members of an object. */
export function operandOf(operator: Operator, type: ColumnType): OperandType | ObjectOperand {
  return objectOperand(operator, baseType(type)) ?? operandType(operator, type);
}

/** Whether several values are given as an object. */
export function isObjectOperand(operand: OperandType | ObjectOperand): operand is ObjectOperand {
  return 'members' in operand;
}

/** One value of that type: no list, and no pattern. */
export function plainOperand(type: ColumnType): OperandType {
  return { type, list: false, pattern: null };
}

function operandType(operator: Operator, type: ColumnType): OperandType {
  return { ...shapedType(operator, type), pattern: patternOf(operator) };
}

function shapedType(operator: Operator, type: ColumnType): Omit<OperandType, 'pattern'> {
  const shape = operandShape(operator);
  switch (shape) {
    case 'same':
      return { type, list: false };
    case 'list':
      return { type, list: true };
    case 'pattern':
      return { type: { ...TEXT, scalar: type.scalar }, list: false };
    case 'text':
      return { type: TEXT, list: false };
    case 'text-list':
      return { type: TEXT, list: true };
    case 'lquery':
      return { type: siblingType(type, 'lquery'), list: false };
    case 'lquery-list':
      return { type: { ...siblingType(type, 'lquery'), scalar: TEXT.scalar }, list: true };
    case 'ltxtquery':
      return { type: siblingType(type, 'ltxtquery'), list: false };
    case 'jsonpath':
      return { type: JSONPATH, list: false };
    default:
      return unreachable(shape);
  }
}
