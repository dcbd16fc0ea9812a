import type { ArgsOf } from '../command.ts';
import { tidyEntry } from '../document/tidy.ts';
import { MetadataError } from '../metadata-error.ts';
import type { LocalRelationshipMetadata } from '../model/relationships.ts';
import type { Metadata, TableMetadata } from '../model.ts';
import { changeTable, refuseTakenField, requireTable } from '../object/edit.ts';
import type { Follow } from '../object/follow.ts';
import { removeObject } from '../object/objects.ts';
import { withList } from '../object/with-list.ts';
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
  args: ArgsOf<'pg_create_object_relationship'>,
  list: 'object_relationships' | 'array_relationships',
): Metadata {
  const { name, using, comment } = args;
  const entry: LocalRelationshipMetadata = tidyEntry({ name, using, comment });
  return changeTable(metadata, args, (table) => {
    refuseTakenField(table, name);
    return withList(table, list, [...(table[list] ?? []), entry]);
  });
}

/** Which list holds the relationship of that name; refuses a name the table does not know. */
function listOf(table: TableMetadata, name: string): (typeof LISTS)[number] {
  const found = LISTS.find(([, key]) => table[key]?.some((entry) => entry.name === name) === true);
  if (found === undefined) throw new MetadataError('not-exists', `"${name}" does not exist`);
  return found;
}

/** Removes a relationship; permissions that use it must have been dealt with by the caller. */
export function dropRelationship(metadata: Metadata, args: ArgsOf<'pg_drop_relationship'>): Metadata {
  const { source, table, relationship: name } = args;
  const [kind] = listOf(requireTable(metadata, args), name);
  return removeObject(metadata, { kind, source, table, name });
}

/** Gives a relationship another name, also in the row rules that walk it. */
export function renameRelationship(
  metadata: Metadata,
  args: ArgsOf<'pg_rename_relationship'>,
  follow: Follow,
): Metadata {
  listOf(requireTable(metadata, args), args.name);
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
  args: ArgsOf<'pg_set_relationship_comment'>,
): Metadata {
  const [, key] = listOf(requireTable(metadata, args), args.name);
  if (key === 'remote_relationships')
    throw new MetadataError('not-supported', `relationship "${args.name}" cannot have a comment`);
  return changeTable(metadata, args, (table) => {
    const entries = (table[key] ?? []).map((entry) =>
      entry.name === args.name ? tidyEntry({ ...entry, comment: args.comment }) : entry,
    );
    return withList(table, key, entries);
  });
}
