import { z } from 'zod';
import { isRecord } from '../core/json/is-record.ts';
import { jsonKind } from '../core/json/json-kind.ts';
import { MetadataError } from '../metadata/metadata-error.ts';
import { apiLimits } from '../metadata/model/api-limits.ts';
import { logicalModel, nativeQuery } from '../metadata/model/native-queries.ts';
import { selectPermission } from '../metadata/model/permissions.ts';
import {
  allowlistEntry,
  allowlistScope,
  queryCollection,
  queryText,
} from '../metadata/model/query-collections.ts';
import {
  localRelationship,
  qualifiedTable,
  relationshipUsing,
  remoteRelationship,
} from '../metadata/model/relationships.ts';
import { restEndpoint } from '../metadata/model/rest-endpoints.ts';
import { inheritedRole } from '../metadata/model/roles.ts';
import {
  computedField,
  customization,
  federationConfig,
  functionConfiguration,
  sourceConfiguration,
  tableConfiguration,
} from '../metadata/model.ts';
import { parseWith } from '../metadata/parse-with.ts';
import { refuseUnknown } from './unknown-command.ts';

const sourceName = orElse(z.string().min(1), 'default');
const place = { source: sourceName, table: qualifiedTable };
const cascade = orElse(z.boolean(), false);
const nothing = z.unknown();
const commands = z.array(z.unknown());
const name = z.string().min(1);

const trackTable = z.looseObject({
  ...place,
  is_enum: z.boolean().optional(),
  configuration: tableConfiguration.nullish(),
  apollo_federation_config: federationConfig.nullish(),
});
const untrackTable = z.object({ ...place, cascade });
const functionPlace = { source: sourceName, function: qualifiedTable };
/** Hasura names the function also by the arguments themselves, if they name no source. */
const untrackFunction = z.preprocess(
  (args) =>
    isRecord(args) && args['function'] === undefined && args['source'] === undefined
      ? { function: args }
      : args,
  z.object(functionPlace),
);
const functionPermission = z.object({ ...functionPlace, role: name });
const modelPlace = { source: sourceName, name };
/** What has the permission: a logical model, or a native query that brings its own. */
const modelPermission = {
  ...modelPlace,
  type: orElse(z.enum(['logical_model', 'native_query']), 'logical_model'),
  role: name,
};
const remoteArgs = z.object({ ...place, name, definition: remoteRelationship.shape.definition });
const listed = { collection_name: name, query_name: name };
const newSource = { name, kind: z.string().optional(), health_check: z.unknown().optional() };

/** The arguments of every command the metadata API knows, by its type. */
const commandArgs = {
  pg_add_source: z.looseObject({
    ...newSource,
    configuration: sourceConfiguration,
    customization: customization.nullish(),
    replace_configuration: orElse(z.boolean(), false),
  }),
  pg_update_source: z.looseObject({
    ...newSource,
    configuration: sourceConfiguration.optional(),
    customization: customization.nullish(),
  }),
  pg_drop_source: z.object({ name, cascade }),
  rename_source: z.object({ name, new_name: name }),
  pg_get_source_tables: z.object({ source: sourceName }),
  pg_get_table_info: z.object(place),
  list_source_kinds: nothing,
  pg_suggest_relationships: z.object({
    source: sourceName,
    tables: z.array(qualifiedTable).nullish(),
    omit_tracked: orElse(z.boolean(), false),
  }),
  pg_track_table: trackTable,
  pg_track_tables: z.object({ tables: z.array(trackTable), allow_warnings: orElse(z.boolean(), true) }),
  pg_untrack_table: untrackTable,
  pg_untrack_tables: z.object({ tables: z.array(untrackTable), allow_warnings: orElse(z.boolean(), true) }),
  pg_set_table_customization: z.object({ ...place, configuration: tableConfiguration.default({}) }),
  pg_set_table_is_enum: z.object({ ...place, is_enum: z.boolean() }),
  pg_set_apollo_federation_config: z.object({
    ...place,
    apollo_federation_config: federationConfig.nullish(),
  }),
  pg_track_function: z.looseObject({
    ...functionPlace,
    configuration: functionConfiguration.nullish(),
    comment: z.string().nullish(),
  }),
  pg_untrack_function: untrackFunction,
  pg_set_function_customization: z.object({ ...functionPlace, configuration: functionConfiguration }),
  pg_create_function_permission: functionPermission,
  pg_drop_function_permission: functionPermission,
  pg_get_logical_model: z.object({ source: sourceName }),
  pg_track_logical_model: logicalModel.extend({ source: sourceName }),
  pg_untrack_logical_model: z.object(modelPlace),
  pg_create_logical_model_select_permission: z.object({
    ...modelPermission,
    permission: selectPermission,
    comment: z.string().nullish(),
  }),
  pg_drop_logical_model_select_permission: z.object(modelPermission),
  pg_get_native_query: z.object({ source: sourceName }),
  pg_track_native_query: nativeQuery.extend({ source: sourceName, type: z.literal('query').optional() }),
  pg_untrack_native_query: z.object({ source: sourceName, root_field_name: name }),
  pg_create_object_relationship: localRelationship.extend({ ...place, using: relationshipUsing }),
  pg_create_array_relationship: localRelationship.extend({ ...place, using: relationshipUsing }),
  pg_drop_relationship: z.object({ ...place, relationship: name, cascade }),
  pg_rename_relationship: z.object({ ...place, name, new_name: name }),
  pg_set_relationship_comment: z.object({ ...place, name, comment: z.string().nullish() }),
  pg_create_remote_relationship: remoteArgs,
  pg_update_remote_relationship: remoteArgs,
  pg_delete_remote_relationship: z.object({ ...place, name }),
  pg_add_computed_field: computedField.extend(place),
  pg_drop_computed_field: z.object({ ...place, name, cascade }),
  pg_create_select_permission: z.object({
    ...place,
    role: name,
    permission: selectPermission,
    comment: z.string().nullish(),
  }),
  pg_drop_select_permission: z.object({ ...place, role: name }),
  pg_set_permission_comment: z.object({
    ...place,
    role: name,
    type: z.literal('select', 'expected "select": this server answers queries only'),
    comment: z.string().nullish(),
  }),
  add_inherited_role: inheritedRole,
  drop_inherited_role: z.object({ role_name: name }),
  create_query_collection: queryCollection,
  rename_query_collection: z.object({ name, new_name: name }),
  drop_query_collection: z.object({ collection: name, cascade }),
  add_query_to_collection: z.object({ ...listed, query: queryText }),
  drop_query_from_collection: z.object(listed),
  add_collection_to_allowlist: allowlistEntry,
  drop_collection_from_allowlist: z.object({ collection: name }),
  update_scope_of_collection_in_allowlist: z.object({ collection: name, scope: allowlistScope }),
  create_rest_endpoint: restEndpoint,
  drop_rest_endpoint: z.object({ name }),
  set_graphql_schema_introspection_options: z.object({ disabled_for_roles: z.array(z.string()) }),
  set_api_limits: apiLimits,
  remove_api_limits: nothing,
  export_metadata: nothing,
  replace_metadata: nothing,
  reload_metadata: z.object({ reload_sources: z.union([z.boolean(), z.array(name)]).nullish() }),
  clear_metadata: nothing,
  get_inconsistent_metadata: nothing,
  drop_inconsistent_metadata: nothing,
  get_catalog_state: nothing,
  set_catalog_state: z.object({ type: z.enum(['cli', 'console']), state: z.unknown() }),
  bulk: commands,
  bulk_keep_going: commands,
  bulk_atomic: commands,
  concurrent_bulk: commands,
} as const;

