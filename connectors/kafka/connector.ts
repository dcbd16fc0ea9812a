import { must } from '../../src/core/assert.ts';
import type { TableRef } from '../../src/core/names.ts';
import { type Lsn, ZERO_LSN } from '../../src/core/position/lsn.ts';
import type { Commit } from '../../src/core/rows/change.ts';
import {
  type ChangeStream,
  type Connector,
  ConnectorError,
  type Publishable,
  type Published,
  type SlotHealth,
  type TargetIdentity,
} from '../connector.ts';
import { TargetDatabase } from '../postgres/database.ts';
import { readSlotHealth } from '../postgres/slot.ts';
import { awaitBarrier } from './barrier.ts';
import { collectionOf, eligible, topicOf } from './eligible.ts';
import { readCaptured, type TableLayout } from './layout.ts';
import { Losses } from './losses.ts';
import { EndCursor, type EndRecord, findEnd, lost } from './progress.ts';
import { DEFAULT_KAFKA_TIMINGS, type KafkaConnectorOptions, type KafkaTarget } from './settings.ts';
import { KafkaStream, type TableTopic } from './stream.ts';
import { askKafka, type Extent, type KafkaClient, type TopicBook } from './topics.ts';

/** The places of so many ends are remembered, so that a stream that is opened again finds its start without searching. */
const REMEMBERED_ENDS = 10_000;
/** Older servers also send transactions without changes, which Debezium tells in another way. */
const OLDEST_VERSION = 150_000;
/** A later transaction has later messages, but for how far the clocks of brokers differ. */
const CLOCKS_APART_MS = 60_000;

/** A connector that follows a Postgres database through the topics of a Debezium connector; connects only when it is used. */
export function kafkaConnector(options: KafkaConnectorOptions): Connector {
  return new KafkaConnector(options);
}

class KafkaConnector extends TargetDatabase implements Connector {
  readonly kind = 'kafka';
  readonly #kafka: KafkaTarget;
  readonly #client: KafkaClient;
  readonly #ends = new Map<Lsn, EndRecord>();
  readonly #sought = new Set<string>();
  readonly #losses = new Losses();
  #layouts: ReadonlyMap<string, TableLayout> = new Map();
  #tables: readonly TableRef[] = [];
  #stream: KafkaStream | null = null;

  constructor(options: KafkaConnectorOptions) {
    const { cluster, kafka, name, log } = options;
    super(options, kafka.publication);
    this.#kafka = kafka;
    const timings = { ...DEFAULT_KAFKA_TIMINGS, ...options.kafkaTimings };
    this.#client = { cluster, name, log, timings, entry: { at: 0 } };
  }

  /** Debezium's slot. */
  get slot(): string {
    return this.#kafka.slot;
  }

