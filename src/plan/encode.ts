import type { ColumnType } from '../catalog/catalog.ts';
import type { OperandType } from '../catalog/operand-type.ts';
import { baseType } from '../catalog/operators.ts';
import { arrayElements, arrayLiteral } from '../core/array-literal.ts';
import { NearjoinError } from '../core/errors.ts';
import { tooComplex } from './budget.ts';
import { describe, EnumText, isRecord, NumberText } from './input.ts';
import { invalid, quotedList, unparsable } from './problem.ts';

/** The values a column that points at an enum table may have, and the enum's name in messages. */
export interface Enumeration {
  readonly name: string;
  readonly values: readonly string[];
  /** What the database has instead of each value; left out where that is the value itself. */
  readonly stored?: ReadonlyMap<string, string>;
}

const INTEGER_TEXT = /^-?\d+$/;
const SMALLEST_INT = -2147483648n;
const LARGEST_INT = 2147483647n;
const LARGEST_SMALLINT = 32767n;
const LONGEST_LIST = 100_000;
const DEEPEST = 500;
/** As many dimensions as Postgres' arrays have. */
const MOST_DIMENSIONS = 6;

/** A value in Postgres' text form for its type; throws with Hasura's message when it does not fit. */
export function encodeScalar(type: ColumnType, value: unknown, path: string): string {
  if (type.kind === 'array') return encodeArray(type.element ?? type, value, path);
  if (value === null || value === undefined) {
    throw invalid(path, `unexpected null value for type '${type.scalar}'`);
  }
  const { name, labels } = baseType(type);
  if (labels !== undefined) return encodeLabel(type, labels, value, path);
  switch (name) {
    case 'int4':
      return encodeInt(value, path);
    case 'int2':
      return encodeSmallInt(value, path);
    case 'bool':
      if (typeof value === 'boolean') return value ? 'true' : 'false';
      throw mismatch(path, 'a boolean', type.scalar, value);
    case 'text':
    case 'varchar':
      if (typeof value === 'string') return withoutNul(value, path);
      throw mismatch(path, 'a string', type.scalar, value);
    case 'json':
    case 'jsonb':
      return withoutNul(encodeJson(value, path), path);
    default:
      return encodeText(type, value, path);
  }
}

/** A copied enum value is a text, which would take any other: the complaint is Postgres' own. */
function encodeLabel(type: ColumnType, labels: readonly string[], value: unknown, path: string): string {
  const text = encodeText(type, value, path);
  if (labels.includes(text)) return text;
  throw unknownLabel(type, text);
}

function unknownLabel(type: ColumnType, text: string): NearjoinError {
  return new NearjoinError(
    'data-exception',
    `invalid input value for enum ${baseType(type).name}: "${text}"`,
  );
}

/** Refuses labels that an enum does not have in what is in Postgres' text form already: the value of a session variable. */
export function checkLabels({ type, list }: Omit<OperandType, 'pattern'>, text: string): void {
  if (list) return arrayElements(text).forEach((element) => checkLabels({ type, list: false }, element));
  if (type.kind === 'array' && type.element !== null) {
    const { element } = type;
    return arrayElements(text).forEach((part) => checkLabels({ type: element, list: false }, part));
  }
  if (baseType(type).labels?.includes(text) === false) throw unknownLabel(type, text);
}

/** Several values as a Postgres array literal, arrays among them as texts; one value stands for a list of one. */
export function encodeList(type: ColumnType, value: unknown, path: string): string {
  return listText(value, path, (element, at) => encodeScalar(type, element, at), false);
}

/** An enum value by name. */
export function encodeEnum(enumeration: Enumeration, value: unknown, path: string): string {
  if (value === null || value === undefined) {
    throw invalid(path, `unexpected null value for type '${enumeration.name}'`);
  }
  if (!(value instanceof EnumText)) throw mismatch(path, 'an enum value', enumeration.name, value);
  if (enumeration.values.includes(value.name)) return enumeration.stored?.get(value.name) ?? value.name;
  throw unknownEnumValue(enumeration, value.name, path);
}

/** What came as JSON, with its strings read as enum values. */
export function asEnums(value: unknown): unknown {
  if (typeof value === 'string') return new EnumText(value);
  return Array.isArray(value) ? value.map(asEnums) : value;
}

/** Several enum values as a Postgres array literal. */
export function encodeEnumList(enumeration: Enumeration, value: unknown, path: string): string {
  return listText(value, path, (element, at) => encodeEnum(enumeration, element, at), false);
}

