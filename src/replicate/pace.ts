import { Transform, type TransformCallback } from 'node:stream';
import type { Clock } from '../core/waiting/clock.ts';

/** Keeps what is read of one target, by all copies together, under a number of bytes a second. */
export class Pace {
  readonly #bytesPerS: number;
  readonly #clock: Clock;
  #freeAtMs = Number.NEGATIVE_INFINITY;

  constructor(bytesPerS: number, clock: Clock) {
    this.#bytesPerS = bytesPerS;
    this.#clock = clock;
  }

  /** Resolves when what was taken before has had its time, or when the signal aborts. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const now = this.#clock.monotonicMs();
    const waitMs = Math.max(0, this.#freeAtMs - now);
    this.#freeAtMs = now + waitMs + (bytes / this.#bytesPerS) * 1000;
    if (waitMs > 0) await this.#clock.delay(waitMs, signal);
  }

  /** A stream that lets bytes through at this pace. */
  stream(signal: AbortSignal): Transform {
    const transform = (chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void => {
      this.take(chunk.length, signal).then(() => done(null, chunk), done);
    };
    return new Transform({ transform });
  }
}
