import { COPY_DATA, frameBytes, HEADER_BYTES } from '../frames.ts';

/** CopyOutResponse, ParameterStatus, NoticeResponse, NotificationResponse: they may come before or between rows. */
const PASSED_OVER = new Set([0x48, 0x53, 0x4e, 0x41]);

/** What one socket read holds: bodies of data messages, and from where on it is something else. */
export interface Bodies {
  readonly data: Buffer;
  /** Null while rows go on. */
  readonly rest: Buffer | null;
}

/** Takes the bodies of COPY's data messages out of the bytes of a server's socket; they are moved together in place. */
export class BodyReader {
  /** Data messages begun so far: the server sends one for each row. */
  count = 0;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #have = 0;
  #left = 0;
  #isData = false;

  /** Reads one socket read, whose bytes change; throws when they cannot be messages. */
  push(chunk: Buffer): Bodies {
    let from = 0;
    let to = 0;
    while (from < chunk.length) {
      if (this.#left === 0) {
        from = this.#readHeader(chunk, from);
        if (this.#have < HEADER_BYTES) break;
        this.#have = 0;
        if (!this.#begin()) {
          const rest = Buffer.concat([this.#header, chunk.subarray(from)]);
          return { data: chunk.subarray(0, to), rest };
        }
      }
      const end = Math.min(chunk.length, from + this.#left);
      if (this.#isData) {
        chunk.copyWithin(to, from, end);
        to += end - from;
      }
      this.#left -= end - from;
      from = end;
    }
    return { data: chunk.subarray(0, to), rest: null };
  }

  #readHeader(chunk: Buffer, from: number): number {
    let at = from;
    while (this.#have < HEADER_BYTES && at < chunk.length) this.#header[this.#have++] = chunk[at++] ?? 0;
    return at;
  }

  /** Whether the message is one that belongs to the rows. */
  #begin(): boolean {
    const tag = this.#header[0] ?? 0;
    this.#left = frameBytes(this.#header, 0) - HEADER_BYTES;
    this.#isData = tag === COPY_DATA;
    if (this.#isData) this.count += 1;
    return this.#isData || PASSED_OVER.has(tag);
  }
}
