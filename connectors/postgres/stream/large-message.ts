import { type PassingEvents, PassingRow } from '../../../src/core/rows/passing-row.ts';
import { ConnectorError } from '../../connector.ts';
import {
  DELETE,
  INSERT,
  IS_NULL,
  IS_TEXT,
  IS_UNCHANGED,
  malformed,
  NEW_ROW,
  UPDATE,
  WAL_DATA,
  WAL_HEADER_BYTES,
} from './pgoutput.ts';

/** No key is larger: an index holds a third of a page, and no compression makes more of that. */
const KEPT_BYTES = 1 << 20;

/** Who takes what a large message turns out to be. */
export interface LargeMessageSink extends PassingEvents {
  /** The message up to its new row, and the row, whose cells follow; null where the message has no new row. */
  readonly begun: (message: Buffer, row: PassingRow | null) => void;
}

/**
 * Reads the change in one message of the stream while it comes, and keeps none of it: the new row passes through. Of an old
 * row, which is there for its key, large values are left out, as if they had not been sent.
 */
export class LargeMessage {
  readonly #sink: LargeMessageSink;
  readonly #isPart: boolean;
  readonly #reading: Generator<void, void>;
  #piece: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;

  /** `isPart`: the message is in a chunk of a transaction in progress, and so names its subtransaction. */
  constructor(isPart: boolean, sink: LargeMessageSink) {
    this.#isPart = isPart;
    this.#sink = sink;
    this.#reading = this.#read();
  }

  /** Takes the next bytes of the message; throws a ConnectorError when it is no change. */
  push(piece: Buffer, start: number, end: number): void {
    this.#piece = piece;
    this.#at = start;
    this.#end = end;
    this.#reading.next();
  }

  *#read(): Generator<void, void> {
    const header = yield* this.#bytes(WAL_HEADER_BYTES + 1);
    const tag = header[WAL_HEADER_BYTES] ?? 0;
    if (header[0] !== WAL_DATA || ![INSERT, UPDATE, DELETE].includes(tag))
      throw new ConnectorError('unfit', `the stream holds a large message of an unknown kind (${tag})`);
    const message = [Buffer.from([tag]), yield* this.#bytes(this.#isPart ? 8 : 4)];
    let part = yield* this.#bytes(1);
    message.push(part);
    if (part[0] !== NEW_ROW) {
      yield* this.#oldRow(message);
      if (tag === DELETE) return this.#sink.begun(Buffer.concat(message), null);
      part = yield* this.#bytes(1);
      message.push(part);
    }
    if (part[0] !== NEW_ROW) throw malformed('a change without its new row');
    yield* this.#newRow(message);
  }

  *#oldRow(message: Buffer[]): Generator<void, void> {
    const count = yield* this.#bytes(2);
    message.push(count);
    for (let left = count.readUInt16BE(); left > 0; left -= 1) {
      const kind = yield* this.#bytes(1);
      if (kind[0] !== IS_TEXT) {
        message.push(kind);
        continue;
      }
      const length = yield* this.#bytes(4);
      const bytes = length.readInt32BE();
      if (bytes <= KEPT_BYTES) message.push(kind, length, yield* this.#bytes(bytes));
      else {
        message.push(Buffer.from([IS_UNCHANGED]));
        yield* this.#through(bytes, () => undefined);
      }
    }
  }

  *#newRow(message: readonly Buffer[]): Generator<void, void> {
    const width = (yield* this.#bytes(2)).readUInt16BE();
    const row = new PassingRow(width, this.#sink);
    this.#sink.begun(Buffer.concat(message), row);
    for (let left = width; left > 0; left -= 1) {
      const kind = (yield* this.#bytes(1))[0] ?? 0;
      if (kind === IS_NULL) row.put({ kind: 'cell', is: 'null' });
      else if (kind === IS_UNCHANGED) row.put({ kind: 'cell', is: 'unchanged' });
      else if (kind !== IS_TEXT) throw malformed(`a cell of an unknown kind (${kind})`);
      else {
        const length = (yield* this.#bytes(4)).readInt32BE();
        row.put({ kind: 'cell', is: 'text', length });
        yield* this.#through(length, (from, start, end) => row.put({ kind: 'bytes', from, start, end }));
      }
    }
    row.put({ kind: 'end' });
  }

  /** Gathers a few bytes. */
  *#bytes(count: number): Generator<void, Buffer> {
    const gathered = Buffer.alloc(count);
    let have = 0;
    yield* this.#through(count, (piece, start, end) => {
      have += piece.copy(gathered, have, start, end);
    });
    return gathered;
  }

  /** Hands on so many bytes in the pieces they come in. */
  *#through(count: number, take: (piece: Buffer, start: number, end: number) => void): Generator<void, void> {
    for (let left = count; left > 0; ) {
      if (this.#at === this.#end) yield;
      const end = Math.min(this.#end, this.#at + left);
      take(this.#piece, this.#at, end);
      left -= end - this.#at;
      this.#at = end;
    }
  }
}
