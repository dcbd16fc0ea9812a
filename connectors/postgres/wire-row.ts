import { type Cell, type CellSink, notSent, type Row, UNCHANGED } from '../../src/core/row.ts';
import { ConnectorError } from '../connector.ts';

const IS_NULL = 0x6e;
const IS_UNCHANGED = 0x75;
const IS_TEXT = 0x74;
/** A cell's kind and its length. */
const HEAD_BYTES = 5;

/** A row inside a socket read: it keeps the bytes and where its cells begin. */
export class WireRow implements Row {
  readonly #buffer: Buffer;
  readonly #starts: readonly number[];
  readonly isWhole: boolean;
  readonly end: number;
  readonly bytes: number;

  /** Finds the cells of a tuple whose column count is at `start`; throws a ConnectorError when it is none. */
  constructor(buffer: Buffer, start: number, width: number) {
    const starts: number[] = [];
    let isWhole = true;
    let at = start + 2;
    for (let index = 0; index < width; index += 1) {
      starts.push(at);
      const kind = buffer[at];
      if (kind === IS_TEXT) at += HEAD_BYTES + buffer.readInt32BE(at + 1);
      else if (kind === IS_NULL) at += 1;
      else if (kind === IS_UNCHANGED) {
        at += 1;
        isWhole = false;
      } else
        throw new ConnectorError('retry', `the stream is malformed: a cell of an unknown kind (${kind})`);
    }
    this.#buffer = buffer;
    this.#starts = starts;
    this.isWhole = isWhole;
    this.end = at;
    this.bytes = at - start + 64;
  }

  get width(): number {
    return this.#starts.length;
  }

  cell(at: number): Cell {
    const start = this.#start(at);
    const kind = this.#buffer[start];
    if (kind === IS_NULL) return null;
    if (kind === IS_UNCHANGED) return UNCHANGED;
    return textOf(this.#buffer, start + HEAD_BYTES, this.#endOf(start));
  }

  has(at: number): boolean {
    return this.#buffer[this.#start(at)] !== IS_UNCHANGED;
  }

  give(at: number, sink: CellSink): void {
    const start = this.#start(at);
    const kind = this.#buffer[start];
    if (kind === IS_TEXT) sink.bytes(this.#buffer, start + HEAD_BYTES, this.#endOf(start));
    else if (kind === IS_NULL) sink.null();
    else throw notSent();
  }

  #start(at: number): number {
    const start = this.#starts[at];
    if (start === undefined) throw new Error('bug: a cell outside its row');
    return start;
  }

  #endOf(start: number): number {
    return start + HEAD_BYTES + this.#buffer.readInt32BE(start + 1);
  }
}

function textOf(buffer: Buffer, start: number, end: number): string {
  try {
    return buffer.toString('utf8', start, end);
  } catch (error) {
    throw new ConnectorError('unfit', `a value of ${end - start} bytes is too large to read`, error);
  }
}
