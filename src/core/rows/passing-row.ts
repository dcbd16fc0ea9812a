import { type Cell, type Row, rowOf, UNCHANGED } from './row.ts';

/** What comes of a passing row, in order: for each cell what it is, and behind it the bytes of a text in pieces. */
export type PassingPart =
  | { readonly kind: 'cell'; readonly is: 'null' | 'unchanged' }
  | { readonly kind: 'cell'; readonly is: 'text'; readonly length: number }
  | { readonly kind: 'bytes'; readonly from: Buffer; readonly start: number; readonly end: number }
  | { readonly kind: 'end' };

/** Whom a passing row tells that its reader has taken something. */
export interface PassingEvents {
  /** There is room for more. */
  readonly room: () => void;
  /** All of it was taken, or will be dropped: what comes behind it may be read. */
  readonly passed: () => void;
}

const MOST_HELD_BYTES = 1 << 20;
/** It must be written before anything else can be read, so it fills a batch by itself, whatever the batch's size. */
const FILLS_ANY_BATCH = 2 ** 40;

/**
 * A row that is never whole in memory: it is taken piece by piece while it comes, once, by whoever writes it. Nothing that
 * comes behind it is read until it was taken or discarded, so one of both must happen.
 */
export class PassingRow implements Row {
  readonly width: number;
  /** What was not sent is known only when it has passed. */
  readonly isWhole = true;
  readonly bytes = FILLS_ANY_BATCH;
  readonly #events: PassingEvents;
  readonly #parts: PassingPart[] = [];
  #held = 0;
  #hasEnded = false;
  #isDiscarded = false;
  #failure: Error | null = null;
  #waiting: { readonly resolve: () => void; readonly reject: (error: Error) => void } | null = null;

  constructor(width: number, events: PassingEvents) {
    this.width = width;
    this.#events = events;
  }

  /** So much waits to be taken that no more should be put, or all of it does. */
  get mustWait(): boolean {
    return this.#hasEnded || this.#held >= MOST_HELD_BYTES;
  }

  /** All of it has come. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  put(part: PassingPart): void {
    if (part.kind === 'end') this.#hasEnded = true;
    if (this.#isDiscarded) {
      if (this.#hasEnded) queueMicrotask(this.#events.passed);
      return;
    }
    if (part.kind === 'bytes') this.#held += part.end - part.start;
    this.#parts.push(part);
    this.#waiting?.resolve();
    this.#waiting = null;
  }

  /** The rest will not come. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#waiting?.reject(error);
    this.#waiting = null;
  }

  /** Nobody wants it. */
  discard(): void {
    if (this.#isDiscarded) return;
    this.#isDiscarded = true;
    this.#parts.length = 0;
    this.#held = 0;
    if (this.#hasEnded) queueMicrotask(this.#events.passed);
    else this.#events.room();
  }

  /** The next part; null when it has not come yet. */
  take(): PassingPart | null {
    const part = this.#parts.shift();
    if (part === undefined) return null;
    if (part.kind === 'end') queueMicrotask(this.#events.passed);
    if (part.kind !== 'bytes') return part;
    const couldNot = this.mustWait;
    this.#held -= part.end - part.start;
    if (couldNot && !this.mustWait) this.#events.room();
    return part;
  }

  /** Resolves when there is something to take; rejects when the rest will not come. */
  more(): Promise<void> {
    if (this.#parts.length > 0) return Promise.resolve();
    if (this.#failure !== null) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  /** Takes all of it, for who cannot write it in pieces. */
  async whole(): Promise<Row> {
    const cells: (Buffer | null | typeof UNCHANGED)[] = [];
    let have = 0;
    for (;;) {
      const part = this.take();
      if (part === null) await this.more();
      else if (part.kind === 'end') return rowOf(cells);
      else if (part.kind === 'cell') {
        have = 0;
        cells.push(gathered(part));
      } else {
        const last = cells.at(-1);
        if (Buffer.isBuffer(last)) have += part.from.copy(last, have, part.start, part.end);
      }
    }
  }

  cell(): Cell {
    throw passing();
  }

  has(): boolean {
    throw passing();
  }

  give(): void {
    throw passing();
  }
}

function passing(): Error {
  return new Error('bug: a cell of a row that is passing is looked at');
}

function gathered(part: PassingPart & { readonly kind: 'cell' }): Buffer | null | typeof UNCHANGED {
  if (part.is === 'text') return Buffer.allocUnsafe(part.length);
  return part.is === 'null' ? null : UNCHANGED;
}