/** The arguments of `replace_metadata` in version 2. */
export const replaceArgs = z.object({
  metadata: z.unknown(),
  allow_inconsistent_metadata: orElse(z.boolean(), false),
});

type CommandArgs = typeof commandArgs;

/** The name of a command. */
export type CommandType = keyof CommandArgs;

/** The arguments of the command of one type. */
export type ArgsOf<K extends CommandType> = z.infer<CommandArgs[K]>;

/** The command of one type, its arguments checked for form only; what they mean is for `reduce` and the catalog. */
export type CommandOf<K extends CommandType> = {
  [P in K]: {
    readonly type: P;
    readonly args: ArgsOf<P>;
    /** Only export and replace have a version 2; null when the caller named none. */
    readonly version: number | null;
    /** The version of the metadata the caller believes to change; null when it does not care. */
    readonly resourceVersion: number | null;
  };
}[K];

/** One metadata API call. */
export type Command = CommandOf<CommandType>;

const envelope = z.looseObject({
  type: z.string(),
  args: z.unknown(),
  version: z
    .literal([1, 2], {
      error: ({ input }) =>
        `expected 1 or 2, encountered ${typeof input === 'number' ? input : jsonKind(input)}`,
    })
    .nullish(),
  resource_version: z.int().nullish(),
});

/** Reads the body of a metadata request; refuses what Hasura would refuse, in its words. */
export function parseCommand(body: unknown): Command {
  const { type, args, version, resource_version } = parseWith(envelope, body, '$');
  const known = canonicalType(type);
  if (!isKnown(known)) return refuseUnknown(type);
  if (known === 'pg_create_remote_relationship') refuseLegacyRemote(args);
  const given = args === undefined && commandArgs[known] !== nothing ? {} : args;
  return {
    type: known,
    args: parseWith<unknown>(commandArgs[known], given, '$.args'),
    version: version ?? null,
    resourceVersion: resource_version ?? null,
  } as Command;
}

/** A member that may be left out. As in Hasura, null is as good as nothing. */
function orElse<Given>(given: z.ZodType<Given>, otherwise: Given) {
  return given.nullish().transform((value): Given => value ?? otherwise);
}

/** Names the console and the stock command line use for the same commands. */
function canonicalType(type: string): string {
  if (type === 'get_source_tables' || type === 'get_table_info') return `pg_${type}`;
  return type.startsWith('postgres_') ? `pg_${type.slice('postgres_'.length)}` : type;
}

function isKnown(type: string): type is CommandType {
  return Object.hasOwn(commandArgs, type);
}

/** Hasura's older form, `remote_schema` beside the name, is a relationship to a remote schema. */
function refuseLegacyRemote(args: unknown): void {
  const given = isRecord(args) ? args : {};
  if ('definition' in given !== 'remote_schema' in given) {
    if ('definition' in given) return;
    throw new MetadataError('not-supported', 'relationships to remote schemas are not supported');
  }
  const message = 'create_remote_relationship expects exactly one of: remote_schema, definition';
  throw new MetadataError('parse-failed', message);
}
