import { printTable } from '../core/names.ts';
import { repeated } from '../core/repeated.ts';
import { MetadataError } from './metadata-error.ts';
import type { Metadata, TableMetadata } from './model.ts';

/** Refuses a document that says something twice, in Hasura's words. */
export function refuseDuplicates(metadata: Metadata, path: string): void {
  refuse(
    path,
    'source',
    metadata.sources.map((source) => source.name),
  );
  refuse(
    path,
    'inherited role',
    (metadata.inherited_roles ?? []).map((role) => role.role_name),
  );
  refuse(
    path,
    'query collections',
    (metadata.query_collections ?? []).map((collection) => collection.name),
  );
  refuse(
    path,
    'allowlist entries',
    (metadata.allowlist ?? []).map((entry) => entry.collection),
  );
  refuse(
    path,
    'rest endpoints',
    (metadata.rest_endpoints ?? []).map((endpoint) => endpoint.name),
  );
  for (const [index, source] of metadata.sources.entries()) {
    const at = `${path}.sources[${index}]`;
    refuse(
      at,
      'table',
      source.tables.map((table) => printTable(table.table)),
    );
    refuse(
      at,
      'function',
      (source.functions ?? []).map((entry) => printTable(entry.function)),
    );
    refuse(
      at,
      'logical model',
      (source.logical_models ?? []).map((model) => model.name),
    );
    refuse(
      at,
      'native query',
      (source.native_queries ?? []).map((query) => query.root_field_name),
    );
    for (const [position, table] of source.tables.entries())
      refuseInTable(table, `${at}.tables[${position}]`);
  }
}

function refuseInTable(table: TableMetadata, path: string): void {
  const relationships = [
    ...(table.object_relationships ?? []),
    ...(table.array_relationships ?? []),
    ...(table.remote_relationships ?? []),
  ];
  refuse(
    path,
    'relationship',
    relationships.map((entry) => entry.name),
  );
  refuse(
    path,
    'computed field',
    (table.computed_fields ?? []).map((entry) => entry.name),
  );
  refuse(
    path,
    'select permission',
    (table.select_permissions ?? []).map((entry) => entry.role),
  );
}

function refuse(path: string, what: string, names: readonly string[]): void {
  const twice = repeated(names);
  if (twice.length === 0) return;
  const message = `multiple declarations exist for the following ${what}: ${twice.join(', ')}`;
  throw new MetadataError('parse-failed', message, { path });
}
