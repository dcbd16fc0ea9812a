import type { Metadata } from '../../metadata/model.ts';
import type { KeptOperations } from '../kept-operations.ts';

/** The operations of the metadata; a collection that is not there allows nothing. */
export function keptOperations({
  allowlist = [],
  query_collections: collections = [],
}: Metadata): KeptOperations {
  const queries = new Map(collections.map(({ name, definition }) => [name, definition.queries]));
  const allowed = allowlist.flatMap(({ collection, scope }) =>
    (queries.get(collection) ?? []).map(({ query }) => ({ query, roles: scope.roles ?? null })),
  );
  return { collections, allowed };
}
