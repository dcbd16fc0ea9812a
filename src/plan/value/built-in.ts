import { mismatch } from './encode.ts';
import { isFloatLiteral, isNegative, isNumber, outOfBounds, wholeNumber } from './scalar-text.ts';

const INT_BITS = 32;

/** A value of GraphQL's `Boolean`. */
export function booleanOf(value: unknown, path: string): boolean {
  if (typeof value === 'boolean') return value;
  throw mismatch(path, 'a boolean', 'Boolean', value);
}

/** A value of GraphQL's `String`. */
export function stringOf(value: unknown, path: string): string {
  if (typeof value === 'string') return value;
  throw mismatch(path, 'a string', 'String', value);
}

/** A value of GraphQL's `Int`; `expected` says in a complaint what it should have been. */
export function integerOf(value: unknown, path: string, expected = 'a 32-bit integer'): number {
  if (!isNumber(value) || isFloatLiteral(value)) throw mismatch(path, expected, 'Int', value);
  const whole = wholeNumber(value, false);
  if (whole === null || BigInt.asIntN(INT_BITS, whole) !== whole) throw outOfBounds(value, path);
  return Number(whole);
}

/** A number of rows or of milliseconds: what Hasura takes for a limit. */
export function countOf(value: unknown, path: string): number {
  const expected = 'a non-negative 32-bit integer';
  if (isNumber(value) && isNegative(value)) throw mismatch(path, expected, 'Int', value);
  return integerOf(value, path, expected);
}
