import { repeated } from '../../metadata/document/duplicates.ts';
import { MetadataError } from '../../metadata/metadata-error.ts';
import type { AllowlistEntry, QueryCollection } from '../../metadata/model/query-collections.ts';
import type { Metadata } from '../../metadata/model.ts';
import { changeList } from '../../metadata/object/change-list.ts';
import { removeObject, withQueries } from '../../metadata/object/objects.ts';
import type { ArgsOf } from '../command.ts';

/** What is said, in place of `success`, where a collection is in the allow list already. */
export function alreadyAllowed(collection: string): string {
  return `collection "${collection}" already exists in the allowlist, scope ignored; to change scope, use update_scope_of_collection_in_allowlist`;
}

/** Adds a collection of operations; its name, and theirs in it, must be new. */
export function createCollection(metadata: Metadata, args: ArgsOf<'create_query_collection'>): Metadata {
  const path = '$.args.definition.queries';
  refuseTaken(metadata, args.name, '$.args.name');
  const twice = repeated(args.definition.queries.map((query) => query.name));
  if (twice.length > 0) {
    const listed = twice.map((name) => `"${name}"`).join(', ');
    throw new MetadataError('not-supported', `found duplicate query names ${listed}`, { path });
  }
  return changeList(metadata, 'query_collections', (collections) => [...collections, args]);
}

/** Gives a collection another name, also where the allow list and REST endpoints name it. */
export function renameCollection(
  metadata: Metadata,
  { name, new_name: next }: ArgsOf<'rename_query_collection'>,
): Metadata {
  const found = requireCollection(metadata, name);
  refuseTaken(metadata, next, '$.args.new_name');
  const renamed = changeCollection(metadata, found, { ...found, name: next });
  const allowed = changeList(renamed, 'allowlist', (entries) =>
    entries.map((entry) => (entry.collection === name ? { ...entry, collection: next } : entry)),
  );
  return changeList(allowed, 'rest_endpoints', (endpoints) =>
    endpoints.map((endpoint) => {
      const { definition } = endpoint;
      if (definition.query.collection_name !== name) return endpoint;
      const query = { ...definition.query, collection_name: next };
      return { ...endpoint, definition: { ...definition, query } };
    }),
  );
}

/** Removes a collection; with `cascade` also from the allow list, which else is a reason to refuse. */
export function dropCollection(
  metadata: Metadata,
  { collection: name, cascade }: ArgsOf<'drop_query_collection'>,
): Metadata {
  const path = '$.args.collection';
  const found = requireCollection(metadata, name, path);
  const isAllowed = (metadata.allowlist ?? []).some((entry) => entry.collection === name);
  if (isAllowed && !cascade) {
    const message = `query collection with name "${name}" is present in the allowlist; cannot proceed to drop. please use cascade to confirm you wish to drop it from the allowlist as well`;
    throw new MetadataError('dependency-error', message, { path });
  }
  const left = isAllowed ? disallowCollection(metadata, { collection: name }) : metadata;
  return changeList(left, 'query_collections', (entries) => entries.filter((entry) => entry !== found));
}

/** Adds an operation to a collection; its name must be new there. */
export function addQuery(metadata: Metadata, args: ArgsOf<'add_query_to_collection'>): Metadata {
  const { collection_name: collection, query_name: name, query } = args;
  const found = requireCollection(metadata, collection);
  const { queries } = found.definition;
  if (queries.some((listed) => listed.name === name)) {
    const message = `query with name "${name}" already exists in collection "${collection}"`;
    throw new MetadataError('already-exists', message);
  }
  return changeCollection(metadata, found, withQueries(found, [...queries, { name, query }]));
}

/** Removes an operation from a collection. */
export function dropQuery(metadata: Metadata, args: ArgsOf<'drop_query_from_collection'>): Metadata {
  const { collection_name: collection, query_name: name } = args;
  const { queries } = requireCollection(metadata, collection).definition;
  if (!queries.some((listed) => listed.name === name)) {
    const message = `query with name "${name}" not found in collection "${collection}"`;
    throw new MetadataError('not-found', message, { status: 400 });
  }
  return removeObject(metadata, { kind: 'query_collections', collection, name });
}

/** Puts a collection into the allow list; the very same metadata where it is there. */
export function allowCollection(metadata: Metadata, entry: AllowlistEntry): Metadata {
  requireCollection(metadata, entry.collection, '$.args.collection');
  const entries = metadata.allowlist ?? [];
  const isListed = entries.some(({ collection }) => collection === entry.collection);
  return isListed ? metadata : changeList(metadata, 'allowlist', () => [...entries, entry]);
}

/** Takes a collection out of the allow list. */
export function disallowCollection(
  metadata: Metadata,
  { collection: name }: ArgsOf<'drop_collection_from_allowlist'>,
): Metadata {
  requireCollection(metadata, name, '$.args.collection');
  const found = requireAllowed(metadata, name);
  return changeList(metadata, 'allowlist', (entries) => entries.filter((entry) => entry !== found));
}

/** Says anew whose a collection of the allow list is. */
export function changeScope(
  metadata: Metadata,
  { collection, scope }: ArgsOf<'update_scope_of_collection_in_allowlist'>,
): Metadata {
  requireCollection(metadata, collection, '$.args.collection');
  const found = requireAllowed(metadata, collection);
  return changeList(metadata, 'allowlist', (entries) =>
    entries.map((entry) => (entry === found ? { ...entry, scope } : entry)),
  );
}

function requireCollection(metadata: Metadata, name: string, path = '$.args'): QueryCollection {
  const found = metadata.query_collections?.find((collection) => collection.name === name);
  if (found !== undefined) return found;
  throw new MetadataError('not-exists', `query collection with name "${name}" does not exist`, { path });
}

function refuseTaken(metadata: Metadata, name: string, path: string): void {
  if (metadata.query_collections?.some((collection) => collection.name === name) !== true) return;
  throw new MetadataError('already-exists', `query collection with name "${name}" already exists`, { path });
}

function requireAllowed(metadata: Metadata, name: string): AllowlistEntry {
  const found = metadata.allowlist?.find((entry) => entry.collection === name);
  if (found !== undefined) return found;
  const message = `collection "${name}" doesn't exist in the allowlist`;
  throw new MetadataError('not-found', message, { status: 400 });
}

function changeCollection(metadata: Metadata, from: QueryCollection, to: QueryCollection): Metadata {
  return changeList(metadata, 'query_collections', (collections) =>
    collections.map((collection) => (collection === from ? to : collection)),
  );
}
