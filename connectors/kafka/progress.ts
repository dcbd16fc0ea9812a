import { type Commit } from '../../src/core/change.ts';
import { formatLsn, type Lsn } from '../../src/core/lsn.ts';
import { ConnectorError } from '../connector.ts';
import { type KafkaRecord, TopicReader } from './consume.ts';
import { type TransactionEnd, transactionEnd } from './envelope.ts';
import { MessageReader } from './json.ts';
import type { Extent, KafkaClient } from './topics.ts';

/** A transaction's end with its place in the topic of transactions. */
export interface EndRecord {
  readonly offset: bigint;
  readonly timestamp: number;
  readonly event: TransactionEnd;
  readonly bytes: number;
}

/** Reads ends out of records of the topic of transactions. */
export class EndParser {
  readonly #messages = new MessageReader();

  ends(records: readonly KafkaRecord[]): readonly EndRecord[] {
    return records.flatMap(({ offset, timestamp, value }) => {
      const event = value === null ? null : transactionEnd(this.#messages.read(value));
      return event === null ? [] : [{ offset, timestamp, event, bytes: value?.length ?? 0 }];
    });
  }
}

/** Where ends are read from one after the other. */
export type Ends = Pick<EndCursor, 'next' | 'seek'>;

/** So few messages are read one after the other rather than halved again. */
const SCANNED = 256n;
/** After so long without a message the topic is read to its end: the last offset may be none of a message. */
const QUIET_MS = 3_000;

/** Reads the topic of transactions here and there. */
export class EndCursor {
  readonly #topic: string;
  readonly #parser = new EndParser();
  readonly #reader: TopicReader;
  #ends: EndRecord[] = [];
  /** Offset of the record read last. */
  #at = -1n;
  #failure: ConnectorError | null = null;
  #wake: () => void = () => undefined;

  private constructor(client: KafkaClient, topic: string, from: bigint) {
    this.#topic = topic;
    this.#reader = new TopicReader(client, new Map([[{ topic, partition: 0 }, from]]), {
      records: (_at, records) => this.#take(records),
      failed: (error) => {
        this.#failure ??= error;
        this.#wake();
      },
    });
  }

  static async open(client: KafkaClient, topic: string, from: bigint): Promise<EndCursor> {
    const cursor = new EndCursor(client, topic, from);
    await cursor.#reader.start();
    return cursor;
  }

  /** The next end before the offset; null when there is none, or nothing came for a while. */
  async next(before: bigint, quietMs = QUIET_MS): Promise<EndRecord | null> {
    for (;;) {
      if (this.#failure !== null) throw this.#failure;
      const end = this.#ends.shift();
      if (end !== undefined) return end.offset < before ? end : null;
      if (this.#at >= before - 1n || !(await this.#more(quietMs))) return null;
    }
  }

  seek(offset: bigint): void {
    this.#ends = [];
    this.#at = -1n;
    this.#reader.seek({ topic: this.#topic, partition: 0 }, offset);
  }

  close(): Promise<void> {
    return this.#reader.close();
  }

  #take(records: readonly KafkaRecord[]): void {
    try {
      this.#ends.push(...this.#parser.ends(records));
      this.#at = records.at(-1)?.offset ?? this.#at;
    } catch (error) {
      if (!(error instanceof ConnectorError)) throw error;
      this.#failure ??= error;
    }
    this.#wake();
  }

  async #more(quietMs: number): Promise<boolean> {
    return await new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), quietMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }
}

/**
 * Finds the end of the commit that the cache has come to. Positions rise from end to end but where Debezium sent some
 * again, so halving leads to a place where they pass the wanted one; in the history that the cache has, it is there.
 */
export async function findEnd(
  cursor: Ends,
  { low, high }: Extent,
  { after, last }: { readonly after: Lsn; readonly last: Commit | null },
): Promise<EndRecord> {
  const first = await from(cursor, low, high);
  if (first === null || first.event.end > after) throw lost(after);
  let [known, beyond] = [first.offset, high];
  while (beyond - known > SCANNED) {
    const middle = (known + beyond) / 2n;
    const end = await from(cursor, middle, beyond);
    if (end !== null && end.event.end <= after) known = end.offset;
    else beyond = middle;
  }
  cursor.seek(known);
  for (let end = await cursor.next(high); end !== null; end = await cursor.next(high)) {
    if (end.event.end > after) break;
    if (end.event.end === after && isSame(end.event, last)) return end;
  }
  throw lost(after);
}

async function from(cursor: Ends, offset: bigint, before: bigint): Promise<EndRecord | null> {
  cursor.seek(offset);
  return await cursor.next(before);
}

function isSame(event: TransactionEnd, last: Commit | null): boolean {
  return last === null || last.end !== event.end || last.time === event.time;
}

function lost(after: Lsn): ConnectorError {
  const what = `the topic of transactions does not hold the commit that ended at ${formatLsn(after)}`;
  return new ConnectorError('slot-lost', what);
}
