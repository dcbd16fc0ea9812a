import { ADMIN, printTable } from '../../core/names.ts';
import { tidyEntry } from '../../metadata/document/tidy.ts';
import { MetadataError } from '../../metadata/metadata-error.ts';
import type { SelectPermissionEntry } from '../../metadata/model/permissions.ts';
import type { Metadata } from '../../metadata/model.ts';
import { changeList } from '../../metadata/object/change-list.ts';
import { changeTable, requireTable, type TablePlace } from '../../metadata/object/edit.ts';
import { removeObject } from '../../metadata/object/objects.ts';
import type { ArgsOf } from '../command.ts';

/** Lets a role read a table; refuses a second permission for the same role. */
export function createSelectPermission(
  metadata: Metadata,
  args: ArgsOf<'pg_create_select_permission'>,
): Metadata {
  const { role, permission, comment } = args;
  const entry: SelectPermissionEntry = tidyEntry({ role, permission, comment });
  return changeTable(metadata, args, (table) =>
    changeList(table, 'select_permissions', (entries) => {
      // What an administrator may do is not for anybody to define.
      if (role === ADMIN || entries.some((found) => found.role === role)) {
        const where = `table "${printTable(args.table)}" with role "${role}"`;
        throw new MetadataError('already-exists', `select permission already defined on ${where}`);
      }
      return [...entries, entry];
    }),
  );
}

/** Takes a role's permission to read a table away. */
export function dropSelectPermission(
  metadata: Metadata,
  args: ArgsOf<'pg_drop_select_permission'>,
): Metadata {
  const { source, table, role } = args;
  requirePermission(metadata, args);
  return removeObject(metadata, { kind: 'select_permission', source, table, name: role });
}

/** Sets or removes a permission's comment. */
export function commentPermission(metadata: Metadata, args: ArgsOf<'pg_set_permission_comment'>): Metadata {
  requirePermission(metadata, args);
  return changeTable(metadata, args, (table) =>
    changeList(table, 'select_permissions', (entries) =>
      entries.map((entry) =>
        entry.role === args.role ? tidyEntry({ ...entry, comment: args.comment }) : entry,
      ),
    ),
  );
}

function requirePermission(metadata: Metadata, place: TablePlace & { readonly role: string }): void {
  const entries = requireTable(metadata, place).select_permissions ?? [];
  if (entries.some((entry) => entry.role === place.role)) return;
  const where = `on "${printTable(place.table)}" for role "${place.role}"`;
  throw new MetadataError('permission-denied', `select permission ${where} does not exist`);
}