  get #transactions(): string {
    return `${this.#kafka.topicPrefix}.transaction`;
  }

  override async identify(): Promise<TargetIdentity> {
    if (this.#client.cluster.brokers.length === 0) {
      const what = 'the target is to be followed through Kafka, and no brokers are configured';
      throw new ConnectorError('unfit', `${what}: set NEARJOIN_KAFKA_BROKERS`);
    }
    const identity = await super.identify();
    const { version } = await this.admin.row<{ version: number }>(
      `select current_setting('server_version_num')::int as version`,
    );
    if (version < OLDEST_VERSION)
      throw new ConnectorError('unfit', 'Postgres 15 is the oldest that can be followed through Kafka');
    // Left from when the target was followed by a slot of ours, which the cache may go on from without another beginning.
    await this.drop();
    return identity;
  }

  override async check(tables: readonly TableRef[]): Promise<readonly Publishable[]> {
    const { publication } = this.#kafka;
    const checked = await super.check(tables);
    const captured = await this.admin.snapshot((query) => readCaptured(query, publication, tables));
    const { judged, layouts } = eligible(checked, captured);
    this.#layouts = layouts;
    return judged;
  }

  /** Nothing is changed on the target: what Debezium captures is its administrator's business. */
  publish(tables: readonly TableRef[]): Promise<Published> {
    this.#tables = tables;
    const stream = this.#stream;
    if (stream !== null && !tables.every((table) => stream.follows(collectionOf(table)))) {
      this.#stream = null;
      stream.fail(new ConnectorError('retry', 'more tables are followed: the topics are opened again'));
    }
    return Promise.resolve({ added: [], refused: [], stillPublished: [] });
  }

  /** Debezium's publication is not ours to change. */
  protect(): Promise<readonly TableRef[]> {
    return Promise.resolve([]);
  }

  /** No slot is made: the feed begins after a transaction of ours that has come through Debezium. */
  async createSlot(signal: AbortSignal): Promise<Lsn> {
    return await this.while(signal, async (until) => {
      const through = {
        client: this.#client,
        topic: this.#transactions,
        admin: this.admin,
        kafka: this.#kafka,
      };
      const end = await awaitBarrier(through, until);
      this.#remember(end);
      return end.event.end;
    });
  }

  /** Kafka keeps what Debezium has sent, so the slot is never too far on; and the log that it holds back is not held for us. */
  async slotHealth(): Promise<SlotHealth> {
    const health = await readSlotHealth(this.admin, this.slot);
    if (health.kind !== 'usable') return health;
    // Before there is a stream, it says what is awaited.
    const isUnread = health.activePid === null && this.#stream?.isOver === false;
    const heldBack = isUnread ? this.#unread() : health.heldBack;
    return { ...health, confirmed: ZERO_LSN, retainedWalBytes: 0, heldBack };
  }

  #unread(): string {
    const { slot, topicPrefix } = this.#kafka;
    const look = `see that the Debezium connector with topic.prefix=${topicPrefix} and its task are running, and past a snapshot of its own`;
    return `nobody reads the slot ${slot}, so no changes come: ${look}`;
  }

  async open(after: Lsn, last: Commit | null, signal: AbortSignal): Promise<ChangeStream> {
    return await this.while(signal, async () => {
      const start = this.#ends.get(after) ?? (await this.#findEnd(after, last));
      const tables = await askKafka(this.#client, (topics) => this.#topics(topics, start));
      for (const { topic, from } of tables) {
        if (from.size > 0) this.#sought.delete(topic);
      }
      const stream = new KafkaStream(
        {
          client: this.#client,
          transactions: this.#transactions,
          start,
          tables,
          sought: this.#sought,
          losses: this.#losses,
          placeholder: this.#kafka.placeholder,
          layoutOf: this.#layoutBook(),
          forceFlush: () => this.forceFlush(),
          position: () => this.position(),
          onEnd: (end) => this.#remember(end),
        },
        signal,
      );
      await stream.start();
      this.#stream = stream;
      return stream;
    });
  }

  override async close(): Promise<void> {
    this.#stream?.close();
    await super.close();
  }

  #remember(end: EndRecord): void {
    this.#ends.set(end.event.end, end);
    const [oldest] = this.#ends.keys();
    if (this.#ends.size > REMEMBERED_ENDS && oldest !== undefined) this.#ends.delete(oldest);
  }

  async #findEnd(after: Lsn, last: Commit | null): Promise<EndRecord> {
    const extent = await askKafka(this.#client, (topics) => this.#extent(topics));
    // What is sought is known: what somebody else has written before it is not in the way.
    const cursor = await EndCursor.open(this.#client, this.#transactions, extent.low, true);
    try {
      return await findEnd(cursor, extent, { after, last });
    } finally {
      cursor.close();
    }
  }

  /** Of the topic of transactions. */
  async #extent(topics: TopicBook): Promise<Extent> {
    const extent = await topics.transactions(this.#transactions);
    if (extent === null) throw new ConnectorError('slot-lost', `the topic ${this.#transactions} is gone`);
    return extent;
  }

  /** The tables' topics, from places that are surely before all changes after the start. */
  async #topics(topics: TopicBook, start: EndRecord): Promise<readonly TableTopic[]> {
    const { low, high } = await this.#extent(topics);
    // Kafka may have deleted a place that was remembered.
    const next = start.offset + 1n;
    if (next < low || next > high) throw lost(start.event.end);
    const named = this.#tables.map((table) => {
      const collection = collectionOf(table);
      return { collection, topic: topicOf(this.#kafka.topicPrefix, collection) };
    });
    const there = await topics.partitions(named.map(({ topic }) => topic));
    const read = named.map(async ({ collection, topic }): Promise<TableTopic> => {
      const from = there.has(topic)
        ? await topics.offsetsAt(topic, start.timestamp - CLOCKS_APART_MS)
        : new Map<number, bigint>();
      return { collection, topic, from };
    });
    return await Promise.all(read);
  }

  /** Each table's layout as the catalog had it last; a table that has gone since keeps its own. */
  #layoutBook(): (collection: string) => TableLayout {
    const known = new Map<string, TableLayout>();
    let from: ReadonlyMap<string, TableLayout> | null = null;
    return (collection) => {
      if (from !== this.#layouts) {
        from = this.#layouts;
        for (const layout of from.values()) known.set(collectionOf(layout.table), layout);
      }
      return must(known.get(collection), 'the layout of a followed table');
    };
  }
}
