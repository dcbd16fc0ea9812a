import type { FeedItem } from '../src/core/rows/change.ts';

type Batch = readonly FeedItem[];
type Outcome =
  | { readonly kind: 'open' }
  | { readonly kind: 'ended' }
  | { readonly kind: 'failed'; readonly error: unknown };

/** What the queue tells the stream that fills it. */
export interface QueueEvents {
  /** The reader waits and nothing is left. */
  readonly drained: () => void;
  /** The reader wants no more: ends the queue. */
  readonly left: () => void;
}

/** Lists of items between one stream and its one reader, counted in bytes of the socket they came from. */
export class ItemQueue implements AsyncIterableIterator<Batch> {
  readonly #events: QueueEvents;
  readonly #batches: { readonly items: Batch; readonly bytes: number }[] = [];
  #waiting: { resolve(result: IteratorResult<Batch>): void; reject(error: unknown): void } | null = null;
  #bytes = 0;
  #outcome: Outcome = { kind: 'open' };

  constructor(events: QueueEvents) {
    this.#events = events;
  }

  /** Bytes not yet taken by the reader. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether the reader is waiting for the next list. */
  get isWaitedFor(): boolean {
    return this.#waiting !== null;
  }

  /** Adds one list, or hands it to the reader when that is waiting. */
  put(items: Batch, bytes: number): void {
    if (this.#outcome.kind !== 'open') return;
    const waiting = this.#waiting;
    if (waiting === null) {
      this.#batches.push({ items, bytes });
      this.#bytes += bytes;
      return;
    }
    this.#waiting = null;
    waiting.resolve({ done: false, value: items });
  }

  /** The reader gets what is queued, then this error; later outcomes are ignored. */
  fail(error: unknown): void {
    if (this.#outcome.kind !== 'open') return;
    this.#outcome = { kind: 'failed', error };
    this.#waiting?.reject(error);
    this.#waiting = null;
  }

  /** Ends the reader's loop at once, dropping what is queued. */
  end(): void {
    if (this.#outcome.kind === 'ended') return;
    this.#outcome = { kind: 'ended' };
    this.#batches.length = 0;
    this.#bytes = 0;
    this.#waiting?.resolve({ done: true, value: undefined });
    this.#waiting = null;
  }

  next(): Promise<IteratorResult<Batch>> {
    const batch = this.#batches.shift();
    if (batch !== undefined) {
      this.#bytes -= batch.bytes;
      if (this.#batches.length === 0) this.#events.drained();
      return Promise.resolve({ done: false, value: batch.items });
    }
    if (this.#outcome.kind === 'failed') return Promise.reject(this.#outcome.error);
    if (this.#outcome.kind === 'ended') return Promise.resolve({ done: true, value: undefined });
    if (this.#waiting !== null) return Promise.reject(new Error('bug: a stream has one reader'));
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#events.drained();
    });
  }

  return(): Promise<IteratorResult<Batch>> {
    this.#events.left();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
