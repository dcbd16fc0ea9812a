import type { PassingRow } from '../../core/rows/passing-row.ts';
import type { CellSink, Row } from '../../core/rows/row.ts';

/** Whole messages of the protocol are handed on when they have about this size. */
const BLOCK_BYTES = 256 * 1024;
const COPY_DATA = 0x64;
const HEADER_BYTES = 5;
const WORD_BYTES = 4;
const NOTHING: Uint8Array = new Uint8Array(0);

const TAB = 9;
const NEWLINE = 10;
const RETURN = 13;
const BACKSLASH = 92;
const LETTER_N = 78;

/**
 * The cells of the rows at these positions, in COPY's text format, as CopyData messages. Bytes pass as they came; only those
 * with a meaning to COPY are escaped by a backslash.
 */
export function* copyData(rows: readonly Row[], positions: readonly number[]): Generator<Buffer> {
  const text = new CopyText();
  for (const row of rows) {
    for (let index = 0; index < positions.length; index += 1) {
      if (index > 0) text.byte(TAB);
      row.give(positions[index] ?? 0, text);
      // A huge value goes out block by block: it is in memory already, and must not be there twice.
      while (text.hasFull) {
        yield* text.takeFull();
        text.goOn();
      }
    }
    text.byte(NEWLINE);
  }
  yield* text.takeAll();
}

/** What is taken from a row that passes through, and what was seen of it when it has passed. */
export interface PassedRow {
  /** The cells that go through, in the order of the row. */
  readonly places: readonly number[];
  /** Among the positions of the places. */
  readonly keys: readonly number[];
  /** Its key stands for one that was not sent; its cells are those at the places. */
  readonly before: Row | null;
  /** Positions of cells that were not sent. */
  readonly missing: number[];
  /** The key's cells, by position. */
  readonly key: Map<number, Buffer[]>;
}

/** The same for one row that is taken as it comes; what is not there yet is waited for. */
export function* passingData(row: PassingRow, passed: PassedRow): Generator<Buffer | Promise<void>> {
  const text = new CopyText();
  let place = -1;
  let position = -1;
  for (let part = row.take(); part?.kind !== 'end'; part = row.take()) {
    if (part === null) {
      yield row.more();
    } else if (part.kind === 'cell') {
      place += 1;
      position = passed.places.indexOf(place);
      if (position >= 0) yield* beginCell(part.is, { position, passed, text });
    } else if (position >= 0) {
      passed.key.get(position)?.push(part.from.subarray(part.start, part.end));
      yield* throughText(part, text);
    }
  }
  text.byte(NEWLINE);
  yield* text.takeAll();
}

function* beginCell(
  is: 'null' | 'unchanged' | 'text',
  {
    position,
    passed,
    text,
  }: { readonly position: number; readonly passed: PassedRow; readonly text: CopyText },
): Generator<Buffer> {
  if (position > 0) text.byte(TAB);
  const stand = is === 'unchanged' ? standFor(position, passed) : null;
  if (passed.keys.includes(position)) passed.key.set(position, stand === null ? [] : [stand]);
  if (stand !== null) return yield* throughText({ from: stand, start: 0, end: stand.length }, text);
  if (is === 'unchanged') passed.missing.push(position);
  if (is !== 'text') text.null();
}

/** What is known of a key's cell that was not sent. */
function standFor(position: number, { keys, before }: PassedRow): Buffer | null {
  const known = keys.includes(position) ? before?.cell(position) : null;
  return typeof known === 'string' ? Buffer.from(known) : null;
}

function* throughText(
  { from, start, end }: { readonly from: Buffer; readonly start: number; readonly end: number },
  text: CopyText,
): Generator<Buffer> {
  text.bytes(from, start, end);
  while (text.hasFull) {
    yield* text.takeFull();
    text.goOn();
  }
}

