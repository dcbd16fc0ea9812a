import type { InconsistentObject } from '../../core/inconsistent-object.ts';
import type { Metadata } from '../../metadata/model.ts';
import type { KeptOperations } from '../part/kept-operations.ts';
import { resolveEndpoints } from './endpoints.ts';

/** The operations of the metadata; a collection that is not there allows nothing. */
export function keptOperations(metadata: Metadata, problems: InconsistentObject[]): KeptOperations {
  const { allowlist = [], query_collections: collections = [] } = metadata;
  const queries = new Map(collections.map(({ name, definition }) => [name, definition.queries]));
  const allowed = allowlist.flatMap(({ collection, scope }) =>
    (queries.get(collection) ?? []).map(({ query }) => ({ query, roles: scope.roles ?? null })),
  );
  return { collections, endpoints: resolveEndpoints(metadata, problems), allowed };
}
