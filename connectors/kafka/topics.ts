import type { Admin, Kafka, KafkaConfig, SASLOptions } from 'kafkajs';
import { must } from '../../src/core/assert.ts';
import { messageOf } from '../../src/core/errors.ts';
import type { Log } from '../../src/core/log.ts';
import { ConnectorError } from '../connector.ts';
import { readAllCompressions } from './compression.ts';
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

/** What the brokers know of topics. */
export class TopicBook {
  readonly #admin: Admin;

  constructor(admin: Admin) {
    this.#admin = admin;
  }

  /** The number of partitions of every topic there is. */
  async partitions(): Promise<ReadonlyMap<string, number>> {
    const { topics } = await this.#admin.fetchTopicMetadata();
    return new Map(topics.map(({ name, partitions }) => [name, partitions.length]));
  }

  /** Where the topic of transactions begins and ends; null when there is none. Several partitions would not keep their order. */
  async transactions(topic: string): Promise<Extent | null> {
    const count = (await this.partitions()).get(topic);
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
    if (!(await this.partitions()).has(topic)) return new Map();
    const found = await this.#admin.fetchTopicOffsets(topic);
    return new Map(found.map(({ partition, high }) => [partition, BigInt(high)]));
  }

  /** By partition, the first message written at or after the time; the end where there is none. */
  async offsetsAt(topic: string, timestamp: number): Promise<ReadonlyMap<number, bigint>> {
    const found = await this.#admin.fetchTopicOffsetsByTimestamp(topic, timestamp);
    return new Map(found.map(({ partition, offset }) => [partition, BigInt(offset)]));
  }
}

/** A failure of the brokers or of the way to them: almost all of them pass by themselves. The next try begins with another broker. */
export function failureOf(client: KafkaClient, error: unknown): ConnectorError {
  if (error instanceof ConnectorError) return error;
  client.entry.at += 1;
  const name = error instanceof Error ? error.name : '';
  const said = messageOf(error);
  const isUnfit = UNFIT.has(name) || /not authorized/i.test(said);
  const what = SAID_OTHERWISE.get(said) ?? said;
  return new ConnectorError(isUnfit ? 'unfit' : 'retry', `could not read from Kafka: ${what}`, error);
}

/** What kafkajs says, and what it means. */
const SAID_OTHERWISE: ReadonlyMap<string, string> = new Map([
  ['Broker not connected', 'a broker takes connections and does not answer'],
]);

/** An unknown compression; a refused log-in. */
const UNFIT: ReadonlySet<string> = new Set(['KafkaJSNotImplemented', 'KafkaJSSASLAuthenticationError']);