/** The complaint about a name that is not one of the enum's. */
export function unknownEnumValue({ name: type, values }: Enumeration, found: string, path: string): Error {
  return invalid(
    path,
    `expected one of the values ${quotedList(values)} for type '${type}', but found '${found}'`,
  );
}

/** The complaint about a value of the wrong kind. */
export function mismatch(path: string, expected: string, type: string, value: unknown): Error {
  return invalid(path, `expected ${expected} for type '${type}', but found ${describe(value)}`);
}

/** A plain value as JSON text; numbers keep their digits. */
function encodeJson(value: unknown, path: string, depth = 0): string {
  if (depth > DEEPEST) throw unparsable(path, `a value nested deeper than ${DEEPEST} levels`);
  if (value instanceof NumberText) return value.text;
  if (value instanceof EnumText) return JSON.stringify(value.name);
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value))
    return `[${value.map((element) => encodeJson(element, path, depth + 1)).join(',')}]`;
  if (!isRecord(value)) return JSON.stringify(value ?? null);
  const members = Object.entries(value).map(
    ([name, member]) => `${JSON.stringify(name)}:${encodeJson(member, path, depth + 1)}`,
  );
  return `{${members.join(',')}}`;
}

/** A whole number from a literal, a JSON number or, where allowed, digits in a string; null when it is none of these. */
export function wholeNumber(value: unknown, allowString: boolean): bigint | null {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : null;
  if (value instanceof NumberText) return wholeText(value.text);
  if (allowString && typeof value === 'string' && /^\d{1,19}$/.test(value)) return BigInt(value);
  return null;
}

/** Whether a value is a number in any of its forms. */
export function isNumber(value: unknown): value is number | bigint | NumberText {
  return typeof value === 'number' || typeof value === 'bigint' || value instanceof NumberText;
}

/** The complaint about a number that is not a whole number in range. */
export function outOfBounds(value: unknown, path: string): Error {
  const text = value instanceof NumberText ? value.text : String(value);
  return unparsable(
    path,
    `The value ${text} lies outside the bounds or is not an integer. Maybe it is a float, or is there integer overflow?`,
  );
}

function encodeInt(value: unknown, path: string): string {
  if (!isNumber(value)) throw mismatch(path, 'a 32-bit integer', 'Int', value);
  const whole = wholeNumber(value, false);
  if (whole === null || whole < SMALLEST_INT || whole > LARGEST_INT) throw outOfBounds(value, path);
  return String(whole);
}

function encodeSmallInt(value: unknown, path: string): string {
  if (!isNumber(value)) throw mismatch(path, 'a 16-bit integer', 'smallint', value);
  const whole = wholeNumber(value, false);
  if (whole === null || whole < -LARGEST_SMALLINT - 1n || whole > LARGEST_SMALLINT)
    throw outOfBounds(value, path);
  return String(whole);
}

/** Types Postgres reads from text itself: it is the judge of what it accepts. */
function encodeText(type: ColumnType, value: unknown, path: string): string {
  if (typeof value === 'string') return withoutNul(value, path);
  if (value instanceof EnumText) return value.name;
  if (value instanceof NumberText) return value.text;
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')
    return String(value);
  throw mismatch(path, 'a string', type.scalar, value);
}

function encodeArray(element: ColumnType, value: unknown, path: string, dimension = 1): string {
  const encode = (item: unknown, at: string): string =>
    Array.isArray(item) ? encodeArray(element, item, at, dimension + 1) : encodeScalar(element, item, at);
  if (dimension > MOST_DIMENSIONS)
    throw unparsable(path, `an array of more than ${MOST_DIMENSIONS} dimensions`);
  return listText(value, path, encode, true);
}

function listText(
  value: unknown,
  path: string,
  encode: (element: unknown, path: string) => string,
  nested: boolean,
): string {
  if (value === null || value === undefined) throw invalid(path, 'expected a list, but found null');
  const elements: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (elements.length > LONGEST_LIST) throw tooComplex(path, `a list of more than ${LONGEST_LIST} values`);
  const texts = elements.map((element, index) => encode(element, `${path}[${index}]`));
  if (!nested || !elements.some(Array.isArray)) return arrayLiteral(texts);
  return `{${texts.join(',')}}`;
}

/** Whole numbers may be written with an exponent or a zero fraction. */
function wholeText(text: string): bigint | null {
  if (INTEGER_TEXT.test(text)) return BigInt(text);
  const number = Number(text);
  return Number.isSafeInteger(number) ? BigInt(number) : null;
}

/** Postgres texts cannot hold the character. */
function withoutNul(text: string, path: string): string {
  if (text.includes('\u0000')) throw unparsable(path, 'a text cannot hold the character U+0000');
  return text;
}
