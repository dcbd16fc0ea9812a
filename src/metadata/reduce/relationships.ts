import type { CommandOf } from '../command.ts';
import { changeTable, refuseTakenField, requireTable } from '../edit.ts';
import type { Follow } from '../follow.ts';
import { MetadataError } from '../metadata-error.ts';
import type { LocalRelationshipMetadata } from '../model/relationships.ts';
import type { Metadata, TableMetadata } from '../model.ts';
import { removeObject, type TableObjectKind } from '../objects.ts';
import { tidyEntry } from '../tidy.ts';
import { withList } from '../with-list.ts';
import { renameInRules } from './rename-in-rules.ts';

/** A table's lists of relationships, by the kind of object they hold. */
const LISTS = [
  ['object_relation', 'object_relationships'],
  ['array_relation', 'array_relationships'],
  ['remote_relationship', 'remote_relationships'],
] as const;

/** Adds a relationship inside one database; refuses a name the table already uses. */
export function createLocalRelationship(
  metadata: Metadata,
  command: CommandOf<'pg_create_object_relationship'> | CommandOf<'pg_create_array_relationship'>,
): Metadata {
  const { args } = command;
  const { name, using, comment } = args;
  const key =
    command.type === 'pg_create_object_relationship' ? 'object_relationships' : 'array_relationships';
  const entry: LocalRelationshipMetadata = tidyEntry({ name, using, comment });
  return changeTable(metadata, args, (table) => {
    refuseTakenField(table, args.name);
    return withList(table, key, [...(table[key] ?? []), entry]);
  });
}

/** Where a relationship of that name is, local or remote; refuses a name the table does not know. */
export function relationshipKind(table: TableMetadata, name: string): TableObjectKind {
  const found = LISTS.find(([, key]) => table[key]?.some((entry) => entry.name === name) === true);
  if (found === undefined) throw new MetadataError('not-exists', `"${name}" does not exist`);
  return found[0];
}

/** Removes a relationship; permissions that use it must have been dealt with by the caller. */
export function dropRelationship(
  metadata: Metadata,
  args: CommandOf<'pg_drop_relationship'>['args'],
): Metadata {
  const { source, table, relationship: name } = args;
  const kind = relationshipKind(requireTable(metadata, args), name);
  return removeObject(metadata, { kind, source, table, name });
}

/** Gives a relationship another name, also in the row rules that walk it. */
export function renameRelationship(
  metadata: Metadata,
  args: CommandOf<'pg_rename_relationship'>['args'],
  follow: Follow,
): Metadata {
  relationshipKind(requireTable(metadata, args), args.name);
  const renamed = changeTable(metadata, args, (table) => {
    if (args.name !== args.new_name) refuseTakenField(table, args.new_name);
    return renameInLists(table, args.name, args.new_name);
  });
  return renameInRules(renamed, args, follow);
}

function renameInLists(table: TableMetadata, from: string, to: string): TableMetadata {
  const changed = LISTS.flatMap(([, key]) => {
    const entries = table[key];
    if (entries === undefined) return [];
    return [[key, entries.map((entry) => (entry.name === from ? { ...entry, name: to } : entry))] as const];
  });
  return { ...table, ...Object.fromEntries(changed) };
}

/** Sets or removes a local relationship's comment. */
export function commentRelationship(
  metadata: Metadata,
  args: CommandOf<'pg_set_relationship_comment'>['args'],
): Metadata {
  const kind = relationshipKind(requireTable(metadata, args), args.name);
  if (kind !== 'object_relation' && kind !== 'array_relation') {
    throw new MetadataError('not-supported', `relationship "${args.name}" cannot have a comment`);
  }
  const key = kind === 'object_relation' ? 'object_relationships' : 'array_relationships';
  return changeTable(metadata, args, (table) => {
    const entries = (table[key] ?? []).map((entry) =>
      entry.name === args.name ? tidyEntry({ ...entry, comment: args.comment }) : entry,
    );
    return withList(table, key, entries);
  });
}
