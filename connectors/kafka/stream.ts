import { must } from '../../src/core/assert.ts';
import { keptIn } from '../../src/core/kept-in.ts';
import type { Lsn } from '../../src/core/position/lsn.ts';
import type { StreamItem } from '../../src/core/rows/change.ts';
import { type ChangeStream, ConnectorError } from '../connector.ts';
import { ItemQueue } from '../item-queue.ts';
import { type KafkaRecord, shareOf, TopicReader } from './consume.ts';
import { EventReader } from './debezium.ts';
import { readAt, readOrPass, type TableEvent, tableEvent } from './envelope.ts';
import { failureOf } from './failure.ts';
import { MessageReader } from './json.ts';
import type { TableLayout } from './layout.ts';
import { foreignEvent, type Losses } from './losses.ts';
import { type Lacking, LostChange } from './merge.ts';
import { EndParser, type EndRecord } from './progress.ts';
import { askKafka, type KafkaClient, type TopicPartition } from './topics.ts';
import { Assembler } from './transactions.ts';

/** No more is read while so many bytes wait for the reader. */
const QUEUE_BYTES = 1 << 20;
/** So many bytes may wait for their transactions' turns, of each partition its share: beyond that it is held back. */
const WAITING_BYTES = 64 << 20;

const TICK_MS = 500;

/** A table's topic when the stream begins. */
export interface TableTopic {
  readonly collection: string;
  readonly topic: string;
  /** Where each of its partitions is read from; empty while there is no such topic. */
  readonly from: ReadonlyMap<number, bigint>;
}

/** What a stream needs. */
export interface KafkaStreamOptions {
  readonly client: KafkaClient;
  /** The topic of transactions. */
  readonly transactions: string;
  /** The end after which everything is wanted. */
  readonly start: EndRecord;
  readonly tables: readonly TableTopic[];
  /** Topics for which the topics were opened again already; one that is there then is taken out. */
  readonly sought: Set<string>;
  readonly losses: Losses;
  readonly placeholder: string;
  readonly layoutOf: (collection: string) => TableLayout;
  /** Commits a tiny transaction on the target, whose end proves that all before it came through. */
  readonly forceFlush: () => Promise<void>;
  /** How far the target's log goes. */
  readonly position: () => Promise<Lsn>;
  readonly onEnd: (end: EndRecord) => void;
}

/** One running stream: puts transactions together as their messages come, and ends at the first failure. */
export class KafkaStream implements ChangeStream {
  readonly items: ItemQueue;
  readonly isEarly = false;
  readonly #options: KafkaStreamOptions;
  readonly #signal: AbortSignal;
  readonly #reader: TopicReader;
  /** The bytes of one partition from which on it is held back. */
  readonly #waitingBytes: number;
  readonly #assembler: Assembler;
  readonly #ends: EndParser;
  readonly #messages = new Map<string, MessageReader>();
  readonly #byTopic: ReadonlyMap<string, TableTopic>;
  readonly #stop = (): void => this.close();
  #askedMs = performance.now();
  /** What kept transactions back at the last tick, and since when. */
  #lacking: (Lacking & { readonly sinceMs: number }) | null = null;
  #ticker: NodeJS.Timeout | null = null;
  #isOver = false;

