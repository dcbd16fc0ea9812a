import { formatLsn, type Lsn } from '../../src/core/position/lsn.ts';
import type { Commit } from '../../src/core/rows/change.ts';
import { ConnectorError } from '../connector.ts';
import { type KafkaRecord, type ReaderEvents, TopicReader } from './consume.ts';
import { readAt, readOrPass, type TransactionEnd, transactionEnd } from './envelope.ts';
import { MessageReader } from './json.ts';
import type { Extent, KafkaClient, TopicPartition } from './topics.ts';

/** A transaction's end, and where it is in the topic of transactions. */
export interface EndRecord {
  readonly offset: bigint;
  readonly timestamp: number;
  readonly event: TransactionEnd;
  readonly bytes: number;
}

/** Reads ends out of records of the topic of transactions. */
export class EndParser {
  readonly #messages = new MessageReader();
  readonly #topic: string;
  readonly #isLenient: boolean;

  /** A lenient one passes over what cannot be understood. */
  constructor(topic: string, isLenient = false) {
    this.#topic = topic;
    this.#isLenient = isLenient;
  }

  ends(records: readonly KafkaRecord[]): readonly EndRecord[] {
    return records.flatMap(({ offset, timestamp, value }) => {
      if (value === null) return [];
      const read = (): TransactionEnd | null => transactionEnd(this.#messages.read(value));
      const at = { topic: this.#topic, partition: 0, offset };
      const event = this.#isLenient ? readOrPass(read) : readAt(at, read);
      return event === null ? [] : [{ offset, timestamp, event, bytes: value.length }];
    });
  }
}

/** Where ends are read one after the other. */
export type Ends = Pick<EndCursor, 'next' | 'seek'>;

/** A range of so few messages is read through, rather than halved again. */
const SCANNED = 256n;

/** What a cursor reads with. */
export type EndReader = Pick<TopicReader, 'start' | 'next' | 'seek' | 'close'>;

/** Reads the topic of transactions here and there. */
export class EndCursor {
  readonly #at: TopicPartition;
  readonly #patienceMs: number;
  readonly #parser: EndParser;
  readonly #reader: EndReader;
  #ends: EndRecord[] = [];
  #failure: ConnectorError | null = null;
  #wake: () => void = () => undefined;

  constructor(
    topic: string,
    patienceMs: number,
    readerOf: (events: ReaderEvents) => EndReader,
    isLenient = false,
  ) {
    this.#at = { topic, partition: 0 };
    this.#patienceMs = patienceMs;
    this.#parser = new EndParser(topic, isLenient);
    this.#reader = readerOf({
      records: (_at, records) => this.#take(records),
      failed: (error) => {
        this.#failure ??= error;
        this.#wake();
      },
    });
  }

  /** A lenient one passes over messages that cannot be understood. */
  static async open(client: KafkaClient, topic: string, from: bigint, isLenient = false): Promise<EndCursor> {
    const start = new Map([[{ topic, partition: 0 }, from]]);
    const readerOf = (events: ReaderEvents): TopicReader => new TopicReader(client, start, events);
    const cursor = new EndCursor(topic, client.timings.requestMs, readerOf, isLenient);
    await cursor.#reader.start();
    return cursor;
  }

  /** The next end before the offset; null only when the topic was read up to there. Throws when the brokers stay silent. */
  async next(before: bigint): Promise<EndRecord | null> {
    for (;;) {
      const end = this.#taken();
      if (end !== null) return end.offset < before ? end : null;
      // The last offsets may belong to markers, not to messages.
      if (this.#reader.next(this.#at) >= before) return null;
      if (!(await this.#more(this.#patienceMs))) throw silent(this.#at, this.#patienceMs);
    }
  }

  /** The next end; null when none comes within the time. */
  async soon(withinMs: number): Promise<EndRecord | null> {
    const end = this.#taken();
    if (end !== null) return end;
    await this.#more(withinMs);
    return this.#taken();
  }

  seek(offset: bigint): void {
    this.#ends = [];
    this.#reader.seek(this.#at, offset);
  }

  close(): void {
    this.#reader.close();
  }

  #taken(): EndRecord | null {
    if (this.#failure !== null) throw this.#failure;
    return this.#ends.shift() ?? null;
  }

  #take(records: readonly KafkaRecord[]): void {
    try {
      this.#ends.push(...this.#parser.ends(records));
    } catch (error) {
      if (!(error instanceof ConnectorError)) throw error;
      this.#failure ??= error;
    }
    this.#wake();
  }

  async #more(withinMs: number): Promise<boolean> {
    return await new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), withinMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }
}

/** Silence does not show that there is nothing: brokers that have just started answer late. */
function silent({ topic }: TopicPartition, ms: number): ConnectorError {
  const what = `nothing came of the topic ${topic} for ${Math.round(ms / 1000)} seconds`;
  return new ConnectorError('retry', what);
}

/**
 * Finds the end of the last commit that the cache holds. Positions rise from end to end, except where Debezium sent some again,
 * so halving leads to where they pass the wanted one. If the target's history is the cache's, its end is there.
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

/** Kafka no longer holds the place up to which the cache is filled. */
export function lost(after: Lsn): ConnectorError {
  const what = `the topic of transactions does not hold the commit that ended at ${formatLsn(after)}`;
  return new ConnectorError('slot-lost', what);
}
