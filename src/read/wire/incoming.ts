import type { SpareBuffers } from './spare-buffers.ts';

/** Receives whole messages of the server. */
export interface MessageSink {
  /** A data row; its bytes are the receiver's, to keep or to give back. */
  row(body: Buffer): void;
  /** Any other message, from `start` to `end`: the bytes are gone after the call. */
  message(type: number, bytes: Buffer, start: number, end: number): void;
  /** A data row longer than the limit: its bytes are dropped as they arrive. */
  oversized(bytes: number): void;
}

/** Where rows are put, and how long they may be. */
export interface RowMemory {
  /** Longest row accepted. */
  readonly rowLimit: number;
  readonly buffers: SpareBuffers;
}

const HEADER = 5;
const DATA_ROW = 0x44;

/** Cuts a byte stream into messages: one copy for a row or a message that spans several reads, none for others. */
export class Incoming {
  readonly #sink: MessageSink;
  readonly #rowLimit: number;
  readonly #buffers: SpareBuffers;
  readonly #header = Buffer.alloc(HEADER);
  #headerBytes = 0;
  #type = 0;
  #length = 0;
  #body: Buffer | null = null;
  #filled = 0;
  #skip = 0;

  constructor(sink: MessageSink, { rowLimit, buffers }: RowMemory) {
    this.#sink = sink;
    this.#rowLimit = rowLimit;
    this.#buffers = buffers;
  }

  /** Takes the first `length` bytes of what a read brought, and holds on to none of them. */
  push(chunk: Buffer, length: number = chunk.length): void {
    let at = 0;
    while (at < length) at = this.#step(chunk, at, length);
  }

  #step(chunk: Buffer, at: number, end: number): number {
    if (this.#skip > 0) return this.#skipSome(at, end);
    if (this.#body !== null) return this.#fill(this.#body, chunk, at, end);
    if (this.#headerBytes > 0 || end - at < HEADER) return this.#gatherHeader(chunk, at, end);
    this.#readHeader(chunk, at);
    return this.#open(chunk, at + HEADER, end);
  }

  #skipSome(at: number, end: number): number {
    const step = Math.min(this.#skip, end - at);
    this.#skip -= step;
    return at + step;
  }

  #fill(body: Buffer, chunk: Buffer, at: number, end: number): number {
    const copied = chunk.copy(body, this.#filled, at, end);
    this.#filled += copied;
    if (this.#filled === body.length) {
      this.#body = null;
      if (this.#type === DATA_ROW) this.#sink.row(body);
      else this.#sink.message(this.#type, body, 0, body.length);
    }
    return at + copied;
  }

  #gatherHeader(chunk: Buffer, at: number, end: number): number {
    const copied = chunk.copy(
      this.#header,
      this.#headerBytes,
      at,
      Math.min(end, at + HEADER - this.#headerBytes),
    );
    this.#headerBytes += copied;
    if (this.#headerBytes < HEADER) return end;
    this.#headerBytes = 0;
    this.#readHeader(this.#header, 0);
    return this.#open(chunk, at + copied, end);
  }

  #readHeader(bytes: Buffer, at: number): void {
    this.#type = bytes.readUInt8(at);
    this.#length = bytes.readInt32BE(at + 1) - 4;
  }

  #open(chunk: Buffer, at: number, end: number): number {
    if (this.#type === DATA_ROW && this.#length > this.#rowLimit) {
      this.#skip = this.#length;
      this.#sink.oversized(this.#length);
      return at;
    }
    const next = at + this.#length;
    if (next <= end && this.#type !== DATA_ROW) {
      this.#sink.message(this.#type, chunk, at, next);
      return next;
    }
    this.#body = this.#buffers.take(this.#length);
    this.#filled = 0;
    return at;
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

/** Whether a change of a parameter says that the server is no standby any more: what was learnt of it holds no longer. */
export function tellsOfPromotion(body: Buffer): boolean {
  return body.toString('latin1') === 'in_hot_standby\0off\0';
}
