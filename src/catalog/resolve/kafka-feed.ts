import type { SourceMetadata } from '../../metadata/model.ts';
import type { KafkaFeed } from '../part/kafka-feed.ts';

/** How a source's changes come through Kafka, with Debezium's own defaults; null when they do not. */
export function kafkaFeed({ configuration }: Pick<SourceMetadata, 'configuration'>): KafkaFeed | null {
  const options = configuration.nearjoin;
  if (options?.connector !== 'kafka') return null;
  const { topic_prefix: topicPrefix, slot, publication, unavailable_value: placeholder } = options.kafka;
  return {
    topicPrefix,
    slot: slot ?? 'debezium',
    publication: publication ?? 'dbz_publication',
    placeholder: placeholder ?? '__debezium_unavailable_value',
  };
}
