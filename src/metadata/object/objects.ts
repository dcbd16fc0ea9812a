import { printTable, type SourceName, sameTable, type TableRef } from '../../core/names.ts';
import { tidyFunction } from '../document/tidy.ts';
import { unsupportedSections } from '../document/unsupported.ts';
import type { QueryCollection } from '../model/query-collections.ts';
import type { FunctionMetadata, Metadata, SourceMetadata, TableMetadata } from '../model.ts';
import { changeList } from './change-list.ts';
import {
  isQueryObject,
  type QueryObjectRef,
  queryObjectName,
  queryObjectsIn,
  withoutQueryObject,
} from './query-objects.ts';

/** The lists of a table whose entries can be inconsistent on their own, by the kind of object they hold. */
export const TABLE_LISTS = {
  object_relation: 'object_relationships',
  array_relation: 'array_relationships',
  remote_relationship: 'remote_relationships',
  computed_field: 'computed_fields',
  select_permission: 'select_permissions',
} as const satisfies Readonly<Record<string, keyof TableMetadata>>;

/** The kind of such an entry. */
export type TableObjectKind = keyof typeof TABLE_LISTS;

/** Something metadata defines that may hold or not, by its place. */
export type ObjectRef =
  | { readonly kind: 'source'; readonly source: SourceName }
  | { readonly kind: 'table'; readonly source: SourceName; readonly table: TableRef }
  | {
      readonly kind: TableObjectKind;
      readonly source: SourceName;
      readonly table: TableRef;
      readonly name: string;
    }
  | { readonly kind: 'function'; readonly source: SourceName; readonly function: TableRef }
  | {
      readonly kind: 'function_permission';
      readonly source: SourceName;
      readonly function: TableRef;
      /** The role. */
      readonly name: string;
    }
  | QueryObjectRef
  | { readonly kind: 'inherited_role'; readonly name: string }
  | { readonly kind: 'rest_endpoint'; readonly name: string }
  /** One operation of a collection. */
  | { readonly kind: 'query_collections'; readonly collection: string; readonly name: string }
  /** A top-level part of the document that this server only keeps. */
  | { readonly kind: 'section'; readonly name: string };

/** Hasura's name of an object in lists of inconsistent metadata: `object_relation r in table t in source x`. */
export function objectName(object: ObjectRef): string {
  if (isQueryObject(object)) return queryObjectName(object, object.source);
  switch (object.kind) {
    case 'source':
      return `source ${object.source}`;
    case 'table':
      return `table ${printTable(object.table)} in source ${object.source}`;
    case 'function':
      return `function ${printTable(object.function)} in source ${object.source}`;
    case 'function_permission':
      return `function_permission ${object.name} permission for function ${printTable(object.function)} in source ${object.source}`;
    case 'inherited_role':
      return `inherited role ${object.name}`;
    case 'query_collections':
      return `query_collections ${object.name} in ${object.collection}`;
    case 'rest_endpoint':
      return `rest_endpoint ${object.name}`;
    case 'section':
      return object.name;
    default:
      return `${object.kind} ${object.name} in table ${printTable(object.table)} in source ${object.source}`;
  }
}

/** Hasura's name of an object in texts about what depends on what: `relationship t.r in source "x"`. */
export function objectReport(object: ObjectRef): string {
  if (isQueryObject(object)) return queryObjectName(object, `"${object.source}"`);
  switch (object.kind) {
    case 'source':
      return `source ${object.source}`;
    case 'table':
      return `table ${printTable(object.table)} in source "${object.source}"`;
    case 'function':
      return `function ${printTable(object.function)} in source "${object.source}"`;
    case 'function_permission':
      return `permission ${printTable(object.function)}.${object.name} in source "${object.source}"`;
    case 'inherited_role':
      return `inherited role ${object.name}`;
    case 'query_collections':
      return `query ${object.name} of query collection ${object.collection}`;
    case 'rest_endpoint':
      return `rest endpoint ${object.name}`;
    case 'section':
      return object.name;
    default:
      return `${reportOf(object.kind, `${printTable(object.table)}.${object.name}`)} in source "${object.source}"`;
  }
}

function reportOf(kind: TableObjectKind, name: string): string {
  if (kind === 'select_permission') return `permission ${name}.select`;
  if (kind === 'computed_field') return `computed field ${name}`;
  return kind === 'remote_relationship' ? `remote relationship ${name}` : `relationship ${name}`;
}

