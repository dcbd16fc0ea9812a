import { ConnectorError } from '../connector.ts';

/** Takes one message: its tag, and its body as the bytes from `start` up to `end` of a buffer nobody writes to again. */
export type FrameSink = (tag: number, buffer: Buffer, start: number, end: number) => void;

/** Takes messages of one kind that are too large to be gathered, in the pieces they come in. */
export interface LargeFrames {
  readonly tag: number;
  /** From so many bytes on, unless the whole of one comes at once. */
  readonly from: number;
  readonly piece: (buffer: Buffer, start: number, end: number, isLast: boolean) => void;
}

/** The tag of a message of a copy or a stream. */
export const COPY_DATA = 0x64;
/** The tag of the server's refusals. */
export const ERROR = 0x45;

/** A message's tag and length. */
export const HEADER_BYTES = 5;
/** The server builds no larger message. */
const MAX_FRAME_BYTES = 0x4000_0000;

/**
 * Cuts the bytes of a server's socket into protocol messages. Whole messages are handed on in place;
 * only one that straddles two reads is copied, into a buffer of exactly its size.
 */
export class FrameReader {
  readonly #sink: FrameSink;
  readonly #large: LargeFrames | null;
  /** Of a large message. */
  #left = 0;
  #partial: Buffer = Buffer.alloc(0);
  #have = 0;

  constructor(sink: FrameSink, large: LargeFrames | null = null) {
    this.#sink = sink;
    this.#large = large;
  }

  /**
   * Reads one socket read to its end, or to that of a large message, and says how far; throws when the bytes cannot be
   * messages, or what the sink throws.
   */
  push(chunk: Buffer): number {
    let at = this.#have > 0 ? this.#complete(chunk) : 0;
    if (this.#left > 0) return this.#pass(chunk, at);
    while (chunk.length - at >= HEADER_BYTES) {
      const end = at + frameBytes(chunk, at);
      if (end > chunk.length) break;
      this.#sink(chunk[at] ?? 0, chunk, at + HEADER_BYTES, end);
      at = end;
    }
    if (at < chunk.length) this.#keep(chunk, at);
    return chunk.length;
  }

  #pass(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#left);
    this.#left -= end - at;
    this.#large?.piece(chunk, at, end, this.#left === 0);
    return end;
  }

  /** Whether the message whose tag is at `at` is to be passed on in pieces: then its header is over. */
  #isLarge(buffer: Buffer, at: number): boolean {
    const large = this.#large;
    if (large === null || buffer[at] !== large.tag) return false;
    const bytes = frameBytes(buffer, at) - HEADER_BYTES;
    if (bytes < large.from) return false;
    this.#left = bytes;
    return true;
  }

  #keep(chunk: Buffer, at: number): void {
    const left = chunk.length - at;
    if (left >= HEADER_BYTES && this.#isLarge(chunk, at)) {
      if (left > HEADER_BYTES) this.#pass(chunk, at + HEADER_BYTES);
      return;
    }
    this.#partial = Buffer.allocUnsafe(left < HEADER_BYTES ? HEADER_BYTES : frameBytes(chunk, at));
    this.#have = chunk.copy(this.#partial, 0, at);
  }

  /** Goes on with the message begun by earlier reads; returns where the next one begins. */
  #complete(chunk: Buffer): number {
    let at = 0;
    if (this.#have < HEADER_BYTES) {
      at = this.#fill(chunk, 0, HEADER_BYTES);
      if (this.#have < HEADER_BYTES) return at;
      const header = this.#partial;
      if (this.#isLarge(header, 0)) {
        this.#have = 0;
        return at;
      }
      this.#partial = Buffer.allocUnsafe(frameBytes(header, 0));
      header.copy(this.#partial, 0, 0, HEADER_BYTES);
    }
    at = this.#fill(chunk, at, this.#partial.length);
    if (this.#have < this.#partial.length) return at;
    const whole = this.#partial;
    this.#partial = Buffer.alloc(0);
    this.#have = 0;
    this.#sink(whole[0] ?? 0, whole, HEADER_BYTES, whole.length);
    return at;
  }

  #fill(chunk: Buffer, at: number, upTo: number): number {
    const end = Math.min(chunk.length, at + upTo - this.#have);
    this.#have += chunk.copy(this.#partial, this.#have, at, end);
    return end;
  }
}

/** Bytes of the whole message whose tag is at `at`; throws when the bytes there cannot be a message. */
export function frameBytes(buffer: Buffer, at: number): number {
  const length = buffer.readUInt32BE(at + 1);
  if (length < 4 || length > MAX_FRAME_BYTES) {
    throw new ConnectorError(
      'retry',
      'the connection to the target carries something else than the Postgres protocol',
    );
  }
  return length + 1;
}
