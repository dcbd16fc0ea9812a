import { tidyEntry } from '../../metadata/document/tidy.ts';
import { MetadataError } from '../../metadata/metadata-error.ts';
import type { LocalRelationshipMetadata } from '../../metadata/model/relationships.ts';
import type { Metadata, TableMetadata } from '../../metadata/model.ts';
import { changeList } from '../../metadata/object/change-list.ts';
import { changeTable, refuseTakenField, requireTable } from '../../metadata/object/edit.ts';
import { removeObject, TABLE_LISTS } from '../../metadata/object/objects.ts';
import type { ArgsOf } from '../command.ts';
import type { Follow } from './follow.ts';
import { renameInRules } from './rename-in-rules.ts';

const KINDS = ['object_relation', 'array_relation', 'remote_relationship'] as const;

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
    return changeList(table, list, (entries) => [...entries, entry]);
  });
}

/** What kind of relationship has that name; refuses a name the table does not know. */
function kindOf(table: TableMetadata, name: string): (typeof KINDS)[number] {
  const found = KINDS.find((kind) => table[TABLE_LISTS[kind]]?.some((entry) => entry.name === name) === true);
  if (found === undefined) throw new MetadataError('not-exists', `"${name}" does not exist`);
  return found;
}

/** Removes a relationship; permissions that use it must have been dealt with by the caller. */
export function dropRelationship(metadata: Metadata, args: ArgsOf<'pg_drop_relationship'>): Metadata {
  const { source, table, relationship: name } = args;
  const kind = kindOf(requireTable(metadata, args), name);
  return removeObject(metadata, { kind, source, table, name });
}

/** Gives a relationship another name, also in the row rules that walk it. */
export function renameRelationship(
  metadata: Metadata,
  args: ArgsOf<'pg_rename_relationship'>,
  follow: Follow,
): Metadata {
  kindOf(requireTable(metadata, args), args.name);
  const renamed = changeTable(metadata, args, (table) => {
    if (args.name !== args.new_name) refuseTakenField(table, args.new_name);
    return renameInLists(table, args.name, args.new_name);
  });
  return renameInRules(renamed, args, follow);
}

function renameInLists(table: TableMetadata, from: string, to: string): TableMetadata {
  const changed = KINDS.flatMap((kind) => {
    const key = TABLE_LISTS[kind];
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
  const kind = kindOf(requireTable(metadata, args), args.name);
  if (kind === 'remote_relationship')
    throw new MetadataError('not-supported', `relationship "${args.name}" cannot have a comment`);
  return changeTable(metadata, args, (table) =>
    changeList(table, TABLE_LISTS[kind], (entries) =>
      entries.map((entry) =>
        entry.name === args.name ? tidyEntry({ ...entry, comment: args.comment }) : entry,
      ),
    ),
  );
}
