import type { Metadata } from '../metadata/model.ts';
import type { ArgsOf, Command, CommandOf, CommandType } from './command.ts';
import { removeApiLimits, setApiLimits } from './reduce/api-limits.ts';
import { addComputedField, dropComputedField } from './reduce/computed-fields.ts';
import { type Databases, followIn } from './reduce/follow.ts';
import {
  createFunctionPermission,
  customizeFunction,
  dropFunctionPermission,
  trackFunction,
  untrackFunction,
} from './reduce/functions.ts';
import {
  createModelPermission,
  dropModelPermission,
  trackModel,
  trackQuery,
  untrackModel,
  untrackQuery,
} from './reduce/native-queries.ts';
import { commentPermission, createSelectPermission, dropSelectPermission } from './reduce/permissions.ts';
import {
  addQuery,
  allowCollection,
  changeScope,
  createCollection,
  disallowCollection,
  dropCollection,
  dropQuery,
  renameCollection,
} from './reduce/query-collections.ts';
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

type Reducer<K extends CommandType> = (metadata: Metadata, args: ArgsOf<K>, databases: Databases) => Metadata;

/** How each command changes the metadata. Commands that are missing need the catalog, the store, or other commands. */
const REDUCERS = {
  pg_add_source: addSource,
  pg_update_source: updateSource,
  pg_drop_source: dropSource,
  rename_source: renameSource,
  pg_track_table: trackTable,
  pg_untrack_table: untrackTable,
  pg_set_table_customization: customizeTable,
  pg_set_table_is_enum: setTableIsEnum,
  pg_set_apollo_federation_config: setFederation,
  pg_track_function: trackFunction,
  pg_untrack_function: untrackFunction,
  pg_set_function_customization: customizeFunction,
  pg_create_function_permission: createFunctionPermission,
  pg_drop_function_permission: dropFunctionPermission,
  pg_track_logical_model: trackModel,
  pg_untrack_logical_model: untrackModel,
  pg_create_logical_model_select_permission: createModelPermission,
  pg_drop_logical_model_select_permission: dropModelPermission,
  pg_track_native_query: trackQuery,
  pg_untrack_native_query: untrackQuery,
  pg_create_object_relationship: (metadata, args) =>
    createLocalRelationship(metadata, args, 'object_relationships'),
  pg_create_array_relationship: (metadata, args) =>
    createLocalRelationship(metadata, args, 'array_relationships'),
  pg_drop_relationship: dropRelationship,
  pg_rename_relationship: (metadata, args, databases) =>
    renameRelationship(metadata, args, followIn(metadata, databases)),
  pg_set_relationship_comment: commentRelationship,
  pg_create_remote_relationship: createRemoteRelationship,
  pg_update_remote_relationship: updateRemoteRelationship,
  pg_delete_remote_relationship: deleteRemoteRelationship,
  pg_add_computed_field: addComputedField,
  pg_drop_computed_field: dropComputedField,
  pg_create_select_permission: createSelectPermission,
  pg_drop_select_permission: dropSelectPermission,
  pg_set_permission_comment: commentPermission,
  add_inherited_role: addInheritedRole,
  drop_inherited_role: dropInheritedRole,
  create_query_collection: createCollection,
  rename_query_collection: renameCollection,
  drop_query_collection: dropCollection,
  add_query_to_collection: addQuery,
  drop_query_from_collection: dropQuery,
  add_collection_to_allowlist: allowCollection,
  drop_collection_from_allowlist: disallowCollection,
  update_scope_of_collection_in_allowlist: changeScope,
  create_rest_endpoint: createEndpoint,
  drop_rest_endpoint: dropEndpoint,
  set_graphql_schema_introspection_options: disableIntrospection,
  set_api_limits: setApiLimits,
  remove_api_limits: removeApiLimits,
  clear_metadata: clearMetadata,
} satisfies { readonly [K in CommandType]?: Reducer<K> };

type ReducibleType = keyof typeof REDUCERS;

/** A command whose outcome follows from the metadata and its arguments alone. */
export type Reducible = CommandOf<ReducibleType>;

/** Whether `reduce` alone decides what the command makes of the metadata. */
export function isReducible(command: Command): command is Reducible {
  return Object.hasOwn(REDUCERS, command.type);
}

/**
 * The metadata after a command; refuses with Hasura's path and code what the metadata alone shows to be wrong. The databases
 * only say where a foreign key or a function leads.
 */
export function reduce<K extends ReducibleType>(
  metadata: Metadata,
  command: CommandOf<K>,
  databases: Databases,
): Metadata {
  const reducers: { readonly [P in ReducibleType]: Reducer<P> } = REDUCERS;
  return reducers[command.type](metadata, command.args, databases);
}
