import { formatLsn, type Lsn, ZERO_LSN } from '../../src/core/position/lsn.ts';
import type { Change, StreamItem } from '../../src/core/rows/change.ts';
import { ConnectorError } from '../connector.ts';
import type { RowEvent, TransactionEnd } from './envelope.ts';

/** What a message says, and about how much memory it takes. */
export interface Held<T> {
  readonly event: T;
  readonly bytes: number;
}

/** Events of one partition of a table's topic that wait for their transaction's turn. */
export class Partition {
  readonly #held: Held<RowEvent>[] = [];
  #first = 0;
  bytes = 0;

  push(held: Held<RowEvent>): void {
    this.#held.push(held);
    this.bytes += held.bytes;
  }

  get head(): RowEvent | undefined {
    return this.#held[this.#first]?.event;
  }

  shift(): void {
    this.bytes -= this.#held[this.#first]?.bytes ?? 0;
    this.#first += 1;
    // Array.shift would move all that follow, each time.
    if (this.#first > 1_000 || this.#first === this.#held.length) {
      this.#held.splice(0, this.#first);
      this.#first = 0;
    }
  }
}

/** A table's changes in a transaction. */
interface Part {
  readonly name: string;
  readonly count: number;
  readonly partitions: readonly Partition[];
}

/** Puts one transaction together. */
export class Merge {
  readonly end: TransactionEnd;
  /** Where the commit before it ended. */
  readonly #previous: Lsn;
  readonly #parts: readonly Part[];
  readonly #tell: (event: RowEvent, old: RowEvent | null) => Change;
  #part = 0;
  #taken = 0;
  /** The position of the change that was taken last. */
  #at: Lsn = ZERO_LSN;
  /** The delete of an old key; the insert of the new one comes next. */
  #old: RowEvent | null = null;
  /** The table whose next change had not been read when changes were taken last. */
  #lacking: string | null = null;

  constructor(
    of: { readonly end: TransactionEnd; readonly previous: Lsn; readonly parts: readonly Part[] },
    tell: (event: RowEvent, old: RowEvent | null) => Change,
  ) {
    this.end = of.end;
    this.#previous = of.previous;
    this.#parts = of.parts;
    this.#tell = tell;
  }

  get lacking(): string | null {
    return this.#lacking;
  }

  /** Appends the changes that are there, table by table; true when the transaction is complete. */
  take(items: StreamItem[], limit: number): boolean {
    this.#lacking = null;
    for (let part = this.#parts[this.#part]; part !== undefined; part = this.#parts[this.#part]) {
      while (this.#taken < part.count) {
        if (items.length >= limit) return false;
        const event = this.#nextOf(part);
        if (event === null) {
          this.#lacking = part.name;
          return false;
        }
        this.#taken += 1;
        this.#at = event.at;
        this.#append(event, part, items);
      }
      this.#assertDone(part);
      this.#part += 1;
      this.#taken = 0;
    }
    return true;
  }

  /** The table's next change; null when it has not been read yet. */
  #nextOf(part: Part): RowEvent | null {
    const { name, partitions } = part;
    let isUnread = partitions.length === 0;
    let first: Partition | null = null;
    for (const partition of partitions) {
      this.#dropOld(partition, part);
      const { head } = partition;
      if (head === undefined) isUnread = true;
      else if (this.#isOurs(head) && head.order === this.#taken + 1) first = earlier(first, partition);
    }
    const next = first?.head ?? null;
    first?.shift();
    if (next !== null || isUnread) return next;
    throw new LostChange({ collection: name, end: this.end.end });
  }

  /** Each change names its transaction and the commit before it: both must be what the topic of transactions says. */
  #isOurs({ previous, xid, at }: RowEvent): boolean {
    const isNext = previous === this.#previous;
    const isSame = xid === this.end.xid && at < this.end.end;
    if (isNext === isSame) return isNext;
    const end = formatLsn(this.end.end);
    throw new ConnectorError(
      'slot-lost',
      `a commit before the one at ${end} is not in the topic of transactions`,
    );
  }

  /** Drops what Debezium sent a second time. */
  #dropOld(partition: Partition, part: Part): void {
    for (let { head } = partition; head !== undefined; head = partition.head) {
      const isOld = (head.previous ?? this.#previous) < this.#previous;
      const isTaken = head.previous === this.#previous && head.order <= this.#taken;
      if (!isOld && !isTaken) return;
      if (isTaken && head.at > this.#at) throw this.#renumbered(part);
      partition.shift();
    }
  }

  #append(event: RowEvent, part: Part, items: StreamItem[]): void {
    const old = this.#old;
    this.#old = null;
    const isWhole = event.rekey === 'new' ? old?.at === event.at : old === null;
    if (!isWhole) throw this.#renumbered(part);
    if (event.rekey === 'old') this.#old = event;
    else items.push(this.#tell(event, old));
  }

  #assertDone(part: Part): void {
    for (const partition of part.partitions) {
      this.#dropOld(partition, part);
      const { head } = partition;
      if (head !== undefined && this.#isOurs(head)) throw this.#renumbered(part);
    }
    if (this.#old !== null) throw this.#renumbered(part);
  }

  /**
   * The two events of a changed key have the same position in the log, and so have rows of a COPY. If Debezium is stopped after
   * it has noted one of them, it goes on behind all of them: the others may never come, and what follows is numbered anew.
   */
  #renumbered({ name }: Part): ConnectorError {
    const at = formatLsn(this.end.end);
    const what = `Debezium was stopped between changes of one place in the log in the commit at ${at}`;
    return new ConnectorError('slot-lost', `${what}, and numbered the changes of ${name} anew`);
  }
}

/** A change that was counted. */
export interface Lacking {
  /** Its table, as `schema.table`. */
  readonly collection: string;
  /** Where its transaction ends. */
  readonly end: Lsn;
}

/** Kafka does not hold a change. */
export class LostChange extends ConnectorError {
  readonly collection: string;
  /** Where its transaction ends. */
  readonly end: Lsn;

  constructor({ collection, end }: Lacking) {
    const what = `a change of ${collection} in the commit at ${formatLsn(end)} is not in its topic`;
    super('slot-lost', `${what}: it was deleted or compacted there before it was read, or never sent`);
    this.collection = collection;
    this.end = end;
  }
}

/** Of two with the same number, the earlier one in the log was numbered first. */
function earlier(one: Partition | null, other: Partition): Partition {
  return one?.head === undefined || (other.head !== undefined && other.head.at < one.head.at) ? other : one;
}
