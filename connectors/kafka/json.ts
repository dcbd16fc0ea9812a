import { beginsNumber, endOfNumber, endOfString, QUOTE } from '../../src/core/json/json-scan.ts';
import { ConnectorError } from '../connector.ts';

const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

const SCHEMA_START = '{"schema":';
const PAYLOAD_START = ',"payload":';

/** What a number begins with where no schema tells it from a string: no text of Postgres holds it. */
const MARK = '\\u0000';

/** A value of parsed JSON; numbers are strings, spelled as they were: `numberOf` takes the mark off that they may have. */
export type JsonValue = string | boolean | null | readonly JsonValue[] | JsonObject;

/** An object of parsed JSON. */
export interface JsonObject {
  readonly [name: string]: JsonValue;
}

/** A message of Connect's JSON converter. */
export interface Message {
  /** Its bytes: the same Buffer for all messages until the table changes; null where messages carry none. */
  readonly schema: Buffer | null;
  readonly payload: JsonValue;
}

/** Splits messages of one topic into schema and payload. The schema is most of a message and mostly the same, so it is read once. */
export class MessageReader {
  #head = Buffer.alloc(0);
  #schema: Buffer | null = null;

  /** Throws a ConnectorError when the bytes are not what the JSON converter writes. */
  read(value: Buffer): Message {
    if (this.#schema !== null && value.subarray(0, this.#head.length).equals(this.#head))
      return this.#message(value.toString('utf8', this.#head.length, value.length - 1));
    const text = value.toString('utf8');
    const end = endOfSchema(text);
    if (end === null) return { schema: null, payload: parse(text, MARK) };
    this.#head = Buffer.from(text.slice(0, end + PAYLOAD_START.length));
    this.#schema = this.#head.subarray(SCHEMA_START.length, this.#head.length - PAYLOAD_START.length);
    return this.#message(text.slice(end + PAYLOAD_START.length, -1));
  }

  #message(payload: string): Message {
    return { schema: this.#schema, payload: parse(payload) };
  }
}

/** Where the schema ends; null when the message has none. */
function endOfSchema(text: string): number | null {
  if (!text.startsWith(SCHEMA_START)) return null;
  const end = endOfValue(text, SCHEMA_START.length);
  return text.startsWith(PAYLOAD_START, end) ? end : null;
}

/** Parses JSON with every number as the string of its digits, since a double cannot hold all of them. */
export function parse(text: string, mark = ''): JsonValue {
  try {
    return JSON.parse(quoteNumbers(text, mark)) as JsonValue;
  } catch {
    // The error of JSON.parse quotes the text, and that holds values of rows.
    throw new ConnectorError(
      'unfit',
      'a message of Kafka is not JSON: set value.converter and key.converter of the Debezium connector to org.apache.kafka.connect.json.JsonConverter',
    );
  }
}

function quoteNumbers(text: string, mark: string): string {
  let result = '';
  let copied = 0;
  for (let at = 0; at < text.length; ) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) at = endOfString(text, at);
    else if (beginsNumber(char)) {
      const end = endOfNumber(text, at);
      result += `${text.slice(copied, at)}"${mark}${text.slice(at, end)}"`;
      copied = end;
      at = end;
    } else at += 1;
  }
  return result + text.slice(copied);
}

/** Where an object or array ends that begins at `start`. */
function endOfValue(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; ) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) {
      at = endOfString(text, at);
      continue;
    }
    if (char === OPEN_BRACE || char === OPEN_BRACKET) depth += 1;
    else if (char === CLOSE_BRACE || char === CLOSE_BRACKET) depth -= 1;
    at += 1;
    if (depth <= 0) return at;
  }
  return text.length;
}

/** The member of an object; null when there is none, or the value is no object. */
export function member(value: JsonValue, name: string): JsonValue {
  return isObject(value) && Object.hasOwn(value, name) ? (value[name] ?? null) : null;
}

/** Whether the value is an object. */
export function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The text of a string, or of a number with its mark; null for anything else. */
export function textOf(value: JsonValue): string | null {
  return typeof value === 'string' ? value : null;
}

/** How a number is spelled, or the text of a string; null for anything else. */
export function numberOf(value: JsonValue): string | null {
  const text = textOf(value);
  return text?.startsWith('\u0000') === true ? text.slice(1) : text;
}
