import { randomBytes } from 'node:crypto';
import type { Consumer, EachBatchPayload, Kafka } from 'kafkajs';
import { must } from '../../src/core/assert.ts';
import { ConnectorError } from '../connector.ts';
import { answerOf, failureOf, forbidden, NO_RIGHT_ON_GROUP, NO_RIGHT_ON_TOPIC } from './failure.ts';
import { type KafkaClient, kafkaOf, type TopicPartition } from './topics.ts';

/** A message of a topic. */
export interface KafkaRecord {
  readonly offset: bigint;
  /** In milliseconds, on the clock of whoever wrote it or of the broker. */
  readonly timestamp: number;
  /** Null is a tombstone. */
  readonly value: Buffer | null;
  readonly headers: readonly string[];
}

/** What a reader tells its owner. */
export interface ReaderEvents {
  /** The next records, without a gap; none where only markers of transactions were passed. */
  readonly records: (from: TopicPartition, records: readonly KafkaRecord[]) => void;
  readonly failed: (error: ConnectorError) => void;
}

interface Place extends TopicPartition {
  /** The offset to be read next. */
  next: bigint;
  isHeld: boolean;
  /** How many answers in a row were to another offset than the one asked for. */
  strays: number;
}

const MAX_STRAYS = 20;
/** Brokers wait no longer for messages, so that a partition that was held goes on soon. */
const FETCH_WAIT_MS = 100;
const FETCH_BYTES = 8 << 20;
const LARGEST_SHARE = 1 << 20;
/** Producers send so much at once, or several times that; asked for less, brokers answer with one partition at a time. */
const SMALLEST_SHARE = 64 << 10;

/** What one of so many partitions may have of so many bytes. */
export function shareOf(bytes: number, partitions: number): number {
  return Math.min(LARGEST_SHARE, Math.max(SMALLEST_SHARE, Math.floor(bytes / partitions)));
}

/**
 * Reads partitions from given offsets on. kafkajs can read only as a member of a group, so each reader is a group of one with a
 * name of its own: it gets all partitions, and commits nothing. Whatever kafkajs does by itself (another assignment, a reset to
 * the end) is noticed, since every answer must be to the offset that was asked for.
 */
export class TopicReader {
  readonly #client: KafkaClient;
  readonly #events: ReaderEvents;
  readonly #group: string;
  readonly #kafka: Kafka;
  readonly #consumer: Consumer;
  readonly #places: ReadonlyMap<string, Place>;
  #watch: NodeJS.Timeout | null = null;
  #heardMs = performance.now();
  /** Ends the wait for the group. */
  #refuse: (error: ConnectorError) => void = () => undefined;
  #isOver = false;