/** Blocks of COPY text, each with room for its header in front. While there is a full one, more of a value may wait. */
class CopyText implements CellSink {
  #full: Buffer[] = [];
  /** The rest of a value. */
  #from: Uint8Array = NOTHING;
  #words: DataView = viewOf(NOTHING);
  #next = 0;
  #end = 0;
  #block: Buffer = Buffer.allocUnsafe(BLOCK_BYTES);
  #blockWords: DataView = viewOf(this.#block);
  #at = HEADER_BYTES;

  get hasFull(): boolean {
    return this.#full.length > 0;
  }

  takeFull(): readonly Buffer[] {
    const full = this.#full;
    this.#full = [];
    return full;
  }

  takeAll(): readonly Buffer[] {
    if (this.#at > HEADER_BYTES) this.#close();
    return this.takeFull();
  }

  bytes(from: Uint8Array, start: number, end: number): void {
    if (from !== this.#from) {
      this.#from = from;
      this.#words = viewOf(from);
    }
    this.#next = start;
    this.#end = end;
    this.goOn();
  }

  /** Takes what is left of a value, up to the next full block. */
  goOn(): void {
    // Escaped, every byte may become two.
    while (this.#next < this.#end) {
      const upTo = Math.min(this.#end, this.#next + ((BLOCK_BYTES - this.#at) >> 1));
      if (upTo === this.#next) return this.#close();
      this.#passed(this.#next, upTo);
      this.#next = upTo;
    }
  }

  /** Most bytes stand for themselves: they pass four at a time. */
  #passed(start: number, end: number): void {
    const words = this.#words;
    const block = this.#blockWords;
    let at = this.#at;
    let next = start;
    for (; next + WORD_BYTES <= end; next += WORD_BYTES) {
      const word = words.getInt32(next);
      if (holdsSpecial(word)) {
        this.#at = at;
        this.#escaped(next, next + WORD_BYTES);
        at = this.#at;
      } else {
        block.setInt32(at, word);
        at += WORD_BYTES;
      }
    }
    this.#at = at;
    this.#escaped(next, end);
  }

  #escaped(start: number, end: number): void {
    const from = this.#from;
    const block = this.#block;
    let at = this.#at;
    for (let index = start; index < end; index += 1) {
      const byte = from[index] ?? 0;
      const letter = escapeOf(byte);
      if (letter !== 0) block[at++] = BACKSLASH;
      block[at++] = letter === 0 ? byte : letter;
    }
    this.#at = at;
  }

  text(value: string): void {
    const bytes = Buffer.from(value);
    this.bytes(bytes, 0, bytes.length);
  }

  null(): void {
    this.byte(BACKSLASH);
    this.byte(LETTER_N);
  }

  byte(byte: number): void {
    if (this.#at === BLOCK_BYTES) this.#close();
    this.#block[this.#at++] = byte;
  }

  #close(): void {
    this.#block[0] = COPY_DATA;
    this.#block.writeUInt32BE(this.#at - 1, 1);
    this.#full.push(this.#block.subarray(0, this.#at));
    this.#block = Buffer.allocUnsafe(BLOCK_BYTES);
    this.#blockWords = viewOf(this.#block);
    this.#at = HEADER_BYTES;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Whether one of four bytes is a backslash or none above a carriage return: what subtracting borrows shows in its highest bit. */
function holdsSpecial(word: number): boolean {
  const low = (word - 0x0e0e0e0e) & ~word;
  const other = word ^ 0x5c5c5c5c;
  const backslash = (other - 0x01010101) & ~other;
  return ((low | backslash) & 0x80808080) !== 0;
}

/** The letter that stands for the byte after a backslash; 0 when the byte may stand for itself. */
function escapeOf(byte: number): number {
  switch (byte) {
    case BACKSLASH:
      return BACKSLASH;
    case TAB:
      return 0x74;
    case NEWLINE:
      return 0x6e;
    case RETURN:
      return 0x72;
    default:
      return 0;
  }
}