/** Everything the metadata defines, outer objects first. */
export function objectsOf(metadata: Metadata): readonly ObjectRef[] {
  const inSources = metadata.sources.flatMap((source): ObjectRef[] => [
    { kind: 'source', source: source.name },
    ...source.tables.flatMap((table): ObjectRef[] => [
      { kind: 'table', source: source.name, table: table.table },
      ...tableObjects(source.name, table),
    ]),
    ...(source.functions ?? []).flatMap((entry) => functionObjects(source.name, entry)),
    ...queryObjectsIn(source),
  ]);
  const roles = metadata.inherited_roles ?? [];
  return [
    ...inSources,
    ...(metadata.other_sources ?? []).map(({ name }): ObjectRef => ({ kind: 'source', source: name })),
    ...roles.map((role): ObjectRef => ({ kind: 'inherited_role', name: role.role_name })),
    ...(metadata.query_collections ?? []).flatMap(({ name: collection, definition }) =>
      definition.queries.map(({ name }): ObjectRef => ({ kind: 'query_collections', collection, name })),
    ),
    ...(metadata.rest_endpoints ?? []).map(({ name }): ObjectRef => ({ kind: 'rest_endpoint', name })),
    ...unsupportedSections(metadata).map((name): ObjectRef => ({ kind: 'section', name })),
  ];
}

function functionObjects(source: SourceName, entry: FunctionMetadata): readonly ObjectRef[] {
  const place = { source, function: entry.function };
  return [
    { kind: 'function', ...place },
    ...(entry.permissions ?? []).map(({ role }): ObjectRef => {
      return { kind: 'function_permission', ...place, name: role };
    }),
  ];
}

function tableObjects(source: SourceName, table: TableMetadata): readonly ObjectRef[] {
  return Object.entries(TABLE_LISTS).flatMap(([kind, list]) =>
    (table[list] ?? []).map((entry): ObjectRef => {
      return { kind: kind as TableObjectKind, source, table: table.table, name: entryName(entry) };
    }),
  );
}

/** A permission has no name but its role's. */
function entryName(entry: { readonly name?: unknown; readonly role?: unknown }): string {
  return String(entry.role ?? entry.name);
}

/** The metadata without one object and everything inside it; what points to it stays. */
export function removeObject(metadata: Metadata, object: ObjectRef): Metadata {
  switch (object.kind) {
    case 'inherited_role':
      return changeList(metadata, 'inherited_roles', (roles) =>
        roles.filter((role) => role.role_name !== object.name),
      );
    case 'query_collections':
      return removeQuery(metadata, object);
    case 'rest_endpoint':
      return changeList(metadata, 'rest_endpoints', (endpoints) => others(endpoints, object.name));
    case 'section': {
      const { [object.name]: _gone, ...rest } = metadata;
      return rest as Metadata;
    }
    case 'source':
      return changeList(
        { ...metadata, sources: others(metadata.sources, object.source) },
        'other_sources',
        (list) => others(list, object.source),
      );
    default: {
      const sources = metadata.sources.map((source) =>
        source.name === object.source ? removeInside(source, object) : source,
      );
      return { ...metadata, sources };
    }
  }
}

type InSource = Exclude<Extract<ObjectRef, { readonly source: SourceName }>, { readonly kind: 'source' }>;

function removeInside(source: SourceMetadata, object: InSource): SourceMetadata {
  if (isQueryObject(object)) return withoutQueryObject(source, object);
  return 'function' in object
    ? changeList(source, 'functions', (functions) => removeFunction(functions, object))
    : { ...source, tables: removeFrom(source.tables, object) };
}

function removeQuery(
  metadata: Metadata,
  { collection, name }: Extract<ObjectRef, { readonly kind: 'query_collections' }>,
): Metadata {
  const collections = (metadata.query_collections ?? []).map((entry) =>
    entry.name === collection ? withQueries(entry, others(entry.definition.queries, name)) : entry,
  );
  return { ...metadata, query_collections: collections };
}

/** The collection with these operations. */
export function withQueries(
  collection: QueryCollection,
  queries: QueryCollection['definition']['queries'],
): QueryCollection {
  return { ...collection, definition: { ...collection.definition, queries } };
}

function removeFunction(
  functions: readonly FunctionMetadata[],
  object: Extract<ObjectRef, { readonly function: TableRef }>,
): FunctionMetadata[] {
  const isIt = (entry: FunctionMetadata): boolean => sameTable(entry.function, object.function);
  if (object.kind === 'function') return functions.filter((entry) => !isIt(entry));
  return functions.map((entry) => {
    if (!isIt(entry)) return entry;
    const permissions = (entry.permissions ?? []).filter(({ role }) => role !== object.name);
    return tidyFunction({ ...entry, permissions });
  });
}

function removeFrom(
  tables: readonly TableMetadata[],
  object: Extract<ObjectRef, { readonly table: TableRef }>,
): TableMetadata[] {
  if (object.kind === 'table') return tables.filter((table) => !sameTable(table.table, object.table));
  return tables.map((table) => (sameTable(table.table, object.table) ? removeEntry(table, object) : table));
}

function removeEntry(
  table: TableMetadata,
  { kind, name }: { readonly kind: TableObjectKind; readonly name: string },
): TableMetadata {
  const key = TABLE_LISTS[kind];
  const left = (table[key] ?? []).filter((entry) => entryName(entry) !== name);
  // The type cannot say that the entries are still of the list they come from.
  return changeList(table, key, () => left as never);
}

function others<T extends { readonly name: string }>(entries: readonly T[], name: string): T[] {
  return entries.filter((entry) => entry.name !== name);
}
