import type { CellSink, Row } from '../core/row.ts';

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
 * The cells of the rows at these positions in COPY's text format, as CopyData messages. Nothing is encoded anew: the
 * bytes pass as they came, only what COPY would take for its own gets a backslash.
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
    // Every byte may become two.
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
