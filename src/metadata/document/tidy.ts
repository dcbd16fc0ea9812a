import { isRecord } from '../../core/json/is-record.ts';
import type { FunctionMetadata, Metadata, SourceMetadata, TableMetadata } from '../model.ts';

/** Object lists of a table that metadata leaves out when they are empty. */
const TABLE_LISTS: ReadonlySet<string> = new Set([
  'object_relationships',
  'array_relationships',
  'remote_relationships',
  'computed_fields',
  'insert_permissions',
  'select_permissions',
  'update_permissions',
  'delete_permissions',
  'event_triggers',
]);

/** Parts of a source that metadata leaves out when they are empty. */
const SOURCE_PARTS: ReadonlySet<string> = new Set([
  'customization',
  'functions',
  'logical_models',
  'native_queries',
]);

/** The canonical form: what only repeats a default or is empty is left out, as Hasura's export does. */
export function tidyMetadata(metadata: Metadata): Metadata {
  return mapEntries(metadata, (key, value) => {
    if (key === 'sources') return metadata.sources.map(tidySource);
    if (isUnused(value)) return undefined;
    return key === 'actions' || key === 'custom_types' ? tidyAction(value) : value;
  });
}

/** Files of parts nobody uses are there all the same, with nothing or with empty lists. */
function isUnused(part: unknown): boolean {
  return typeof part === 'object' && part !== null && Object.values(part).every(isEmptyList);
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

/** Of what has no description, and of a query, which has no kind, the stock command line writes so: null, and an empty text. */
function tidyAction(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(tidyAction);
  return mapEntries(value, (key, member) => {
    const saysNothing = (key === 'description' && member === null) || (key === 'kind' && member === '');
    return saysNothing ? undefined : tidyAction(member);
  });
}

function tidySource(source: SourceMetadata): SourceMetadata {
  const kept = filterEntries(source, (key, value) => !(SOURCE_PARTS.has(key) && isEmpty(value)));
  const { functions, logical_models: models, native_queries: queries } = kept;
  return {
    ...kept,
    tables: source.tables.map(tidyTable),
    ...(functions === undefined ? {} : { functions: functions.map(tidyFunction) }),
    ...(models === undefined ? {} : { logical_models: models.map(tidyQuery) }),
    ...(queries === undefined ? {} : { native_queries: queries.map(tidyQuery) }),
  };
}

/** One function in canonical form. */
export function tidyFunction(entry: FunctionMetadata): FunctionMetadata {
  return mapEntries(entry, (key, value) => {
    if (key === 'configuration') return tidyConfiguration(value);
    if (key === 'permissions') return nonEmpty(value);
    return key === 'comment' && value === null ? undefined : value;
  });
}

/** A logical model or a native query in canonical form, its arguments written out also where there are none. */
export function tidyQuery<T extends object>(entry: T): T {
  return mapEntries(entry, (key, value) => {
    if (value === null || value === undefined) return undefined;
    if (key === 'returns') return typeof value === 'object' ? tidyQuery(value) : value;
    if (!TABLE_LISTS.has(key)) return value;
    return Array.isArray(value) && value.length > 0 ? value.map(tidyEntry) : undefined;
  });
}

function nonEmpty(value: unknown): unknown {
  return value === null || isEmpty(value) ? undefined : value;
}

/** One table in canonical form. */
export function tidyTable(table: TableMetadata): TableMetadata {
  return mapEntries(table, (key, value) => {
    if (key === 'is_enum' && value === false) return undefined;
    if (key === 'apollo_federation_config') return value ?? undefined;
    if (TABLE_LISTS.has(key)) {
      const tidy = key === 'computed_fields' ? tidyComputedField : tidyEntry;
      return Array.isArray(value) && value.length > 0 ? value.map(tidy) : undefined;
    }
    return key === 'configuration' ? tidyConfiguration(value) : value;
  });
}

/** A relationship or permission without members that say nothing. */
export function tidyEntry<T>(entry: T): T {
  return mapEntries(entry, (key, value) => {
    if (key === 'comment' && value === null) return undefined;
    return key === 'permission' ? tidyPermission(value) : value;
  });
}

/** A computed field without members that say nothing; an empty comment says that it is to have no description. */
export function tidyComputedField<T>(field: T): T {
  return mapEntries(field, (key, value) => {
    if (value === null || value === undefined) return undefined;
    return key === 'definition' ? filterEntries(value, (_key, member) => member !== null) : value;
  });
}

function tidyPermission(permission: unknown): unknown {
  return filterEntries(permission, (key, value) => {
    if (value === null) return key === 'check'; // of an update: Hasura writes it out
    if (key === 'allow_aggregations') return value !== false;
    return !(key === 'computed_fields' && isEmpty(value));
  });
}

/** Undefined where nothing in it says anything; else its empty members stay, since Hasura writes them all out. */
function tidyConfiguration(configuration: unknown): unknown {
  const written = mapEntries(configuration, (key, value) => {
    if (value === null) return undefined;
    return key === 'column_config' ? filterEntries(value, (_column, config) => !isEmpty(config)) : value;
  });
  const says = filterEntries(written, (_key, value) => !isEmpty(value));
  return written === null || isEmpty(says) ? undefined : written;
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

function filterEntries<T>(value: T, keep: (key: string, value: unknown) => boolean): T {
  return mapEntries(value, (key, member) => (keep(key, member) ? member : undefined));
}

/** A copy with each member replaced; undefined leaves it out. The caller keeps the type's promises. */
function mapEntries<T>(value: T, change: (key: string, value: unknown) => unknown): T {
  if (!isRecord(value)) return value;
  const changed = Object.entries(value).map(([key, member]) => [key, change(key, member)] as const);
  return Object.fromEntries(changed.filter(([, member]) => member !== undefined)) as T;
}
