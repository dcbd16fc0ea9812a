import { printTable, type RoleName, tableKey } from '../../core/names.ts';
import { tidyFunction } from '../../metadata/document/tidy.ts';
import { MetadataError } from '../../metadata/metadata-error.ts';
import type { FunctionMetadata, Metadata } from '../../metadata/model.ts';
import {
  changeFunction,
  changeSource,
  findFunction,
  findTracked,
  requireFunction,
  type TablePlace,
} from '../../metadata/object/edit.ts';
import { removeObject } from '../../metadata/object/objects.ts';
import type { ArgsOf } from '../command.ts';
import type { Databases } from './follow.ts';

type PermissionArgs = ArgsOf<'pg_create_function_permission'>;

/** Exposes a function; refuses one that already is, and one that is called as a tracked table is. */
export function trackFunction(metadata: Metadata, args: ArgsOf<'pg_track_function'>): Metadata {
  const { source, function: ref, configuration, comment } = args;
  const printed = printTable(ref);
  if (findFunction(metadata, args) !== undefined) {
    throw new MetadataError('already-tracked', `function already tracked: "${printed}"`);
  }
  if (findTracked(metadata, { source, table: ref }) !== undefined) {
    throw new MetadataError('not-supported', `table with name "${printed}" already exists`);
  }
  const entry: FunctionMetadata = tidyFunction({ function: ref, configuration, comment });
  return changeSource(metadata, source, (found) => ({
    ...found,
    functions: [...(found.functions ?? []), entry],
  }));
}

/** Hides a function. */
export function untrackFunction(metadata: Metadata, args: ArgsOf<'pg_untrack_function'>): Metadata {
  requireFunction(metadata, args);
  return removeObject(metadata, { kind: 'function', source: args.source, function: args.function });
}

/** Replaces a function's configuration as a whole. */
export function customizeFunction(
  metadata: Metadata,
  args: ArgsOf<'pg_set_function_customization'>,
): Metadata {
  const { configuration } = args;
  return changeFunction(metadata, args, (entry) => tidyFunction({ ...entry, configuration }));
}

/** Lets a role call a function whose rows it may read. */
export function createFunctionPermission(
  metadata: Metadata,
  args: PermissionArgs,
  databases: Databases,
): Metadata {
  if (hasPermission(metadata, args)) {
    throw new MetadataError('already-exists', `permission of role ${described(args, 'already exists')}`);
  }
  refuseUnreadable(metadata, args, databases);
  return changeFunction(metadata, args, (entry) => ({
    ...entry,
    permissions: [...(entry.permissions ?? []), { role: args.role }],
  }));
}

/** Takes a role's permission to call a function away. */
export function dropFunctionPermission(metadata: Metadata, args: PermissionArgs): Metadata {
  if (!hasPermission(metadata, args)) {
    throw new MetadataError('not-exists', `permission of role ${described(args, 'does not exist')}`);
  }
  const { source, function: ref, role } = args;
  return removeObject(metadata, { kind: 'function_permission', source, function: ref, name: role });
}

function hasPermission(metadata: Metadata, args: PermissionArgs): boolean {
  return requireFunction(metadata, args).permissions?.some(({ role }) => role === args.role) === true;
}

function described({ role, source, function: ref }: PermissionArgs, what: string): string {
  return `"${role}" ${what} for function "${printTable(ref)}" in source: "${source}"`;
}

/** Which table a function returns only its database knows. */
function refuseUnreadable(metadata: Metadata, args: PermissionArgs, databases: Databases): void {
  const table = databases.sources.get(args.source)?.functions.get(tableKey(args.function))?.returns;
  if (table === undefined || mayRead(metadata, { source: args.source, table }, args.role, new Set())) return;
  throw new MetadataError(
    'not-supported',
    `function permission can only be added when the function's return table "${printTable(table)}" has select permission configured for role: "${args.role}"`,
  );
}

/** Whether a role, or one that it inherits from, has a select permission. */
function mayRead(metadata: Metadata, place: TablePlace, role: RoleName, seen: Set<RoleName>): boolean {
  if (seen.has(role)) return false;
  seen.add(role);
  const own = findTracked(metadata, place)?.select_permissions ?? [];
  if (own.some((entry) => entry.role === role)) return true;
  const parents = metadata.inherited_roles?.find(({ role_name: name }) => name === role)?.role_set ?? [];
  return parents.some((parent) => mayRead(metadata, place, parent, seen));
}
