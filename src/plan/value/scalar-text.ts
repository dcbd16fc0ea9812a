import type { ColumnType } from '../../catalog/catalog.ts';
import { geometryText } from '../../catalog/conditions/geojson.ts';
import { jsonKind } from '../../core/json/json-kind.ts';
import type { Json } from '../../core/json/json-text.ts';
import { unparsable } from '../problem.ts';
import { EnumText, hasMembers, NumberText } from './input.ts';
import { scientific, wholeNumberIn } from './scientific.ts';

const DEEPEST = 500;

/** The types of whole numbers: how many bits they have, and what Hasura calls them when it complains. */
const INTEGERS: ReadonlyMap<string, { readonly bits: number; readonly called: string }> = new Map([
  ['int2', { bits: 16, called: 'PGSmallInt' }],
  ['int4', { bits: 32, called: 'PGInteger' }],
  ['int8', { bits: 64, called: 'PGBigInt' }],
]);

/** The types whose values are of one JSON kind, and what another value is said not to be. */
const KINDS: ReadonlyMap<string, { readonly kind: 'Number' | 'Bool' | 'String'; readonly what: string }> =
  new Map([
    ['float4', { kind: 'Number', what: 'Float expected for input type: PGFloat' }],
    ['float8', { kind: 'Number', what: 'Float expected for input type: PGDouble' }],
    ['numeric', { kind: 'Number', what: 'Scientific' }],
    ['money', { kind: 'Number', what: 'Scientific' }],
    ['bool', { kind: 'Bool', what: 'Bool' }],
    ['text', { kind: 'String', what: 'Text' }],
    ['varchar', { kind: 'String', what: 'Text' }],
    ['citext', { kind: 'String', what: 'Text' }],
    ['lquery', { kind: 'String', what: 'Text' }],
    ['ltxtquery', { kind: 'String', what: 'Text' }],
    ['bpchar', { kind: 'String', what: 'Char' }],
    ['char', { kind: 'String', what: 'Char' }],
    ['uuid', { kind: 'String', what: 'UUID' }],
    ['date', { kind: 'String', what: 'Day' }],
    ['timestamp', { kind: 'String', what: 'LocalTime' }],
    ['timestamptz', { kind: 'String', what: 'UTCTime' }],
  ]);

/**
 * A value in Postgres' text form for a type that is no array. A string stands for a value of any type, as Postgres is the
 * judge of what it can read; other values must be of the type's own kind.
 */
export function scalarText({ name }: ColumnType, value: unknown, path: string): string {
  if (name === 'json' || name === 'jsonb') return withoutNul(encodeJson(value, path), path);
  if (name === 'ltree') return labelPath(value, path);
  if (name === 'geometry' || name === 'geography') return shapeText(value, path);
  if (name === 'raster') return rasterText(value, path);
  if (typeof value === 'string') return withoutNul(value, path);
  if (value instanceof EnumText) return value.name;
  const integer = INTEGERS.get(name);
  return integer === undefined ? plainText(name, value, path) : integerText(integer, value, path);
}

function plainText(name: string, value: unknown, path: string): string {
  const known = KINDS.get(name);
  if (known === undefined) throw unparsable(path, `A string is expected for type: ${name}`);
  if (known.kind === 'Number' && isNumber(value)) return numberText(value);
  if (known.kind === 'Bool' && typeof value === 'boolean') return String(value);
  throw unreadable(path, known.what, known.kind, value);
}

function integerText(
  { bits, called }: { bits: number; called: string },
  value: unknown,
  path: string,
): string {
  if (!isNumber(value)) throw unreadable(path, `Integer expected for input type: ${called}`, 'Number', value);
  const whole = wholeNumber(value, false);
  if (whole === null || BigInt.asIntN(bits, whole) !== whole) throw outOfBounds(value, path);
  return String(whole);
}

/** The empty path is one, though Hasura refuses it. */
function labelPath(value: unknown, path: string): string {
  const text = value instanceof EnumText ? value.name : value;
  if (text === '') return text;
  if (typeof text === 'string' && !text.split('.').includes('')) return withoutNul(text, path);
  throw unparsable(
    path,
    'Expecting label path: a sequence of zero or more labels separated by dots, for example L1.L2.L3',
  );
}

/** Numbers of a shape are doubles: nothing is lost that Postgres would keep. */
function shapeText(value: unknown, path: string): string {
  const read = geometryText(JSON.parse(encodeJson(value, path)) as Json);
  if ('problem' in read) throw unparsable(path, read.problem);
  return withoutNul(read.text, path);
}

function rasterText(value: unknown, path: string): string {
  if (typeof value !== 'string') throw unparsable(path, 'expecting String for raster');
  if (/^([\da-f]{2})*$/i.test(value)) return value;
  throw unparsable(path, 'invalid hexadecimal representation of raster well known binary format');
}

/** The complaint about a value that is not of the JSON kind its type is written in. */
export function unreadable(path: string, what: string, kind: string, value: unknown): Error {
  return unparsable(path, `parsing ${what} failed, expected ${kind}, but encountered ${kindOf(value)}`);
}

function kindOf(value: unknown): string {
  if (isNumber(value)) return 'Number';
  return value instanceof EnumText ? 'String' : jsonKind(value);
}

/** A plain value as JSON text; numbers keep their digits. */
function encodeJson(value: unknown, path: string, depth = 0): string {
  if (depth > DEEPEST) throw unparsable(path, `a value nested deeper than ${DEEPEST} levels`);
  if (value instanceof NumberText) return value.text;
  if (value instanceof EnumText) return JSON.stringify(value.name);
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value))
    return `[${value.map((element) => encodeJson(element, path, depth + 1)).join(',')}]`;
  if (!hasMembers(value)) return JSON.stringify(value ?? null);
  const members = Object.entries(value).map(
    ([name, member]) => `${JSON.stringify(name)}:${encodeJson(member, path, depth + 1)}`,
  );
  return `{${members.join(',')}}`;
}

/** A whole number from a literal, a JSON number or, where allowed, digits in a string; null when it is none of these. */
export function wholeNumber(value: unknown, allowString: boolean): bigint | null {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : null;
  if (value instanceof NumberText) return wholeNumberIn(value.text);
  if (allowString && typeof value === 'string' && /^\d{1,19}$/.test(value)) return BigInt(value);
  return null;
}

/** Whether a value is a number in any of its forms. */
export function isNumber(value: unknown): value is number | bigint | NumberText {
  return typeof value === 'number' || typeof value === 'bigint' || value instanceof NumberText;
}

/** Whether a number is less than zero. */
export function isNegative(value: number | bigint | NumberText): boolean {
  return Number(numberText(value)) < 0;
}

/** Whether a value is a literal with a fraction or an exponent, which GraphQL takes for no integer, be it whole. */
export function isFloatLiteral(value: unknown): boolean {
  return value instanceof NumberText && value.form === 'float';
}

function numberText(value: number | bigint | NumberText): string {
  return value instanceof NumberText ? value.text : String(value);
}

/** The complaint about a number that is not a whole number in range. */
export function outOfBounds(value: number | bigint | NumberText, path: string): Error {
  return unparsable(
    path,
    `The value ${scientific(numberText(value))} lies outside the bounds or is not an integer. Maybe it is a float, or is there integer overflow?`,
  );
}

/** Postgres texts cannot hold the character. */
export function withoutNul(text: string, path: string): string {
  if (text.includes('\u0000')) throw unparsable(path, 'a text cannot hold the character U+0000');
  return text;
}
