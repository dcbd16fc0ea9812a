import type { Json } from '../../core/json/json-text.ts';
import { arrayLiteral } from '../../core/postgres/array-literal.ts';
import type { ColumnType } from '../catalog.ts';
import { geometryText } from './geojson.ts';
import { baseType } from './operators.ts';
import { isShape } from './spatial-operators.ts';

/** The session variable that a value of a row rule stands for, in lower case; null for a constant. */
export function sessionVariable(value: Json): string | null {
  if (typeof value !== 'string') return null;
  const name = value.toLowerCase();
  // What rules said before there were session variables.
  if (name === 'req_user_id') return 'x-hasura-user-id';
  return name.startsWith('x-hasura-') ? name : null;
}

/**
 * A constant of a row rule in Postgres' text form; null when it cannot be read as the type. Metadata quotes numbers and
 * booleans as it likes. Of texts that only Postgres can read (dates, ranges, networks …) Postgres is the judge.
 */
export function ruleText(type: ColumnType, value: Json): string | null {
  if (value === null) return null;
  if (type.kind === 'array') return arrayOf(type.element ?? type, value);
  const base = baseType(type);
  if (DOCUMENTS.has(base.name)) return withoutNul(JSON.stringify(value));
  if (isShape(base)) return shapeText(value);
  return scalarText(base, value);
}

function scalarText(base: ColumnType, value: Json): string | null {
  if (typeof value === 'object') return null;
  if (TEXTS.has(base.name) && typeof value !== 'string') return null;
  const text = withoutNul(String(value));
  return text !== null && isReadable(base, text) ? text : null;
}

function isReadable({ name, labels }: ColumnType, text: string): boolean {
  return labels?.includes(text) ?? READERS[name]?.(text.trim()) ?? true;
}

/** A list, or the array as Postgres writes it. */
function arrayOf(element: ColumnType, value: Json): string | null {
  if (typeof value === 'string') return /^\s*[[{]/.test(value) ? withoutNul(value) : null;
  if (!Array.isArray(value)) return null;
  const texts: string[] = [];
  for (const one of value) {
    const text = ruleText(element, one);
    if (text === null) return null;
    texts.push(text);
  }
  return arrayLiteral(texts);
}

function shapeText(value: Json): string | null {
  const read = geometryText(value);
  return 'text' in read ? withoutNul(read.text) : null;
}

/** Postgres' texts cannot hold the character. */
function withoutNul(text: string): string | null {
  return text.includes('\u0000') ? null : text;
}

const DOCUMENTS: ReadonlySet<string> = new Set(['json', 'jsonb']);
const TEXTS: ReadonlySet<string> = new Set(['text', 'varchar']);
const WHOLE = /^[+-]?(\d[\d_]*|0x[\da-f_]+|0o[0-7_]+|0b[01_]+)$/i;
const NUMBER =
  /^[+-]?(nan|inf(inity)?|(\d[\d_]*(\.[\d_]*)?|\.\d[\d_]*)(e[+-]?\d+)?|0x[\da-f_]+|0o[0-7_]+|0b[01_]+)$/i;
const UUID = /^(\{?)([\da-f]{4}-?){7}[\da-f]{4}(\}?)$/i;
const TRUTHS = ['true', 'false', 'yes', 'no', 'on', 'off', '1', '0'];

/** What the input functions of types take, spaces around it aside. */
const READERS: Readonly<Record<string, (text: string) => boolean>> = {
  int2: (text) => isWhole(text, 16n),
  int4: (text) => isWhole(text, 32n),
  int8: (text) => isWhole(text, 64n),
  numeric: (text) => NUMBER.test(text),
  float4: (text) => NUMBER.test(text),
  float8: (text) => NUMBER.test(text),
  uuid: (text) => UUID.test(text),
  bool: (text) => text !== '' && text !== 'o' && TRUTHS.some((truth) => truth.startsWith(text.toLowerCase())),
};

function isWhole(text: string, bits: bigint): boolean {
  if (!WHOLE.test(text)) return false;
  const digits = BigInt(text.replace(/[+_-]/g, ''));
  const limit = 1n << (bits - 1n);
  return text.startsWith('-') ? digits <= limit : digits < limit;
}
