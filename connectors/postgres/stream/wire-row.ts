import { type Cell, type CellSink, notSent, type Row, UNCHANGED } from '../../../src/core/rows/row.ts';
import { ConnectorError } from '../../connector.ts';
import { IS_NULL, IS_TEXT, IS_UNCHANGED, malformed } from './pgoutput.ts';

/** A cell's kind and its length. */
const HEAD_BYTES = 5;
/** What stands around the bytes, roughly. */
const OBJECT_BYTES = 128;

/** A row inside a socket read: it keeps the bytes. Its cells are found by walking over them, mostly once and in order. */
export class WireRow implements Row {
  readonly #buffer: Buffer;
  readonly #start: number;
  readonly width: number;
  readonly isWhole: boolean;
  readonly end: number;
  /** The cell that was looked for last, and where it begins. */
  #at = 0;
  #place: number;

  /** Finds the end of a tuple whose column count is at `start`; throws a ConnectorError when it is none. */
  constructor(buffer: Buffer, start: number, width: number) {
    let isWhole = true;
    let place = start + 2;
    for (let index = 0; index < width; index += 1) {
      const kind = buffer[place];
      if (kind === IS_TEXT) place += HEAD_BYTES + buffer.readInt32BE(place + 1);
      else if (kind === IS_NULL) place += 1;
      else if (kind === IS_UNCHANGED) {
        place += 1;
        isWhole = false;
      } else throw malformed(`a cell of an unknown kind (${kind})`);
    }
    this.#buffer = buffer;
    this.#start = start + 2;
    this.#place = this.#start;
    this.width = width;
    this.isWhole = isWhole;
    this.end = place;
  }

  get bytes(): number {
    return this.end - this.#start + OBJECT_BYTES;
  }

  cell(at: number): Cell {
    const start = this.#find(at);
    const kind = this.#buffer[start];
    if (kind === IS_NULL) return null;
    if (kind === IS_UNCHANGED) return UNCHANGED;
    return textOf(this.#buffer, start + HEAD_BYTES, this.#endOf(start));
  }

  has(at: number): boolean {
    return this.#buffer[this.#find(at)] !== IS_UNCHANGED;
  }

  give(at: number, sink: CellSink): void {
    const start = this.#find(at);
    const kind = this.#buffer[start];
    if (kind === IS_TEXT) sink.bytes(this.#buffer, start + HEAD_BYTES, this.#endOf(start));
    else if (kind === IS_NULL) sink.null();
    else throw notSent();
  }

  #find(at: number): number {
    if (at < 0 || at >= this.width) throw new Error('bug: a cell outside its row');
    if (at < this.#at) {
      this.#at = 0;
      this.#place = this.#start;
    }
    let place = this.#place;
    for (let index = this.#at; index < at; index += 1)
      place = this.#buffer[place] === IS_TEXT ? this.#endOf(place) : place + 1;
    this.#at = at;
    this.#place = place;
    return place;
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
