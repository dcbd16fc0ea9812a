import { must } from '../../core/assert.ts';
import type { InconsistentObject } from '../../core/inconsistent-object.ts';
import type { SourceName } from '../../core/names.ts';
import type { DatabaseIdentity } from '../../core/postgres/database-identity.ts';
import type { SourceMetadata } from '../../metadata/model.ts';
import type { Source } from '../catalog.ts';
import { type Introspection, isAvailable } from '../introspection.ts';
import type { KafkaFeed } from '../part/kafka-feed.ts';
import { NO_TYPES } from '../type/held-type.ts';
import { withRows } from './call/functions.ts';
import { type Draft, finderIn, finderWithQueries, type Tables } from './drafts.ts';
import { finishedQueries } from './queries-in.ts';
import type { Unavailable } from './relationship/remote-relationships.ts';

interface SourceParts {
  readonly related: Tables;
  readonly permitted: Tables;
  readonly unavailable: Unavailable;
}

/** The sources of a catalog. Native queries refer to tables without permissions (`related`), functions return finished ones (`permitted`). */
export function sourcesOf(
  { related, permitted, unavailable }: SourceParts,
  drafts: readonly Draft[],
  problems: InconsistentObject[],
): ReadonlyMap<SourceName, Source> {
  const scope = {
    sources: { find: finderWithQueries(related, drafts), unavailable },
    ruled: finderIn(related),
  };
  const sources = drafts.map((draft): Source => {
    const { name, names, found, metadata } = draft;
    const tables = must(permitted.get(name), 'tables of a source');
    const { tables: queries, called } = finishedQueries(draft, scope, problems);
    return {
      name,
      ...names.namespace,
      tables,
      queries,
      functions: new Map([...withRows(draft.functions.values(), tables, problems), ...called]),
      types: isAvailable(found) ? found.types : NO_TYPES,
      kafka: kafkaFeed(metadata.configuration),
      identity: isAvailable(found) ? identityOf(found) : null,
      unavailable: draft.unavailable,
    };
  });
  return new Map(sources.map((source) => [source.name, source]));
}

function identityOf({ server: { systemId, database } }: Introspection): DatabaseIdentity {
  return { systemId, database };
}

/** How a source's changes come through Kafka, with Debezium's own defaults; null when they do not. */
function kafkaFeed({ nearjoin: options }: SourceMetadata['configuration']): KafkaFeed | null {
  if (options?.connector !== 'kafka') return null;
  const { topic_prefix: topicPrefix, slot, publication, unavailable_value: placeholder } = options.kafka;
  return {
    topicPrefix,
    slot: slot ?? 'debezium',
    publication: publication ?? 'dbz_publication',
    placeholder: placeholder ?? '__debezium_unavailable_value',
  };
}
