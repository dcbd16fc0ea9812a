import { ConnectorError } from '../connector.ts';

/** Takes one message: its tag, and its body as the bytes from `start` up to `end` of a buffer nobody writes to again. */
export type FrameSink = (tag: number, buffer: Buffer, start: number, end: number) => void;

const HEADER_BYTES = 5;
/** The server builds no larger message. */
const MAX_FRAME_BYTES = 0x4000_0000;

/**
 * Cuts the bytes of a server's socket into protocol messages. Whole messages are handed on in place;
 * only one that straddles two reads is copied, into a buffer of exactly its size.
 */
export class FrameReader {
  readonly #sink: FrameSink;
  #partial: Buffer = Buffer.alloc(0);
  #have = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Reads one socket read to its end; throws when the bytes cannot be messages, or what the sink throws. */
  push(chunk: Buffer): void {
    let at = this.#have > 0 ? this.#complete(chunk) : 0;
    while (chunk.length - at >= HEADER_BYTES) {
      const end = at + frameBytes(chunk, at);
      if (end > chunk.length) break;
      this.#sink(chunk[at] ?? 0, chunk, at + HEADER_BYTES, end);
      at = end;
    }
    if (at < chunk.length) this.#keep(chunk, at);
  }

  #keep(chunk: Buffer, at: number): void {
    const left = chunk.length - at;
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

/** Bytes of the whole message whose tag is at `at`. */
function frameBytes(buffer: Buffer, at: number): number {
  const length = buffer.readUInt32BE(at + 1);
  if (length < 4 || length > MAX_FRAME_BYTES) {
    throw new ConnectorError(
      'retry',
      'the connection to the target carries something else than the Postgres protocol',
    );
  }
  return length + 1;
}
