import { printTable, type SourceName, sameTable, type TableRef } from '../../core/names.ts';
import { unsupportedKind } from '../document/unsupported.ts';
import { MetadataError } from '../metadata-error.ts';
import type { FunctionMetadata, Metadata, SourceMetadata, TableMetadata } from '../model.ts';
import { changeList } from './change-list.ts';

/** Where a table stands in the metadata. */
export interface TablePlace {
  readonly source: SourceName;
  readonly table: TableRef;
}

/** Where a function stands in the metadata. */
export interface FunctionPlace {
  readonly source: SourceName;
  readonly function: TableRef;
}

/** The source of that name; refuses a name nobody registered. */
export function requireSource(metadata: Metadata, name: SourceName): SourceMetadata {
  const found = metadata.sources.find((source) => source.name === name);
  if (found !== undefined) return found;
  const other = metadata.other_sources?.find((source) => source.name === name);
  if (other !== undefined) throw new MetadataError('not-supported', unsupportedKind(other.kind));
  throw new MetadataError('not-exists', `source with name "${name}" does not exist`);
}

/** The tracked table at that place, or undefined; refuses an unknown source. */
export function findTracked(metadata: Metadata, place: TablePlace): TableMetadata | undefined {
  return requireSource(metadata, place.source).tables.find((table) => sameTable(table.table, place.table));
}

/** The tracked table at that place; refuses one that is not tracked. */
export function requireTable(metadata: Metadata, place: TablePlace, path = '$.args'): TableMetadata {
  const found = findTracked(metadata, place);
  if (found !== undefined) return found;
  throw new MetadataError(
    'not-exists',
    `table "${printTable(place.table)}" does not exist in source: ${place.source}`,
    { path },
  );
}

/** The metadata with one source replaced by what `change` makes of it. */
export function changeSource(
  metadata: Metadata,
  name: SourceName,
  change: (source: SourceMetadata) => SourceMetadata,
): Metadata {
  requireSource(metadata, name);
  const sources = metadata.sources.map((source) => (source.name === name ? change(source) : source));
  return { ...metadata, sources };
}

/** The metadata with one tracked table replaced by what `change` makes of it. */
export function changeTable(
  metadata: Metadata,
  place: TablePlace,
  change: (table: TableMetadata) => TableMetadata,
): Metadata {
  const before = requireTable(metadata, place);
  return changeSource(metadata, place.source, (source) => ({
    ...source,
    tables: source.tables.map((table) => (table === before ? change(table) : table)),
  }));
}

/** The tracked function at that place, or undefined; refuses an unknown source. */
export function findFunction(metadata: Metadata, place: FunctionPlace): FunctionMetadata | undefined {
  const { functions } = requireSource(metadata, place.source);
  return functions?.find((entry) => sameTable(entry.function, place.function));
}

/** The tracked function at that place; refuses one that is not tracked. */
export function requireFunction(metadata: Metadata, place: FunctionPlace): FunctionMetadata {
  const found = findFunction(metadata, place);
  if (found !== undefined) return found;
  throw new MetadataError(
    'not-exists',
    `function "${printTable(place.function)}" does not exist in source: ${place.source}`,
  );
}

/** The metadata with one tracked function replaced by what `change` makes of it. */
export function changeFunction(
  metadata: Metadata,
  place: FunctionPlace,
  change: (entry: FunctionMetadata) => FunctionMetadata,
): Metadata {
  const before = requireFunction(metadata, place);
  return changeSource(metadata, place.source, (source) => ({
    ...source,
    functions: (source.functions ?? []).map((entry) => (entry === before ? change(entry) : entry)),
  }));
}

/** What has relationships or permissions, and so may name other databases and walk relationships. */
export type Owner = Readonly<Record<string, unknown>> &
  Partial<Pick<TableMetadata, 'remote_relationships' | 'select_permissions'>>;

/** The source with its tables, logical models and native queries changed; `table` is null for all but tables. */
export function changeOwners(
  source: SourceMetadata,
  change: <T extends Owner>(owner: T, table: TableRef | null) => T,
): SourceMetadata {
  const tables = source.tables.map((entry) => change(entry, entry.table));
  const changed = changeList({ ...source, tables }, 'logical_models', (models) =>
    models.map((model) => change(model, null)),
  );
  return changeList(changed, 'native_queries', (queries) =>
    queries.map((query) => {
      const { returns } = query;
      return change(typeof returns === 'string' ? query : { ...query, returns: change(returns, null) }, null);
    }),
  );
}

/** Refuses a relationship's name that the table already uses for another, or for a computed field. */
export function refuseTakenField(table: TableMetadata, name: string): void {
  const taken = [
    ...(table.object_relationships ?? []),
    ...(table.array_relationships ?? []),
    ...(table.remote_relationships ?? []),
    ...(table.computed_fields ?? []),
  ].some((entry) => entry.name === name);
  if (!taken) return;
  throw new MetadataError(
    'already-exists',
    `field with name "${name}" already exists in table "${printTable(table.table)}"`,
  );
}
