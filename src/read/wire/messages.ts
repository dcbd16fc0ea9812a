import type { TextValues } from '../../core/postgres/text-values.ts';
import { RequestTooLarge } from './failure.ts';

/** A message counts its values in two bytes. */
const MOST_VALUES = 65_535;
/** Postgres takes no message of a gigabyte; a character takes three bytes at most. */
const MOST_CHARACTERS = 300_000_000;

/** What keeps values from being sent with one execution; null when nothing does. */
export function unsendable(values: TextValues): RequestTooLarge | null {
  if (values.length > MOST_VALUES) return new RequestTooLarge(`more than ${MOST_VALUES} values`);
  const characters = values.reduce((sum, value) => sum + (value?.length ?? 0), 0);
  return characters > MOST_CHARACTERS
    ? new RequestTooLarge(`values of more than ${MOST_CHARACTERS} characters`)
    : null;
}

/** One execution as it goes over the wire. */
export interface Execution {
  /** Statement name; empty for the unnamed one. */
  readonly name: string;
  /** The text, when the server does not know the statement yet. */
  readonly parse: string | null;
  /** Names of statements to forget first. */
  readonly close: readonly string[];
  /** Values in text form. */
  readonly values: TextValues;
}

const EXECUTE_SYNC = Buffer.from([0x45, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0x53, 0, 0, 0, 4]);
const FORMATS_BYTES = 2;

/** Close, Parse, Bind, Execute and Sync of one execution in one buffer; all values and results in text form. */
export function encodeExecution({ name, parse, close, values }: Execution): Buffer {
  const nameBytes = Buffer.byteLength(name);
  const lengths = values.map((value) => (value === null ? -1 : Buffer.byteLength(value)));
  const bind = bindLength(nameBytes, lengths);
  const parseLength = parse === null ? 0 : 4 + nameBytes + 1 + Buffer.byteLength(parse) + 1 + 2;
  const closeLength = close.reduce((sum, old) => sum + 7 + Buffer.byteLength(old), 0);
  const total = closeLength + (parse === null ? 0 : 1 + parseLength) + 1 + bind + EXECUTE_SYNC.length;
  const out = new Output(total);
  for (const old of close)
    out
      .byte(0x43)
      .int32(6 + Buffer.byteLength(old))
      .byte(0x53)
      .text(old);
  if (parse !== null) out.byte(0x50).int32(parseLength).text(name).text(parse).int16(0);
  out.byte(0x42).int32(bind).text('').text(name).int16(0).int16(values.length);
  values.forEach((value, i) => {
    out.int32(lengths[i] ?? -1);
    if (value !== null) out.raw(value);
  });
  return out.int16(0).bytes(EXECUTE_SYNC).finish();
}

function bindLength(nameBytes: number, lengths: readonly number[]): number {
  const valueBytes = lengths.reduce((sum, length) => sum + 4 + Math.max(0, length), 0);
  return 4 + 1 + nameBytes + 1 + FORMATS_BYTES + 2 + valueBytes + FORMATS_BYTES;
}

/** Asks the server to end what a session is running; sent on a connection of its own. */
export function encodeCancel(processId: number, secret: Buffer): Buffer {
  const head = Buffer.alloc(12);
  head.writeInt32BE(12 + secret.length, 0);
  head.writeInt32BE(80_877_102, 4);
  head.writeInt32BE(processId, 8);
  return Buffer.concat([head, secret]);
}

/** Says goodbye. */
export const TERMINATE: Buffer = Buffer.from([0x58, 0, 0, 0, 4]);

class Output {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(length: number) {
    this.#buffer = Buffer.allocUnsafe(length);
  }

  byte(value: number): this {
    this.#at = this.#buffer.writeUInt8(value, this.#at);
    return this;
  }

  int16(value: number): this {
    this.#at = this.#buffer.writeUInt16BE(value, this.#at);
    return this;
  }

  int32(value: number): this {
    this.#at = this.#buffer.writeInt32BE(value, this.#at);
    return this;
  }

  raw(value: string): this {
    this.#at += this.#buffer.write(value, this.#at);
    return this;
  }

  text(value: string): this {
    return this.raw(value).byte(0);
  }

  bytes(value: Buffer): this {
    this.#at += value.copy(this.#buffer, this.#at);
    return this;
  }

  finish(): Buffer {
    if (this.#at !== this.#buffer.length)
      throw new Error(`bug: message of ${this.#at} bytes announced otherwise`);
    return this.#buffer;
  }
}
