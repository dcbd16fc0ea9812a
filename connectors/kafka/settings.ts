import type { Log } from '../../src/core/log.ts';
import type { Timings } from '../postgres/settings.ts';

/** What an existing Debezium connector was told, as far as its topics cannot be understood without. */
export interface KafkaTarget {
  /** `topic.prefix`: what all its topics begin with. */
  readonly topicPrefix: string;
  /** `slot.name`. */
  readonly slot: string;
  /** `publication.name`. */
  readonly publication: string;
  /** `unavailable.value.placeholder`. */
  readonly placeholder: string;
}

/** How a reader says who it is. */
export interface KafkaLogin {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  readonly password: string;
}

/** How brokers are reached over TLS. */
export interface KafkaTls {
  /** Certificates (PEM) that are trusted; null for those that Node trusts. */
  readonly ca: string | null;
  /** What the brokers know the reader by, in PEM; null for a reader that shows none. */
  readonly identity: { readonly cert: string; readonly key: string } | null;
}

/** How brokers are reached. */
export interface KafkaCluster {
  /** Empty when none are configured: then no target can be followed. */
  readonly brokers: readonly string[];
  /** Null is without. */
  readonly tls: KafkaTls | null;
  /** Null is without. */
  readonly login: KafkaLogin | null;
}

/** How long to wait for Kafka; tests shorten them. */
export interface KafkaTimings {
  /** For a connection, and for an answer. */
  readonly requestMs: number;
  /** A reader that has not asked the brokers for so long is dead. */
  readonly silenceMs: number;
  /** For a transaction of ours to come through Debezium. */
  readonly barrierMs: number;
  /** A transaction of ours that has not come by then is followed by another. */
  readonly askAgainMs: number;
}

/** Timings for production. */
export const DEFAULT_KAFKA_TIMINGS: KafkaTimings = {
  requestMs: 10_000,
  silenceMs: 30_000,
  barrierMs: 30_000,
  askAgainMs: 5_000,
};

/** Where a target and its topics are. */
export interface KafkaConnectorOptions {
  readonly url: string;
  /** Of what a slot of ours would be called: also the beginning of our consumer groups' names. */
  readonly name: string;
  readonly cluster: KafkaCluster;
  readonly kafka: KafkaTarget;
  readonly log: Pick<Log, 'info' | 'warn'>;
  readonly timings?: Partial<Timings>;
  readonly kafkaTimings?: Partial<KafkaTimings>;
}