  constructor(client: KafkaClient, from: ReadonlyMap<TopicPartition, bigint>, events: ReaderEvents) {
    this.#client = client;
    this.#events = events;
    this.#group = `${client.name}-${randomBytes(6).toString('hex')}`;
    this.#kafka = kafkaOf(client);
    this.#places = new Map(
      [...from].map(([at, next]) => [keyOf(at), { ...at, next, isHeld: false, strays: 0 }]),
    );
    this.#consumer = this.#kafka.consumer({
      groupId: this.#group,
      allowAutoTopicCreation: false,
      maxWaitTimeInMs: FETCH_WAIT_MS,
      maxBytesPerPartition: shareOf(FETCH_BYTES, from.size),
      maxBytes: FETCH_BYTES,
      // Else it would start again by itself, wherever it likes: that is for the owner to do.
      retry: { retries: 5, initialRetryTime: 100, restartOnFailure: () => Promise.resolve(false) },
    });
  }

  /** Begins to read; resolves when the group is joined. */
  async start(): Promise<void> {
    const { events } = this.#consumer;
    const joined = new Promise<void>((resolve, reject) => {
      this.#refuse = reject;
      this.#consumer.on(events.GROUP_JOIN, ({ payload }) => {
        this.#seekAll(payload.memberAssignment);
        resolve();
      });
    });
    joined.catch(() => undefined); // it may fail before anybody waits
    this.#consumer.on(events.FETCH, () => {
      this.#heardMs = performance.now();
    });
    this.#consumer.on(events.END_BATCH_PROCESS, ({ payload }) => this.#passOver(payload));
    this.#consumer.on(events.CRASH, ({ payload }) => this.#fail(payload.error));
    try {
      await this.#consumer.connect();
      await this.#consumer.subscribe({
        topics: [...new Set([...this.#places.values()].map(({ topic }) => topic))],
      });
      await this.#consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        eachBatch: (payload) => {
          this.#batch(payload);
          return Promise.resolve();
        },
      });
      await joined;
    } catch (error) {
      this.close();
      throw this.#failureOf(error);
    }
    this.#watch = setInterval(() => this.#look(), this.#client.timings.silenceMs / 4);
  }

  /** Holds a partition back, or lets it go on. */
  hold(at: TopicPartition, isHeld: boolean): void {
    const place = this.#places.get(keyOf(at));
    if (place === undefined || place.isHeld === isHeld || this.#isOver) return;
    place.isHeld = isHeld;
    const which = [{ topic: at.topic, partitions: [at.partition] }];
    if (isHeld) this.#consumer.pause(which);
    else this.#consumer.resume(which);
  }

  /** The offset to be read next: all messages before it have been told of. */
  next(at: TopicPartition): bigint {
    return must(this.#places.get(keyOf(at)), 'a partition that is read').next;
  }

  /** Goes on at another offset. */
  seek(at: TopicPartition, offset: bigint): void {
    const place = this.#places.get(keyOf(at));
    if (place === undefined) return;
    place.next = offset;
    this.#seek(place);
  }

  /** Reads no more. */
  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#watch !== null) clearInterval(this.#watch);
    void this.#leave(); // brokers may stay silent for long, and nobody has to wait for them
  }

  /** Leaves the group and deletes it from the brokers. */
  async #leave(): Promise<void> {
    const { log } = this.#client;
    const say = (error: unknown): void =>
      log.info({ err: error }, 'a reader of Kafka was not closed cleanly');
    await this.#consumer.disconnect().catch(say);
    const admin = this.#kafka.admin();
    try {
      await admin.connect();
      await admin.deleteGroups([this.#group]);
    } catch (error) {
      say(error);
    } finally {
      await admin.disconnect().catch(say);
    }
  }

  /** Called before the first request after an assignment. */
  #seekAll(assignment: Readonly<Record<string, readonly number[]>>): void {
    const assigned = new Set(
      Object.entries(assignment).flatMap(([topic, partitions]) =>
        partitions.map((partition) => keyOf({ topic, partition })),
      ),
    );
    const isSame =
      assigned.size === this.#places.size && [...this.#places.keys()].every((key) => assigned.has(key));
    if (!isSame)
      return this.#fail(new Error('partitions were added to a topic, or another reader took some'));
    for (const place of this.#places.values()) this.#seek(place);
  }

  #seek({ topic, partition, next }: Place): void {
    if (!this.#isOver) this.#consumer.seek({ topic, partition, offset: String(next) });
  }

  #batch(payload: EachBatchPayload): void {
    const { batch } = payload;
    const at = { topic: batch.topic, partition: batch.partition };
    const place = this.#places.get(keyOf(at));
    if (place === undefined || this.#isOver || payload.isStale()) return;
    if (askedOffset(batch) !== place.next) return this.#stray(place);
    place.strays = 0;
    const records = batch.messages.map((message) => ({
      offset: BigInt(message.offset),
      timestamp: Number(message.timestamp),
      value: message.value,
      headers: Object.keys(message.headers ?? {}),
    }));
    const last = batch.lastOffset();
    place.next = BigInt(last) + 1n;
    payload.resolveOffset(last);
    this.#events.records(at, records);
  }

  /** Only markers of Kafka's own transactions, which kafkajs passes over without calling `eachBatch`. */
  #passOver(batch: { topic: string; partition: number; batchSize: number; lastOffset: string }): void {
    const place = batch.batchSize === 0 ? this.#places.get(keyOf(batch)) : undefined;
    const after = BigInt(batch.lastOffset) + 1n;
    if (place === undefined || after <= place.next) return;
    place.next = after;
    this.#events.records(place, []);
  }

  /** An answer may be to what was asked before a seek. Many of them mean that the offset is gone and kafkajs took another. */
  #stray(place: Place): void {
    place.strays += 1;
    if (place.strays > MAX_STRAYS) this.#fail(new Error(`the offset to be read of ${place.topic} is gone`));
    else this.#seek(place);
  }

  #look(): void {
    const seconds = Math.round((performance.now() - this.#heardMs) / 1000);
    if (seconds * 1000 < this.#client.timings.silenceMs) return;
    this.#fail(new Error(`the brokers have answered nothing for ${seconds} seconds`));
  }

  #fail(error: Error): void {
    if (this.#isOver) return;
    const failure = this.#failureOf(error);
    this.#refuse(failure);
    this.#events.failed(failure);
  }

  /** Brokers do not say which of the topics it is that may not be read. The group's own name would make each failure another one. */
  #failureOf(error: unknown): ConnectorError {
    const answer = answerOf(error);
    const groups = `consumer groups that begin with ${this.#client.name}-`;
    if (answer === NO_RIGHT_ON_GROUP) return forbidden('Read', groups, error);
    // kafkajs says the same where no broker is ready for a group yet, which passes.
    if (error instanceof Error && error.name === 'KafkaJSGroupCoordinatorNotFound') {
      const what = `no broker serves ${groups}, or Kafka does not grant the right Read on them`;
      return new ConnectorError('retry', what, error);
    }
    if (answer !== NO_RIGHT_ON_TOPIC) return failureOf(this.#client, error);
    const [first, ...more] = [...new Set([...this.#places.values()].map(({ topic }) => topic))];
    const others = more.length === 0 ? '' : `, or on one of the ${more.length} others of its target`;
    return forbidden('Read', `the topic ${first}${others}`, error);
  }
}

/** The offset that was asked for; kafkajs' types do not show it. */
function askedOffset(batch: EachBatchPayload['batch']): bigint | null {
  const asked: unknown = 'fetchedOffset' in batch ? batch.fetchedOffset : null;
  return typeof asked === 'string' ? BigInt(asked) : null;
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}