  constructor(options: KafkaStreamOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    const { client, transactions, start, tables, placeholder, layoutOf } = options;
    this.#ends = new EndParser(transactions);
    this.#byTopic = new Map(tables.map((table) => [table.topic, table]));
    this.items = new ItemQueue({ drained: () => this.#tell(), left: () => this.close() });
    this.#assembler = new Assembler({
      after: start.event.end,
      reader: new EventReader(placeholder),
      partitions: new Map(tables.map(({ collection, from }) => [collection, from.size])),
      layoutOf,
    });
    const from = new Map<TopicPartition, bigint>([
      [{ topic: transactions, partition: 0 }, start.offset + 1n],
      ...tables.flatMap(({ topic, from: places }) =>
        [...places].map(([partition, offset]) => [{ topic, partition }, offset] as const),
      ),
    ]);
    this.#waitingBytes = shareOf(WAITING_BYTES, from.size);
    this.#reader = new TopicReader(client, from, {
      records: (at, records) => this.#guarded(() => this.#read(at, records)),
      failed: (error) => this.fail(error),
    });
  }

  async start(): Promise<void> {
    this.#signal.addEventListener('abort', this.#stop);
    await this.#reader.start();
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
    if (this.#signal.aborted || this.#isOver) this.#release();
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Whether the stream tells of a table. */
  follows(collection: string): boolean {
    return this.#options.tables.some((table) => table.collection === collection);
  }

  /** Nothing is told: Kafka keeps messages whether they were applied or not. */
  acknowledge(): void {}

  /** Commits come by themselves. Only when none has come for a while is one made, in case ours got lost on its way. */
  requestProgress(): void {
    const now = performance.now();
    if (now - this.#askedMs < this.#options.client.timings.askAgainMs) return;
    this.#askedMs = now;
    this.#options.forceFlush().catch((error: unknown) => {
      this.#options.client.log.info({ err: error }, 'the target could not be asked for progress');
    });
  }

  /** Nothing to do: messages come in batches anyhow. */
  gather(): void {}

  /** Ends the stream: the reader gets what is there, then the failure. */
  fail(error: ConnectorError): void {
    if (this.#signal.aborted) this.items.end();
    else this.items.fail(error);
    this.#release();
  }

  /** The reader or its owner wants no more. */
  close(): void {
    this.items.end();
    this.#release();
  }

  #release(): void {
    if (this.#ticker !== null) clearInterval(this.#ticker);
    this.#ticker = null;
    if (this.#isOver) return;
    this.#isOver = true;
    this.#signal.removeEventListener('abort', this.#stop);
    this.#reader.close();
  }

  /** A reader that waits is told from time to time how far the stream is, so that it can see to other things. */
  #tick(): void {
    if (this.items.isWaitedFor) this.items.put([{ kind: 'progress', position: this.#assembler.done }], 0);
    this.#watchForLoss();
  }

  /** Partitions that nobody writes to do not show that a change is lost: after a while it is asked how far they go. */
  #watchForLoss(): void {
    const lacking = this.#lackingNow();
    const now = performance.now();
    if (lacking === null || lacking.end !== this.#lacking?.end)
      this.#lacking = lacking === null ? null : { ...lacking, sinceMs: now };
    else if (now - this.#lacking.sinceMs >= this.#options.client.timings.lossMs) {
      this.#lacking = null;
      this.#assertNotLost(lacking).catch((error: unknown) => {
        this.#end(failureOf(this.#options.client, error));
      });
    }
  }

  /** Null also while nothing was tried, since the reader does not take what there is. */
  #lackingNow(): Lacking | null {
    return this.items.bytes < QUEUE_BYTES ? this.#assembler.lacking : null;
  }

  async #assertNotLost({ collection, end }: Lacking): Promise<void> {
    const table = this.#options.tables.find((each) => each.collection === collection);
    if (table === undefined) return;
    const { topic, from } = table;
    const ends = await askKafka(this.#options.client, (topics) => topics.ends(topic));
    const now = this.#lackingNow();
    if (this.#isOver || now?.collection !== collection || now.end !== end) return;
    if (ends.size !== from.size) throw another(topic);
    const isRead = ([partition, high]: readonly [number, bigint]): boolean =>
      this.#assembler.bytesOf(collection, partition) > 0 || this.#reader.next({ topic, partition }) >= high;
    if (![...ends].every(isRead)) return;
    throw new LostChange(now);
  }

  #end(error: ConnectorError): void {
    if (!(error instanceof LostChange)) return this.fail(error);
    this.#release();
    this.#causeOf(error).then(
      (cause) => this.fail(cause),
      (failure: unknown) => this.fail(failureOf(this.#options.client, failure)),
    );
  }

  /** What is not Debezium's may be in the way: the target has not been where it says it was. */
  async #causeOf(lost: LostChange): Promise<ConnectorError> {
    const { tables, losses, position } = this.#options;
    const table = tables.find(({ collection }) => collection === lost.collection);
    const { topic, from } = must(table, 'a followed table');
    const foreign = foreignEvent(topic, this.#assembler.headsOf(lost.collection), await position());
    return foreign ?? losses.failureOf(lost, { topic, isThere: from.size > 0 });
  }

  #guarded(work: () => void): void {
    try {
      if (!this.#isOver) work();
    } catch (error) {
      if (!(error instanceof ConnectorError)) throw error;
      this.#end(error);
    }
  }

  #read(at: TopicPartition, records: readonly KafkaRecord[]): void {
    const table = this.#byTopic.get(at.topic);
    if (table === undefined) this.#readEnds(records);
    else this.#readEvents(table, at, records);
    this.#tell();
  }

  #readEnds(records: readonly KafkaRecord[]): void {
    for (const end of this.#ends.ends(records)) {
      this.#askedMs = performance.now();
      this.#assertTopics(end);
      this.#assembler.pushEnd(end);
      this.#options.onEnd(end);
    }
  }

  /** Debezium makes a table's topic with its first change: then the topics must be opened again, once. */
  #assertTopics({ event }: EndRecord): void {
    const { tables, sought } = this.#options;
    const made = tables.find(
      ({ collection, topic, from }) =>
        from.size === 0 && !sought.has(topic) && (event.counts.get(collection) ?? 0) > 0,
    );
    if (made === undefined) return;
    sought.add(made.topic);
    throw another(made.topic);
  }

  #readEvents({ collection, topic }: TableTopic, at: TopicPartition, records: readonly KafkaRecord[]): void {
    const messages = keptIn(this.#messages, topic, () => new MessageReader());
    for (const { offset, timestamp, value, headers } of records) {
      if (value === null) continue;
      const read = (): TableEvent => tableEvent(messages.read(value), headers);
      const event =
        timestamp < this.#options.start.timestamp ? readOrPass(read) : readAt({ ...at, offset }, read);
      if (event !== null) this.#assembler.pushEvent(collection, at.partition, { event, bytes: value.length });
    }
  }

  /** Hands on what can be told, as far as the reader takes it. */
  #tell(): void {
    this.#guarded(() => {
      while (this.items.bytes < QUEUE_BYTES) {
        const items = this.#assembler.next();
        if (items.length === 0) return;
        this.items.put(items, sizeOf(items));
      }
    });
    this.#holdBack();
  }

  /** Partitions of which much waits, for others or for the reader, are not read on. */
  #holdBack(): void {
    if (this.#isOver) return;
    const isFull = this.items.bytes >= QUEUE_BYTES;
    const ends = { topic: this.#options.transactions, partition: 0 };
    this.#reader.hold(ends, isFull || this.#assembler.endBytes >= this.#waitingBytes);
    for (const { collection, topic, from } of this.#options.tables) {
      for (const partition of from.keys()) {
        const waiting = this.#assembler.bytesOf(collection, partition);
        this.#reader.hold({ topic, partition }, waiting >= this.#waitingBytes);
      }
    }
  }
}

function another(topic: string): ConnectorError {
  return new ConnectorError('retry', `the topic ${topic} was made or enlarged: the topics are opened again`);
}

function sizeOf(items: readonly StreamItem[]): number {
  return items.reduce((sum, item) => {
    if (item.kind === 'insert' || item.kind === 'update') return sum + item.after.bytes;
    return sum + (item.kind === 'delete' ? item.before.bytes : 64);
  }, 0);
}
