import { printTable } from '../../core/names.ts';
import { MetadataError } from '../../metadata/metadata-error.ts';
import type { RemoteRelationshipMetadata } from '../../metadata/model/relationships.ts';
import type { Metadata } from '../../metadata/model.ts';
import { changeList } from '../../metadata/object/change-list.ts';
import { changeTable, refuseTakenField, requireTable } from '../../metadata/object/edit.ts';
import { removeObject } from '../../metadata/object/objects.ts';
import type { ArgsOf } from '../command.ts';

type RemoteArgs = ArgsOf<'pg_create_remote_relationship'>;

/** Adds a relationship to a table of another database; refuses a name the table already uses. */
export function createRemoteRelationship(metadata: Metadata, args: RemoteArgs): Metadata {
  return changeTable(metadata, args, (table) => {
    const entry = checkedEntry(args);
    refuseTakenField(table, args.name);
    return changeList(table, 'remote_relationships', (entries) => [...entries, entry]);
  });
}

/** Replaces the definition of a relationship that exists. */
export function updateRemoteRelationship(metadata: Metadata, args: RemoteArgs): Metadata {
  requireRemote(metadata, args);
  const entry = checkedEntry(args);
  return changeTable(metadata, args, (table) =>
    changeList(table, 'remote_relationships', (entries) =>
      entries.map((found) => (found.name === args.name ? entry : found)),
    ),
  );
}

/** Removes a relationship that exists. */
export function deleteRemoteRelationship(
  metadata: Metadata,
  args: ArgsOf<'pg_delete_remote_relationship'>,
): Metadata {
  requireRemote(metadata, args);
  const { source, table, name } = args;
  return removeObject(metadata, { kind: 'remote_relationship', source, table, name });
}

function requireRemote(metadata: Metadata, args: ArgsOf<'pg_delete_remote_relationship'>): void {
  const table = requireTable(metadata, args);
  if (table.remote_relationships?.some((entry) => entry.name === args.name) === true) return;
  throw new MetadataError('not-exists', `"${args.name}" does not exist`);
}

function checkedEntry(args: RemoteArgs): RemoteRelationshipMetadata {
  const { to_source: target, to_remote_schema: schema } = args.definition;
  if (schema !== undefined || 'remote_schema' in args.definition) {
    throw new MetadataError('not-supported', 'relationships to remote schemas are not supported');
  }
  if (target === undefined) {
    throw new MetadataError('parse-failed', 'key "to_source" not found', { path: '$.args.definition' });
  }
  if (Object.keys(target.field_mapping).length === 0) {
    const where = `in table "${printTable(args.table)}": in remote relationship "${args.name}"`;
    throw new MetadataError('invalid-configuration', `Inconsistent object: ${where}: field_mapping is empty`);
  }
  return { name: args.name, definition: args.definition };
}
