import { must } from '../../core/assert.ts';
import type { InconsistentObject } from '../../core/inconsistent-object.ts';
import type { SourceName } from '../../core/names.ts';
import type { DatabaseIdentity } from '../../core/postgres/database-identity.ts';
import type { Source } from '../catalog.ts';
import { type Introspection, isAvailable } from '../introspection.ts';
import { NO_TYPES } from '../type/held-type.ts';
import { withRows } from './call/functions.ts';
import { type Draft, finderIn, finderWith, type Tables } from './drafts.ts';
import { kafkaFeed } from './kafka-feed.ts';
import { finishedQueries } from './queries-in.ts';

/** The sources of a catalog, whose tables are finished; what is called is resolved against them as they were before their permissions. */
export function sourcesOf(
  { related, permitted }: { readonly related: Tables; readonly permitted: Tables },
  drafts: readonly Draft[],
  problems: InconsistentObject[],
): ReadonlyMap<SourceName, Source> {
  const unavailable = new Map(drafts.map((draft) => [draft.name, draft.unavailable]));
  const scope = { sources: { find: finderWith(related, drafts), unavailable }, ruled: finderIn(related) };
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
      kafka: kafkaFeed(metadata),
      identity: isAvailable(found) ? identityOf(found) : null,
      unavailable: draft.unavailable,
    };
  });
  return new Map(sources.map((source) => [source.name, source]));
}

function identityOf({ server: { systemId, database } }: Introspection): DatabaseIdentity {
  return { systemId, database };
}
