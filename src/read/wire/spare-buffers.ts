import { keptIn } from '../../core/kept-in.ts';

/** Node cuts what is not longer from blocks of its own. */
const CUT_BYTES = 4096;
const SMALLEST_BYTES = 2 * CUT_BYTES;
const LARGEST_BYTES = 4 * 1024 * 1024;
/** Most memory that lies ready. */
const KEPT_BYTES = 16 * 1024 * 1024;

/**
 * Memory for rows, used again once the answer made of it has been sent. New memory for each would start a full garbage
 * collection every 64 MB, and those cost more than sending what they collect.
 */
export class SpareBuffers {
  /** By length, a power of two. */
  readonly #spare = new Map<number, ArrayBuffer[]>();
  readonly #lent = new WeakSet<ArrayBufferLike>();
  #keptBytes = 0;

  /** So many bytes, with arbitrary content. */
  take(bytes: number): Buffer {
    if (bytes <= CUT_BYTES || bytes > LARGEST_BYTES) return Buffer.allocUnsafe(bytes);
    const length = lengthFor(bytes);
    const memory = this.#ready(length) ?? Buffer.allocUnsafeSlow(length).buffer;
    this.#lent.add(memory);
    return Buffer.from(memory, 0, bytes);
  }

  /**
   * Takes back bytes when nobody reads from them, or from others of the same row, any more. Bytes that are not from here are
   * left alone.
   */
  giveBack({ buffer: memory }: Buffer): void {
    if (!(memory instanceof ArrayBuffer) || !this.#lent.delete(memory)) return;
    if (this.#keptBytes + memory.byteLength > KEPT_BYTES) return;
    this.#keptBytes += memory.byteLength;
    keptIn(this.#spare, memory.byteLength, () => []).push(memory);
  }

  #ready(length: number): ArrayBuffer | undefined {
    const memory = this.#spare.get(length)?.pop();
    if (memory !== undefined) this.#keptBytes -= length;
    return memory;
  }
}

function lengthFor(bytes: number): number {
  let length = SMALLEST_BYTES;
  while (length < bytes) length *= 2;
  return length;
}
