import { unreachable } from '../core/assert.ts';
import type { ResolvedView } from './catalog-port.ts';
import type { Command } from './command.ts';
import type { FunctionPlace } from './edit.ts';
import { followIn } from './follow.ts';
import type { Metadata } from './model.ts';
import { removeApiLimits, setApiLimits } from './reduce/api-limits.ts';
import { addComputedField, dropComputedField } from './reduce/computed-fields.ts';
import {
  createFunctionPermission,
  customizeFunction,
  dropFunctionPermission,
  trackFunction,
  untrackFunction,
} from './reduce/functions.ts';
import { type QueryCommand, reduceQueries } from './reduce/native-queries.ts';
import { commentPermission, createSelectPermission, dropSelectPermission } from './reduce/permissions.ts';
import { type CollectionCommand, reduceCollections } from './reduce/query-collections.ts';
import {
  commentRelationship,
  createLocalRelationship,
  dropRelationship,
  renameRelationship,
} from './reduce/relationships.ts';
import {
  createRemoteRelationship,
  deleteRemoteRelationship,
  updateRemoteRelationship,
} from './reduce/remote-relationships.ts';
import { createEndpoint, dropEndpoint } from './reduce/rest-endpoints.ts';
import { addInheritedRole, disableIntrospection, dropInheritedRole } from './reduce/roles.ts';
import { addSource, clearMetadata, dropSource, renameSource, updateSource } from './reduce/sources.ts';
import { customizeTable, setFederation, setTableIsEnum, trackTable, untrackTable } from './reduce/tables.ts';

/** Commands that need more than the metadata itself: the catalog, the store, or other commands. */
type Outward =
  | 'pg_get_source_tables'
  | 'pg_get_table_info'
  | 'pg_suggest_relationships'
  | 'pg_get_logical_model'
  | 'pg_get_native_query'
  | 'list_source_kinds'
  | 'pg_track_tables'
  | 'pg_untrack_tables'
  | 'export_metadata'
  | 'replace_metadata'
  | 'reload_metadata'
  | 'get_inconsistent_metadata'
  | 'drop_inconsistent_metadata'
  | 'get_catalog_state'
  | 'set_catalog_state'
  | 'bulk'
  | 'bulk_keep_going'
  | 'bulk_atomic'
  | 'concurrent_bulk';

/** A command whose outcome follows from the metadata and its arguments alone. */
export type Reducible = Exclude<Command, { readonly type: Outward }>;

const REDUCIBLE = {
  pg_add_source: true,
  pg_update_source: true,
  pg_drop_source: true,
  rename_source: true,
  pg_track_table: true,
  pg_untrack_table: true,
  pg_set_table_customization: true,
  pg_set_table_is_enum: true,
  pg_set_apollo_federation_config: true,
  pg_track_function: true,
  pg_untrack_function: true,
  pg_set_function_customization: true,
  pg_create_function_permission: true,
  pg_drop_function_permission: true,
  pg_track_logical_model: true,
  pg_untrack_logical_model: true,
  pg_create_logical_model_select_permission: true,
  pg_drop_logical_model_select_permission: true,
  pg_track_native_query: true,
  pg_untrack_native_query: true,
  pg_create_object_relationship: true,
  pg_create_array_relationship: true,
  pg_drop_relationship: true,
  pg_rename_relationship: true,
  pg_set_relationship_comment: true,
  pg_create_remote_relationship: true,
  pg_update_remote_relationship: true,
  pg_delete_remote_relationship: true,
  pg_add_computed_field: true,
  pg_drop_computed_field: true,
  pg_create_select_permission: true,
  pg_drop_select_permission: true,
  pg_set_permission_comment: true,
  add_inherited_role: true,
  drop_inherited_role: true,
  create_query_collection: true,
  rename_query_collection: true,
  drop_query_collection: true,
  add_query_to_collection: true,
  drop_query_from_collection: true,
  add_collection_to_allowlist: true,
  drop_collection_from_allowlist: true,
  update_scope_of_collection_in_allowlist: true,
  create_rest_endpoint: true,
  drop_rest_endpoint: true,
  set_graphql_schema_introspection_options: true,
  set_api_limits: true,
  remove_api_limits: true,
  clear_metadata: true,
} as const satisfies Record<Reducible['type'], true>;

type Databases = Pick<ResolvedView, 'sources'>;

/** Whether `reduce` alone decides what the command makes of the metadata. */
export function isReducible(command: Command): command is Reducible {
  return Object.hasOwn(REDUCIBLE, command.type);
}

/**
 * The metadata after a command; refuses with Hasura's path and code what the metadata alone shows to be wrong. What databases say
 * to it is only asked where a foreign key leads.
 */
