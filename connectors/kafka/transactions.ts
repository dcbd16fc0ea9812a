import { formatLsn, type Lsn } from '../../src/core/position/lsn.ts';
import type { Change, StreamItem } from '../../src/core/rows/change.ts';
import { ConnectorError } from '../connector.ts';
import type { EventReader } from './debezium.ts';
import type { RowEvent, TableEvent, TransactionEnd } from './envelope.ts';
import type { TableLayout } from './layout.ts';
import { type Held, type Lacking, Merge, Partition } from './merge.ts';

/** What the assembler needs to know. */
export interface AssemblerOptions {
  /** Everything up to here is applied already and not wanted again. */
  readonly after: Lsn;
  readonly reader: EventReader;
  /** Followed tables by `schema.table`, with the number of partitions of their topics; zero where there is no topic yet. */
  readonly partitions: ReadonlyMap<string, number>;
  /** What is known of a followed table by now. */
  readonly layoutOf: (collection: string) => TableLayout;
}

/** So many ends are remembered: if Debezium sends one again, it must be the same. */
const REMEMBERED_ENDS = 100_000;
/** The longest list that is handed on. */
const ITEMS_AT_ONCE = 1_000;

/**
 * Puts whole transactions together in commit order. The topic of transactions gives their order, and how many changes each table
 * has; each change gives its place among those of its table. So partitions are merged exactly, and a missing change shows. What
 * Debezium sends again after a restart is left out.
 */
export class Assembler {
  readonly #tell: (event: RowEvent, old: RowEvent | null) => Change;
  readonly #sources: ReadonlyMap<string, readonly Partition[]>;
  readonly #ends: Held<TransactionEnd>[] = [];
  readonly #seen = new Map<Lsn, string>();
  /** What ended up to here is not remembered any more. */
  #forgotten: Lsn;
  #done: Lsn;
  #current: Merge | null = null;
  #endBytes = 0;

  constructor({ after, reader, partitions, layoutOf }: AssemblerOptions) {
    this.#done = after;
    this.#forgotten = after;
    this.#tell = (event, old) => reader.change(event, layoutOf(event.collection), old);
    this.#sources = new Map(
      [...partitions].map(([name, count]) => [name, Array.from({ length: count }, () => new Partition())]),
    );
  }

  /** The end of the last transaction that was handed on whole. */
  get done(): Lsn {
    return this.#done;
  }

  /** The change without which nothing could be told when it was tried last; null when none was missing. */
  get lacking(): Lacking | null {
    const collection = this.#current?.lacking ?? null;
    return this.#current === null || collection === null ? null : { collection, end: this.#current.end.end };
  }

  /** Bytes of the ends that wait. */
  get endBytes(): number {
    return this.#endBytes;
  }

  /** Of a table, the events that come next, by partition. */
  headsOf(collection: string): readonly (RowEvent | undefined)[] {
    return (this.#sources.get(collection) ?? []).map(({ head }) => head);
  }

  /** Bytes that wait in one partition of a table. */
  bytesOf(collection: string, partition: number): number {
    return this.#sources.get(collection)?.[partition]?.bytes ?? 0;
  }

  /** The next message of the topic of transactions. */
  pushEnd(held: Held<TransactionEnd>): void {
    this.#ends.push(held);
    this.#endBytes += held.bytes;
  }

  /** The next message of a partition of a table's topic; throws a ConnectorError when it tells of a gap. */
  pushEvent(collection: string, partition: number, { event, bytes }: Held<TableEvent>): void {
    if (event.kind === 'read') {
      if (event.at !== null && event.at >= this.#done) throw beganAnew();
      return;
    }
    // Two tables' names may become the same topic.
    if (event.collection !== collection || this.#isOld(event)) return;
    this.#sources.get(collection)?.[partition]?.push({ event, bytes });
  }

  /** What can be told by now; it may end within a transaction, and is empty while more messages are needed first. */
  next(): StreamItem[] {
    const items: StreamItem[] = [];
    while (items.length < ITEMS_AT_ONCE) {
      this.#current ??= this.#begin(items);
      if (this.#current === null || !this.#current.take(items, ITEMS_AT_ONCE)) break;
      const { end } = this.#current;
      this.#current = null;
      this.#done = end.end;
      items.push({ kind: 'commit', end: end.end, time: end.time }, { kind: 'progress', position: end.end });
    }
    return items;
  }

  /** The next transaction that is new. One without changes of a followed table is only progress. */
  #begin(items: StreamItem[]): Merge | null {
    for (;;) {
      const held = this.#ends.shift();
      if (held === undefined) return null;
      this.#endBytes -= held.bytes;
      const { event: end } = held;
      if (!this.#isNew(end)) continue;
      const parts = [...end.counts].flatMap(([name, count]) => {
        const source = this.#sources.get(name);
        return source === undefined || count === 0 ? [] : [{ name, count, partitions: source }];
      });
      if (parts.length === 0) {
        this.#done = end.end;
        items.push({ kind: 'progress', position: end.end });
        continue;
      }
      items.push({ kind: 'begin', xid: Number(end.xid), commit: end.end });
      return new Merge({ end, previous: this.#done, parts }, this.#tell);
    }
  }

  /** Debezium sends again what it may not have sent. Another transaction at the same position means another history. */
  #isNew({ end, xid }: TransactionEnd): boolean {
    if (end > this.#done) {
      this.#remember(end, xid);
      return true;
    }
    if (end > this.#forgotten && this.#seen.get(end) !== xid) throw forked(end);
    return false;
  }

  #remember(end: Lsn, xid: string): void {
    this.#seen.set(end, xid);
    const [oldest] = this.#seen.keys();
    if (this.#seen.size <= REMEMBERED_ENDS || oldest === undefined) return;
    this.#seen.delete(oldest);
    this.#forgotten = oldest;
  }

  #isOld({ previous, at }: RowEvent): boolean {
    if (previous !== null) return previous < this.#done;
    if (at >= this.#done) throw beganAnew();
    return true;
  }
}

function beganAnew(): ConnectorError {
  return new ConnectorError(
    'slot-lost',
    'Debezium began anew: with another slot, without its offsets, or after a blocking snapshot; changes may be missing between',
  );
}

function forked(end: Lsn): ConnectorError {
  const what = `the topic of transactions holds another commit at ${formatLsn(end)} than before`;
  return new ConnectorError('slot-lost', `${what}: the target was put back to an earlier state`);
}
