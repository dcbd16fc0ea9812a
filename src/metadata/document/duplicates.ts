import { printTable } from '../../core/names.ts';
import { MetadataError } from '../metadata-error.ts';
import { type Metadata, namesOfSources, type SourceMetadata, type TableMetadata } from '../model.ts';

/** Refuses a document that says something twice, in Hasura's words. */
export function refuseDuplicates(metadata: Metadata, path: string): void {
  refuse(path, {
    source: namesOfSources(metadata),
    'inherited role': metadata.inherited_roles?.map((role) => role.role_name),
    'query collections': metadata.query_collections?.map((collection) => collection.name),
    'allowlist entries': metadata.allowlist?.map((entry) => entry.collection),
    'rest endpoints': metadata.rest_endpoints?.map((endpoint) => endpoint.name),
  });
  for (const [index, source] of metadata.sources.entries())
    refuseInSource(source, `${path}.sources[${index}]`);
}

function refuseInSource(source: SourceMetadata, path: string): void {
  refuse(path, {
    table: source.tables.map((entry) => printTable(entry.table)),
    function: source.functions?.map((entry) => printTable(entry.function)),
    'logical model': source.logical_models?.map((model) => model.name),
    'native query': source.native_queries?.map((query) => query.root_field_name),
  });
  for (const [index, table] of source.tables.entries()) refuseInTable(table, `${path}.tables[${index}]`);
}

function refuseInTable(table: TableMetadata, path: string): void {
  const relationships = [
    ...(table.object_relationships ?? []),
    ...(table.array_relationships ?? []),
    ...(table.remote_relationships ?? []),
  ];
  refuse(path, {
    relationship: relationships.map((entry) => entry.name),
    'computed field': table.computed_fields?.map((entry) => entry.name),
    'select permission': table.select_permissions?.map((entry) => entry.role),
  });
}

/** By what they are names of. */
function refuse(path: string, names: Readonly<Record<string, readonly string[] | undefined>>): void {
  for (const [what, given = []] of Object.entries(names)) {
    const twice = repeated(given);
    if (twice.length === 0) continue;
    const message = `multiple declarations exist for the following ${what}: ${twice.join(', ')}`;
    throw new MetadataError('parse-failed', message, { path });
  }
}

/** The names that come more than once, each once. */
export function repeated(names: readonly string[]): readonly string[] {
  const seen = new Set<string>();
  return [...new Set(names.filter((name) => seen.size === seen.add(name).size))];
}