export function reduce(metadata: Metadata, command: Reducible, view: Databases | null): Metadata {
  switch (command.type) {
    case 'pg_add_source':
      return addSource(metadata, command.args);
    case 'pg_update_source':
      return updateSource(metadata, command.args);
    case 'pg_drop_source':
      return dropSource(metadata, command.args);
    case 'rename_source':
      return renameSource(metadata, command.args);
    case 'clear_metadata':
      return clearMetadata(metadata);
    case 'pg_track_table':
      return trackTable(metadata, command.args);
    case 'pg_untrack_table':
      return untrackTable(metadata, command.args);
    case 'pg_set_table_customization':
      return customizeTable(metadata, command.args);
    case 'pg_set_table_is_enum':
      return setTableIsEnum(metadata, command.args);
    case 'pg_set_apollo_federation_config':
      return setFederation(metadata, command.args);
    case 'pg_track_function':
    case 'pg_untrack_function':
    case 'pg_set_function_customization':
    case 'pg_create_function_permission':
    case 'pg_drop_function_permission':
      return reduceFunctions(metadata, command, view);
    case 'pg_track_logical_model':
    case 'pg_untrack_logical_model':
    case 'pg_create_logical_model_select_permission':
    case 'pg_drop_logical_model_select_permission':
    case 'pg_track_native_query':
    case 'pg_untrack_native_query':
      return reduceQueries(metadata, command);
    case 'create_query_collection':
    case 'rename_query_collection':
    case 'drop_query_collection':
    case 'add_query_to_collection':
    case 'drop_query_from_collection':
    case 'add_collection_to_allowlist':
    case 'drop_collection_from_allowlist':
    case 'update_scope_of_collection_in_allowlist':
      return reduceCollections(metadata, command);
    default:
      return reduceInTable(metadata, command, view);
  }
}

type OfFunction = Extract<Reducible, { readonly args: FunctionPlace }>;

function reduceFunctions(metadata: Metadata, command: OfFunction, view: Databases | null): Metadata {
  switch (command.type) {
    case 'pg_track_function':
      return trackFunction(metadata, command.args);
    case 'pg_untrack_function':
      return untrackFunction(metadata, command.args);
    case 'pg_set_function_customization':
      return customizeFunction(metadata, command.args);
    case 'pg_create_function_permission':
      return createFunctionPermission(metadata, command.args, view);
    case 'pg_drop_function_permission':
      return dropFunctionPermission(metadata, command.args);
    default:
      return unreachable(command);
  }
}

type InTable = Exclude<
  Exclude<Reducible, OfFunction | QueryCommand | CollectionCommand>,
  {
    readonly type:
      | `${string}source`
      | 'clear_metadata'
      | `pg_${string}track_table`
      | 'pg_track_table'
      | 'pg_set_table_customization'
      | 'pg_set_table_is_enum'
      | 'pg_set_apollo_federation_config';
  }
>;

function reduceInTable(metadata: Metadata, command: InTable, view: Databases | null): Metadata {
  switch (command.type) {
    case 'pg_create_object_relationship':
    case 'pg_create_array_relationship':
      return createLocalRelationship(metadata, command);
    case 'pg_drop_relationship':
      return dropRelationship(metadata, command.args);
    case 'pg_rename_relationship':
      return renameRelationship(metadata, command.args, followIn(metadata, view));
    case 'pg_set_relationship_comment':
      return commentRelationship(metadata, command.args);
    case 'pg_create_remote_relationship':
      return createRemoteRelationship(metadata, command.args);
    case 'pg_update_remote_relationship':
      return updateRemoteRelationship(metadata, command.args);
    case 'pg_delete_remote_relationship':
      return deleteRemoteRelationship(metadata, command.args);
    case 'pg_add_computed_field':
      return addComputedField(metadata, command.args);
    case 'pg_drop_computed_field':
      return dropComputedField(metadata, command.args);
    case 'pg_create_select_permission':
      return createSelectPermission(metadata, command.args);
    case 'pg_drop_select_permission':
      return dropSelectPermission(metadata, command.args);
    case 'pg_set_permission_comment':
      return commentPermission(metadata, command.args);
    case 'create_rest_endpoint':
      return createEndpoint(metadata, command.args);
    case 'drop_rest_endpoint':
      return dropEndpoint(metadata, command.args);
    case 'add_inherited_role':
      return addInheritedRole(metadata, command.args);
    case 'drop_inherited_role':
      return dropInheritedRole(metadata, command.args);
    case 'set_graphql_schema_introspection_options':
      return disableIntrospection(metadata, command.args);
    case 'set_api_limits':
      return setApiLimits(metadata, command.args);
    case 'remove_api_limits':
      return removeApiLimits(metadata);
    default:
      return unreachable(command);
  }
}
