import type { DatabaseOptions } from '../postgres/database.ts';

/** Settings of an existing Debezium connector without which its topics cannot be understood. */
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

/** How a reader logs in to the brokers. */
export interface KafkaLogin {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  readonly password: string;
}

/** How brokers are reached over TLS. */
export interface KafkaTls {
  /** Trusted certificates in PEM; null for those that Node trusts. */
  readonly ca: string | null;
  /** The reader's own certificate and key in PEM; null where it shows none. */
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
  /** A reader that has not asked the brokers for anything for so long is taken for dead. */
  readonly silenceMs: number;
  /** For a transaction of ours to come through Debezium. */
  readonly barrierMs: number;
  /** When a transaction of ours has not come through after so long, another is made. */
  readonly askAgainMs: number;
  /** A change that was counted and has not come for so long is lost where its topic was read to its end. */
  readonly lossMs: number;
}

/** Timings for production. */
export const DEFAULT_KAFKA_TIMINGS: KafkaTimings = {
  requestMs: 10_000,
  silenceMs: 30_000,
  barrierMs: 30_000,
  askAgainMs: 5_000,
  lossMs: 60_000,
};

/** Where a target and its topics are; our consumer groups' names begin with its name. */
export interface KafkaConnectorOptions extends DatabaseOptions {
  readonly cluster: KafkaCluster;
  readonly kafka: KafkaTarget;
  readonly kafkaTimings?: Partial<KafkaTimings>;
}
