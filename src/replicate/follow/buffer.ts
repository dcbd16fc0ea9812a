import { type Lsn, maxLsn } from '../../core/position/lsn.ts';
import type { Commit, StreamItem } from '../../core/rows/change.ts';
import type { BatchLimits } from '../feed-options.ts';

/** A run of items to write together. */
export interface Batch {
  readonly items: readonly StreamItem[];
  /**
   * Everything up to here is in this batch or the ones before; null when it is a part of a transaction that goes on in the
   * next batch, so that nothing may be committed yet.
   */
  readonly position: Lsn | null;
  /** The last commit in it. */
  readonly commit: Commit | null;
  /** The transactions that are finished in it. */
  readonly xids: readonly number[];
  readonly bytes: number;
}

/** What was read from the stream and not yet written: whole transactions, and the beginning of one more. */
export class ChangeBuffer {
  readonly #limits: BatchLimits;
  #whole: StreamItem[] = [];
  #part: StreamItem[] = [];
  #xids: number[] = [];
  /** Xid of the transaction that was begun last. */
  #xid = 0;
  #rows = 0;
  #bytes = 0;
  #partRows = 0;
  #partBytes = 0;
  #position: Lsn | null = null;
  /** The beginning of the current transaction has been taken already. */
  #isOpen = false;

  constructor(limits: BatchLimits) {
    this.#limits = limits;
  }

  push(items: readonly StreamItem[]): void {
    for (const item of items) {
      if (item.kind === 'commit') this.#commit(item);
      else if (item.kind !== 'progress') this.#add(item);
      // While a transaction is half written no position may be told: it would commit the half.
      else if (!this.#isOpen) this.#reach(item.position);
    }
  }

  /** There is something to write, or a new position to tell of. */
  get isReady(): boolean {
    return this.#position !== null || this.#exceeds(this.#partRows, this.#partBytes);
  }

  /** Reading should wait until something was taken. */
  get isFull(): boolean {
    return this.#exceeds(this.#rows, this.#bytes);
  }

  /** Memory held by what waits. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes whole transactions if there are any, else a large beginning of one. */
  take(): Batch {
    const position = this.#position;
    const isPart = position === null;
    const items = isPart ? this.#part : this.#whole;
    const bytes = isPart ? this.#bytes : this.#bytes - this.#partBytes;
    if (isPart) {
      this.#isOpen = true;
      this.#part = [];
      this.#partRows = 0;
      this.#partBytes = 0;
    }
    this.#whole = [];
    this.#rows = this.#partRows;
    this.#bytes = this.#partBytes;
    this.#position = null;
    const last = items.at(-1);
    const xids = this.#xids;
    this.#xids = [];
    return { items, position, commit: last?.kind === 'commit' ? last : null, xids, bytes };
  }

  #add(item: StreamItem): void {
    const bytes = sizeOf(item);
    this.#part.push(item);
    this.#partBytes += bytes;
    this.#bytes += bytes;
    if (item.kind === 'begin') {
      this.#xid = item.xid;
      return;
    }
    this.#partRows += 1;
    this.#rows += 1;
  }

  #commit(item: StreamItem & { readonly kind: 'commit' }): void {
    for (const part of this.#part) this.#whole.push(part);
    this.#whole.push(item);
    this.#xids.push(this.#xid);
    this.#part = [];
    this.#partRows = 0;
    this.#partBytes = 0;
    this.#isOpen = false;
    this.#reach(item.end);
  }

  #reach(position: Lsn): void {
    this.#position = maxLsn(position, this.#position ?? position);
  }

  #exceeds(rows: number, bytes: number): boolean {
    return rows >= this.#limits.rows || bytes >= this.#limits.bytes;
  }
}

/** A begin and a commit. It bounds empty transactions too, which older servers send. */
const TRANSACTION_BYTES = 200;

/** About how much memory an item holds. */
export function sizeOf(item: StreamItem): number {
  switch (item.kind) {
    case 'insert':
    case 'update':
      return item.after.bytes;
    case 'delete':
      return item.before.bytes;
    case 'begin':
      return TRANSACTION_BYTES;
    default:
      return 16;
  }
}
