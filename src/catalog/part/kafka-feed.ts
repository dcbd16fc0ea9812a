/** What the Debezium connector was told that writes a database's changes to Kafka; defaults filled in. */
export interface KafkaFeed {
  readonly topicPrefix: string;
  readonly slot: string;
  readonly publication: string;
  /** Stands for a large value that was not sent. */
  readonly placeholder: string;
}
