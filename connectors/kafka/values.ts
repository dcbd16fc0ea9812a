import { isObject, type JsonValue, member, numberOf, textOf } from './json.ts';
import {
  dateOfDays,
  isDoubtfulTime,
  isDoubtfulTimestamp,
  timeOfMicros,
  timestampOfMicros,
  timestampOfMillis,
  zonedTimestamp,
} from './time.ts';

/** A field of a row in the schema of a message. */
export interface FieldSchema {
  /** Connect's type: string, int64, bytes, struct, … */
  readonly type: string;
  /** Debezium's meaning of it, such as io.debezium.time.Date. */
  readonly name: string | null;
  /** It may be null, and has a default. */
  readonly hasDefault?: boolean;
}

/** Ways a value of Postgres travels through Debezium without loss. */
export type Kind =
  | 'boolean'
  | 'bytea'
  | 'date'
  | 'float'
  | 'hstore'
  | 'integer'
  | 'interval'
  | 'numeric'
  | 'point'
  | 'text'
  | 'time'
  | 'timestamp'
  | 'timestamptz';

/** How a value is read out of a message, or why it cannot be; `hint` says what may be wrong where one cannot be read. */
export type Reader =
  | {
      readonly kind: 'reads';
      readonly read: (value: JsonValue) => string | null;
      readonly hint: string | null;
    }
  | { readonly kind: 'refuses'; readonly reason: string };

const TEXT_TYPES =
  'text varchar bpchar citext uuid json jsonb xml ltree tsvector inet cidr macaddr macaddr8 ' +
  'int4range int8range numrange daterange tsrange tstzrange';

const KINDS: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ...TEXT_TYPES.split(' ').map((type) => [type, 'text'] as const),
  ...['int2', 'int4', 'int8', 'oid'].map((type) => [type, 'integer'] as const),
  ...['float4', 'float8'].map((type) => [type, 'float'] as const),
  ...['numeric', 'money'].map((type) => [type, 'numeric'] as const),
  ['bool', 'boolean'],
  ['bytea', 'bytea'],
  ['date', 'date'],
  ['hstore', 'hstore'],
  ['interval', 'interval'],
  ['point', 'point'],
  ['time', 'time'],
  ['timestamp', 'timestamp'],
  ['timestamptz', 'timestamptz'],
]);

/**
 * How values of a type travel; null when Debezium changes or loses some of them. It drops the offset of `timetz`, the second
 * dimension of an array, leading zeros of `varbit`, and the whole value of many others.
 */
export function kindOf(type: { readonly name: string; readonly isEnum: boolean }): Kind | null {
  return type.isEnum ? 'text' : (KINDS.get(type.name) ?? null);
}

const DECIMALS =
  'set decimal.handling.mode=string on the Debezium connector: another mode loses NaN or digits';
const INTERVALS =
  'set interval.handling.mode=string on the Debezium connector: a number loses months and days';
const TIMES =
  'set time.precision.mode=adaptive or microseconds on the Debezium connector: another mode loses some values';
const MICROSECONDS = 'set time.precision.mode=microseconds on the Debezium connector';
const BYTES = 'set binary.handling.mode=bytes on the Debezium connector';
const CHANGED = 'the message has another type for it than the target';

type Read = (value: JsonValue) => string | null;

/** How values of one kind are read. */
interface Rule {
  /** By Debezium's name of the field, or Connect's type where it has none. */
  readonly forms: Readonly<Record<string, Read>>;
  /** Why any other form is refused, and what to set. */
  readonly otherwise: string;
  /** The form that is assumed where messages carry no schema. */
  readonly usual: string;
  /** Whether a value may then be in the form of another setting too: for a real one that is rare, and nothing wrong is read. */
  readonly isDoubtful?: (text: string) => boolean;
}

const asText: Read = textOf;
const onText =
  (read: (text: string) => string | null): Read =>
  (value) =>
    typeof value === 'string' ? read(value) : null;
const onNumber =
  (read: (text: string) => string | null): Read =>
  (value) => {
    const text = numberOf(value);
    return text === null ? null : read(text);
  };
const matching = (pattern: RegExp) => (text: string) => (pattern.test(text) ? text : null);

const INTEGERS = onNumber(matching(/^-?\d+$/));
const FLOATS = onNumber(matching(/^(?:-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|NaN|-?Infinity)$/));
const HEX = /^[\da-f]+$/;
const DECIMAL = /^-?\d+(?:\.\d+)?$/;
const SPECIAL_NUMBERS: Readonly<Record<string, string>> = {
  NAN: 'NaN',
  NaN: 'NaN',
  POSITIVE_INFINITY: 'Infinity',
  NEGATIVE_INFINITY: '-Infinity',
};

const TEXT_NAMES = ['Uuid', 'Json', 'Xml', 'Enum', 'Ltree', 'Tsvector'].map(
  (name) => [`io.debezium.data.${name}`, asText] as const,
);

