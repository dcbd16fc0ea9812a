import { mismatch } from './encode.ts';
import { isFloatLiteral, isNumber, outOfBounds, wholeNumber } from './scalar-text.ts';

const LARGEST = 9223372036854775807n;

/** An `offset` as text: a number, or digits in a string; Postgres itself refuses negative ones. */
export function readOffset(value: unknown, path: string): string {
  const whole = isFloatLiteral(value) ? null : wholeNumber(value, true);
  if (whole !== null && whole <= LARGEST && whole >= -LARGEST) return String(whole);
  if (isNumber(value) && !isFloatLiteral(value)) throw outOfBounds(value, path);
  throw mismatch(path, 'a 32-bit integer, or a 64-bit integer represented as a string', 'Int', value);
}
