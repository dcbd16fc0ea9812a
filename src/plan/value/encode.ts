import type { ColumnType } from '../../catalog/catalog.ts';
import type { OperandType } from '../../catalog/conditions/operand-type.ts';
import { baseType } from '../../catalog/conditions/operators.ts';
import { NearjoinError } from '../../core/errors.ts';
import { arrayElements, arrayLiteral } from '../../core/postgres/array-literal.ts';
import { tooComplex } from '../budget.ts';
import { invalid, nullForList, quotedList, unexpectedNull } from '../problem.ts';
import { describe, EnumText } from './input.ts';
import { scalarText, unreadable, withoutNul } from './scalar-text.ts';

/** The values a column that points at an enum table may have, and the enum's name in messages. */
export interface Enumeration {
  readonly name: string;
  readonly values: readonly string[];
  /** The text in the database for each value; left out where that is the value itself. */
  readonly stored?: ReadonlyMap<string, string>;
}

/** What a value is read and bound as. */
export interface ValueType extends OperandType {
  readonly enumeration: Enumeration | null;
}

const LONGEST_LIST = 100_000;

/** A plain value in Postgres' text form. */
export function encodeValue(
  { type, list, enumeration }: Omit<ValueType, 'pattern'>,
  value: unknown,
  path: string,
): string {
  if (enumeration === null) return list ? encodeList(type, value, path) : encodeScalar(type, value, path);
  return list ? encodeEnumList(enumeration, value, path) : encodeEnum(enumeration, value, path);
}

/** A value in Postgres' text form for its type; throws with Hasura's message when it does not fit. */
export function encodeScalar(type: ColumnType, value: unknown, path: string): string {
  if (type.kind === 'array') return encodeArray(type, value, path);
  if (value === null || value === undefined) {
    throw unexpectedNull(path, type.scalar);
  }
  const base = baseType(type);
  const text = scalarText(base, value, path);
  if (base.labels?.includes(text) === false) throw unknownLabel(type, text);
  return text;
}

/** A copied enum value is a text, which would take any other: the complaint is Postgres' own. */
function unknownLabel(type: ColumnType, text: string): NearjoinError {
  return new NearjoinError(
    'data-exception',
    `invalid input value for enum ${baseType(type).name}: "${text}"`,
  );
}

/** Refuses labels that an enum does not have, in a text that is in Postgres' form already: a session variable's value. */
export function checkLabels({ type, list }: Omit<OperandType, 'pattern'>, text: string): void {
  if (list) return arrayElements(text).forEach((element) => checkLabels({ type, list: false }, element));
  if (type.kind === 'array' && type.element !== null) {
    const { element } = type;
    return arrayElements(text).forEach((part) => checkLabels({ type: element, list: false }, part));
  }
  if (baseType(type).labels?.includes(text) === false) throw unknownLabel(type, text);
}

/** Several values as a Postgres array literal, arrays among them as texts; one value stands for a list of one. */
function encodeList(type: ColumnType, value: unknown, path: string): string {
  return listText(value, path, (element, at) => encodeScalar(type, element, at));
}

/** An enum value by name. */
export function encodeEnum(enumeration: Enumeration, value: unknown, path: string): string {
  if (value === null || value === undefined) {
    throw unexpectedNull(path, enumeration.name);
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
function encodeEnumList(enumeration: Enumeration, value: unknown, path: string): string {
  return listText(value, path, (element, at) => encodeEnum(enumeration, element, at));
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

/** A string is left to Postgres as the array's own text: more than one dimension can be written in no other way. */
function encodeArray(type: ColumnType, value: unknown, path: string): string {
  if (value === null || value === undefined) throw nullForList(path);
  if (typeof value === 'string') {
    checkLabels({ type, list: false }, value);
    return withoutNul(value, path);
  }
  if (!Array.isArray(value)) throw unreadable(path, '[]', 'Array', value);
  const element = type.element ?? type;
  return listText(value, path, (item, at) =>
    item === null || item === undefined ? null : encodeScalar(element, item, at),
  );
}

function listText(
  value: unknown,
  path: string,
  encode: (element: unknown, path: string) => string | null,
): string {
  if (value === null || value === undefined) throw nullForList(path);
  const elements: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (elements.length > LONGEST_LIST) throw tooComplex(path, `a list of more than ${LONGEST_LIST} values`);
  return arrayLiteral(elements.map((element, index) => encode(element, `${path}[${index}]`)));
}