const RULES: Readonly<Record<Kind, Rule>> = {
  text: {
    forms: { string: asText, ...Object.fromEntries(TEXT_NAMES) },
    otherwise: CHANGED,
    usual: 'string',
  },
  integer: {
    forms: { int16: INTEGERS, int32: INTEGERS, int64: INTEGERS },
    otherwise: CHANGED,
    usual: 'int64',
  },
  float: {
    forms: { float: FLOATS, double: FLOATS, float32: FLOATS, float64: FLOATS },
    otherwise: CHANGED,
    usual: 'double',
  },
  boolean: {
    forms: { boolean: (value) => (typeof value === 'boolean' ? (value ? 't' : 'f') : null) },
    otherwise: CHANGED,
    usual: 'boolean',
  },
  numeric: {
    forms: {
      string: onText((text) => (DECIMAL.test(text) ? text : (SPECIAL_NUMBERS[text] ?? null))),
    },
    otherwise: DECIMALS,
    usual: 'string',
  },
  bytea: {
    forms: { bytes: onText(bytesOf) },
    otherwise: BYTES,
    usual: 'bytes',
    isDoubtful: (text) => HEX.test(text),
  },
  date: {
    forms: { 'io.debezium.time.Date': onNumber(dateOfDays) },
    otherwise: TIMES,
    usual: 'io.debezium.time.Date',
  },
  time: {
    forms: {
      'io.debezium.time.Time': onNumber((millis) => timeOfMicros(`${millis}000`)),
      'io.debezium.time.MicroTime': onNumber(timeOfMicros),
    },
    otherwise: TIMES,
    usual: 'io.debezium.time.MicroTime',
    isDoubtful: isDoubtfulTime,
  },
  timestamp: {
    forms: {
      'io.debezium.time.Timestamp': onNumber(timestampOfMillis),
      'io.debezium.time.MicroTimestamp': onNumber(timestampOfMicros),
    },
    otherwise: TIMES,
    usual: 'io.debezium.time.MicroTimestamp',
    isDoubtful: isDoubtfulTimestamp,
  },
  timestamptz: {
    forms: { 'io.debezium.time.ZonedTimestamp': onText(zonedTimestamp) },
    otherwise: TIMES,
    usual: 'io.debezium.time.ZonedTimestamp',
  },
  interval: {
    forms: { 'io.debezium.time.Interval': onText(matching(/^P[-+.\dYMDTHS]+$/)) },
    otherwise: INTERVALS,
    usual: 'io.debezium.time.Interval',
  },
  hstore: {
    forms: { 'io.debezium.data.Json': hstoreOf, map: hstoreOf },
    otherwise: CHANGED,
    usual: 'io.debezium.data.Json',
  },
  point: {
    forms: { 'io.debezium.data.geometry.Point': pointOf },
    otherwise: CHANGED,
    usual: 'io.debezium.data.geometry.Point',
  },
};

/** How values of a kind are read, from messages whose schema has the field so; null where they carry no schema. */
export function readerOf(kind: Kind, field: FieldSchema | null): Reader {
  const rule = RULES[kind];
  const form = field === null ? rule.usual : (field.name ?? field.type);
  const read = Object.hasOwn(rule.forms, form) ? rule.forms[form] : undefined;
  if (read === undefined) return { kind: 'refuses', reason: rule.otherwise };
  if (field !== null) return { kind: 'reads', read, hint: null };
  const { isDoubtful = () => false, otherwise } = rule;
  const readSure: Read = (value) => (isDoubtful(numberOf(value) ?? '') ? null : read(value));
  const hint = `${otherwise === TIMES ? MICROSECONDS : otherwise}; value.converter.schemas.enable=true would show`;
  return { kind: 'reads', read: readSure, hint };
}

/** What stands for a value of the kind that was not sent; null where every value is sent. */
export function placeholderOf(kind: Kind, placeholder: string): string | null {
  switch (kind) {
    case 'bytea':
      return Buffer.from(placeholder).toString('base64');
    case 'hstore':
      return JSON.stringify({ [placeholder]: placeholder });
    case 'text':
    case 'numeric':
      return placeholder;
    default:
      return null;
  }
}

function bytesOf(base64: string): string | null {
  const bytes = Buffer.from(base64, 'base64');
  return bytes.toString('base64') === base64 ? `\\x${bytes.toString('hex')}` : null;
}

/** The text of an object, or the object itself. */
function hstoreOf(value: JsonValue): string | null {
  if (typeof value !== 'string') return hstoreOfPairs(value);
  try {
    return hstoreOfPairs(JSON.parse(value) as JsonValue);
  } catch {
    return null;
  }
}

/** As Postgres prints an hstore: shorter keys first. */
function hstoreOfPairs(value: JsonValue): string | null {
  if (!isObject(value)) return null;
  const pairs = Object.entries(value).map(([key, each]) => ({ key: Buffer.from(key), value: each }));
  pairs.sort((a, b) => a.key.length - b.key.length || Buffer.compare(a.key, b.key));
  const printed = pairs.map(({ key, value: each }) => {
    if (each === null) return `${quoted(key.toString())}=>NULL`;
    return typeof each === 'string' ? `${quoted(key.toString())}=>${quoted(each)}` : null;
  });
  return printed.includes(null) ? null : printed.join(', ');
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

function pointOf(value: JsonValue): string | null {
  const [x, y] = [FLOATS(member(value, 'x')), FLOATS(member(value, 'y'))];
  return x === null || y === null ? null : `(${x},${y})`;
}
