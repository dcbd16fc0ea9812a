import type { Admin, Kafka, KafkaConfig, SASLOptions } from 'kafkajs';
import { must } from '../../src/core/assert.ts';
import type { Log } from '../../src/core/log.ts';
import { ConnectorError } from '../connector.ts';
import { readAllCompressions } from './compression.ts';
import { answerOf, failureOf, forbidden, NO_RIGHT_ON_TOPIC, UNKNOWN_TOPIC } from './failure.ts';
import { kafkajs } from './kafkajs.ts';
import type { KafkaCluster, KafkaLogin, KafkaTimings } from './settings.ts';

/** One partition of a topic. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** Where a partition begins and ends. */
export interface Extent {
  readonly low: bigint;
  readonly high: bigint;
}

/** What the brokers are asked with. */
export interface KafkaClient {
  readonly cluster: KafkaCluster;
  /** Our consumer groups' names begin with it. */
  readonly name: string;
  readonly timings: KafkaTimings;
  readonly log: Pick<Log, 'info' | 'warn'>;
  /** Which broker of the list is asked first; another one after each failure. */
  readonly entry: { at: number };
}

/** A kafkajs client with our settings. */
export function kafkaOf({ cluster, name, timings, entry }: KafkaClient): Kafka {
  readAllCompressions();
  const library = kafkajs();
  const { brokers, ...how } = connectionOf(cluster);
  return new library.Kafka({
    ...how,
    brokers: entered(brokers, entry.at),
    clientId: name,
    connectionTimeout: timings.requestMs,
    authenticationTimeout: timings.requestMs,
    requestTimeout: timings.requestMs,
    retry: { retries: 2, initialRetryTime: 100, maxRetryTime: 2_000 },
    logLevel: library.logLevel.NOTHING,
  });
}

/** kafkajs begins with the first, and does not leave one that takes its connection and then says nothing. */
function entered(brokers: readonly string[], at: number): string[] {
  const first = at % brokers.length;
  return [...brokers.slice(first), ...brokers.slice(0, first)];
}

/** The cluster in kafkajs' words. */
export function connectionOf({
  brokers,
  tls,
  login,
}: KafkaCluster): Pick<KafkaConfig, 'ssl' | 'sasl'> & { readonly brokers: readonly string[] } {
  return {
    brokers,
    ...(tls === null ? {} : { ssl: { ...(tls.ca === null ? {} : { ca: tls.ca }), ...tls.identity } }),
    ...(login === null ? {} : { sasl: saslOf(login) }),
  };
}

/** kafkajs has a type of its own for each mechanism. */
function saslOf({ mechanism, username, password }: KafkaLogin): SASLOptions {
  switch (mechanism) {
    case 'plain':
      return { mechanism, username, password };
    case 'scram-sha-256':
      return { mechanism, username, password };
    case 'scram-sha-512':
      return { mechanism, username, password };
  }
}

/** Asks about topics over a connection of its own. */
export async function askKafka<T>(client: KafkaClient, ask: (topics: TopicBook) => Promise<T>): Promise<T> {
  const admin = kafkaOf(client).admin();
  try {
    await admin.connect();
    return await ask(new TopicBook(admin));
  } catch (error) {
    throw failureOf(client, error);
  } finally {
    await admin.disconnect().catch((error: unknown) => client.log.info({ err: error }, 'not disconnected'));
  }
}

/** What a book asks. */
export type TopicAdmin = Pick<
  Admin,
  'fetchTopicMetadata' | 'fetchTopicOffsets' | 'fetchTopicOffsetsByTimestamp'
>;

/** What the brokers know of topics. */
export class TopicBook {
  readonly #admin: TopicAdmin;

  constructor(admin: TopicAdmin) {
    this.#admin = admin;
  }

  /**
   * The number of partitions of each of these topics that is there. No others are asked about: one of anybody's that has no
   * leader would make kafkajs refuse the whole answer. It does so too where one of these is not there.
   */
  async partitions(topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    if (topics.length === 0) return new Map();
    try {
      const found = await this.#admin.fetchTopicMetadata({ topics: [...topics] });
      return new Map(found.topics.map(({ name, partitions }) => [name, partitions.length]));
    } catch (error) {
      const [only, another] = topics;
      const answer = answerOf(error);
      if (answer !== UNKNOWN_TOPIC && answer !== NO_RIGHT_ON_TOPIC) throw error;
      if (another === undefined) {
        if (answer === UNKNOWN_TOPIC) return new Map();
        throw forbidden('Describe', `the topic ${only}`, error);
      }
      const half = Math.ceil(topics.length / 2);
      const first = await this.partitions(topics.slice(0, half));
      return new Map([...first, ...(await this.partitions(topics.slice(half)))]);
    }
  }

  /** Where the topic of transactions begins and ends; null when there is none. Several partitions would not keep their order. */
  async transactions(topic: string): Promise<Extent | null> {
    const count = (await this.partitions([topic])).get(topic);
    if (count === undefined) return null;
    if (count !== 1) {
      const what = `the topic ${topic} has ${count} partitions and must have exactly one, to keep transactions in order`;
      throw new ConnectorError(
        'unfit',
        `${what}: delete it, and make it with one before the Debezium connector does`,
      );
    }
    const [found] = await this.#admin.fetchTopicOffsets(topic);
    const { low, high } = must(found, 'the offsets of a partition');
    return { low: BigInt(low), high: BigInt(high) };
  }

  /** Where each partition of a topic ends; empty when there is no such topic. */
  async ends(topic: string): Promise<ReadonlyMap<number, bigint>> {
    if (!(await this.partitions([topic])).has(topic)) return new Map();
    const found = await this.#admin.fetchTopicOffsets(topic);
    return new Map(found.map(({ partition, high }) => [partition, BigInt(high)]));
  }

  /** By partition, the first message written at or after the time; the end where there is none. */
  async offsetsAt(topic: string, timestamp: number): Promise<ReadonlyMap<number, bigint>> {
    const found = await this.#admin.fetchTopicOffsetsByTimestamp(topic, timestamp);
    return new Map(found.map(({ partition, offset }) => [partition, BigInt(offset)]));
  }
}
