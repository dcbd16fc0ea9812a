/** Receives whole messages of the server. `body` may share memory with a socket read: it is never written again. */
export interface MessageSink {
  message(type: number, body: Buffer): void;
  /** A data row longer than the limit: its bytes are dropped as they arrive. */
  oversized(bytes: number): void;
}

const HEADER = 5;
const DATA_ROW = 0x44;

/** Cuts a byte stream into messages: one copy for a message that spans several reads, none for others. */
export class Incoming {
  readonly #sink: MessageSink;
  readonly #rowLimit: number;
  readonly #header = Buffer.alloc(HEADER);
  #headerBytes = 0;
  #type = 0;
  #body: Buffer | null = null;
  #filled = 0;
  #skip = 0;

  constructor(sink: MessageSink, rowLimit: number) {
    this.#sink = sink;
    this.#rowLimit = rowLimit;
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#skip > 0) at = this.#skipSome(chunk, at);
      else if (this.#body !== null) at = this.#fill(chunk, at, this.#body);
      else at = this.#open(chunk, at);
    }
  }

  #skipSome(chunk: Buffer, at: number): number {
    const step = Math.min(this.#skip, chunk.length - at);
    this.#skip -= step;
    return at + step;
  }

  #fill(chunk: Buffer, at: number, body: Buffer): number {
    const copied = chunk.copy(body, this.#filled, at);
    this.#filled += copied;
    if (this.#filled === body.length) {
      this.#body = null;
      this.#sink.message(this.#type, body);
    }
    return at + copied;
  }

  #open(chunk: Buffer, at: number): number {
    const copied = chunk.copy(this.#header, this.#headerBytes, at, at + HEADER - this.#headerBytes);
    this.#headerBytes += copied;
    const next = at + copied;
    if (this.#headerBytes < HEADER) return next;
    this.#headerBytes = 0;
    this.#type = this.#header.readUInt8(0);
    const length = this.#header.readInt32BE(1) - 4;
    if (this.#type === DATA_ROW && length > this.#rowLimit) {
      this.#skip = length;
      this.#sink.oversized(length);
      return next;
    }
    if (next + length <= chunk.length) {
      this.#sink.message(this.#type, chunk.subarray(next, next + length));
      return next + length;
    }
    this.#body = Buffer.allocUnsafe(length);
    this.#filled = 0;
    return next;
  }
}

/** The cells of a data row: undecoded, null where SQL says null. */
export function rowCells(body: Buffer): (Buffer | null)[] {
  const count = body.readUInt16BE(0);
  const cells: (Buffer | null)[] = [];
  let at = 2;
  for (let i = 0; i < count; i += 1) {
    const length = body.readInt32BE(at);
    at += 4;
    cells.push(length < 0 ? null : body.subarray(at, at + length));
    if (length > 0) at += length;
  }
  return cells;
}

/** The fields of an error message, by Postgres' one-letter names. */
export function errorFields(body: Buffer): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  let at = 0;
  while (at < body.length && body[at] !== 0) {
    const end = body.indexOf(0, at + 1);
    if (end < 0) break;
    fields.set(String.fromCharCode(body[at] ?? 0), body.toString('utf8', at + 1, end));
    at = end + 1;
  }
  return fields;
}
