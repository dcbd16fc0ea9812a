import { z } from 'zod';
import { apiLimits } from './model/api-limits.ts';
import { logicalModel, nativeQuery } from './model/native-queries.ts';
import { selectPermissionEntry } from './model/permissions.ts';
import { allowlistEntry, queryCollection } from './model/query-collections.ts';
import { localRelationship, qualifiedTable, remoteRelationship } from './model/relationships.ts';
import { restEndpoint } from './model/rest-endpoints.ts';
import { inheritedRole } from './model/roles.ts';

/** A field of a table that a function computes from its rows; functions are named as tables are. */
export const computedField = z.looseObject({
  name: z.string().min(1),
  definition: z.looseObject({
    function: qualifiedTable,
    table_argument: z.string().nullish(),
    session_argument: z.string().nullish(),
  }),
  comment: z.string().nullish(),
});
export type ComputedFieldMetadata = z.infer<typeof computedField>;

const rootField = z.union([
  z.string(),
  z.object({ name: z.string().nullish(), comment: z.string().nullish() }),
  z.null(),
]);

/** Names and comments that replace a table's own in GraphQL. */
export const tableConfiguration = z.looseObject({
  custom_name: z.string().nullish(),
  custom_root_fields: z
    .looseObject({
      select: rootField.optional(),
      select_by_pk: rootField.optional(),
      select_aggregate: rootField.optional(),
      select_stream: rootField.optional(),
    })
    .optional(),
  custom_column_names: z.record(z.string(), z.string()).optional(),
  column_config: z
    .record(z.string(), z.looseObject({ custom_name: z.string().nullish(), comment: z.string().nullish() }))
    .optional(),
  comment: z.string().nullish(),
});
export type TableConfiguration = z.infer<typeof tableConfiguration>;

/** Whether other services of an Apollo federation may ask for a table's rows. */
export const federationConfig = z.looseObject({ enable: z.literal('v1') });

/** A tracked table and everything said about it. */
export const tableMetadata = z.looseObject({
  table: qualifiedTable,
  is_enum: z.boolean().optional(),
  configuration: tableConfiguration.optional(),
  apollo_federation_config: federationConfig.nullish(),
  object_relationships: z.array(localRelationship).optional(),
  array_relationships: z.array(localRelationship).optional(),
  remote_relationships: z.array(remoteRelationship).optional(),
  computed_fields: z.array(computedField).optional(),
  select_permissions: z.array(selectPermissionEntry).optional(),
});
export type TableMetadata = z.infer<typeof tableMetadata>;

const functionRoots = z
  .looseObject({ function: z.string().nullish(), function_aggregate: z.string().nullish() })
  .refine(
    ({ function: rows, function_aggregate: aggregate }) => typeof rows !== 'string' || rows !== aggregate,
    {
      error: ({ input }) => duplicateRoots(input),
    },
  );

function duplicateRoots(input: unknown): string {
  const name = JSON.stringify((input as { readonly function?: unknown }).function);
  return `the following custom root field names are duplicated: ${name} and ${name}`;
}

/** How a function is offered: its names, and which argument takes the session variables. */
export const functionConfiguration = z.looseObject({
  custom_name: z.string().nullish(),
  custom_root_fields: functionRoots.nullish(),
  session_argument: z.string().nullish(),
  /** Left out, the function's volatility decides. */
  exposed_as: z.enum(['query', 'mutation']).nullish(),
});

/** A tracked function; `permissions` count where they are not inferred from its table's. */
const functionMetadata = z.looseObject({
  function: qualifiedTable,
  configuration: functionConfiguration.nullish(),
  permissions: z.array(z.looseObject({ role: z.string().min(1) })).optional(),
  comment: z.string().nullish(),
});
export type FunctionMetadata = z.infer<typeof functionMetadata>;

/** Where a database is; secrets stay in here and are never printed. */
const databaseUrl = z.union([
  z.string().min(1),
  z.strictObject({ from_env: z.string().min(1) }),
  z.strictObject({
    connection_parameters: z.object({
      host: z.string(),
      port: z.int(),
      database: z.string(),
      username: z.string(),
      password: z.string().optional(),
    }),
  }),
]);
export type DatabaseUrl = z.infer<typeof databaseUrl>;

/** How nearjoin follows a database's changes: through a slot of its own, or through topics that Debezium writes. */
const feedOptions = z.discriminatedUnion('connector', [
  z.strictObject({ connector: z.literal('postgres') }),
  z.strictObject({
    connector: z.literal('kafka'),
    kafka: z.strictObject({
      topic_prefix: z.string().min(1),
      slot: z.string().min(1).optional(),
      publication: z.string().min(1).optional(),
      unavailable_value: z.string().min(1).optional(),
    }),
  }),
]);

const variable = z.looseObject({ from_env: z.string().min(1) }).nullish();

/** How a source is reached by TLS; the variables hold certificates and keys themselves, in PEM. */
const sslConfiguration = z.looseObject({
  sslmode: z.string().nullish(),
  sslrootcert: variable,
  sslcert: variable,
  sslkey: variable,
  sslpassword: variable,
});
export type SslConfiguration = z.infer<typeof sslConfiguration>;

const connectionInfo = z.looseObject({
  database_url: databaseUrl,
  pool_settings: z
    .looseObject({ max_connections: z.int().positive().nullish(), pool_timeout: z.number().nullish() })
    .optional(),
  ssl_configuration: sslConfiguration.nullish(),
});
export type ConnectionInfo = z.infer<typeof connectionInfo>;

/** How to reach a database. */
export const sourceConfiguration = z.looseObject({
  nearjoin: feedOptions.optional(),
  connection_info: connectionInfo,
});

/** How a source's names appear in GraphQL. */
export const customization = z.looseObject({
  root_fields: z
    .looseObject({
      namespace: z.string().nullish(),
      prefix: z.string().nullish(),
      suffix: z.string().nullish(),
    })
    .nullish(),
  type_names: z.looseObject({ prefix: z.string().nullish(), suffix: z.string().nullish() }).nullish(),
  naming_convention: z.enum(['hasura-default', 'graphql-default']).nullish(),
});

const KINDS: ReadonlySet<string> = new Set(['postgres', 'pg', 'citus', 'cockroach', 'alloy']);

/** A database with its tracked tables and functions, and the queries that metadata brings along. */
const sourceMetadata = z.looseObject({
  name: z.string().min(1),
  kind: z
    .string()
    .refine((kind) => KINDS.has(kind), { abort: true })
    .default('postgres'),
  tables: z.array(tableMetadata).default([]),
  functions: z.array(functionMetadata).optional(),
  logical_models: z.array(logicalModel).optional(),
  native_queries: z.array(nativeQuery).optional(),
  configuration: sourceConfiguration,
  customization: customization.optional(),
});
export type SourceMetadata = z.infer<typeof sourceMetadata>;

/** A database that Hasura reads and we do not, such as one of BigQuery: it is kept as it came. */
const otherSource = z.looseObject({
  name: z.string().min(1),
  kind: z.string().refine((kind) => !KINDS.has(kind), { abort: true }),
});

const sections = {
  version: z.literal(3),
  other_sources: z.array(otherSource).optional(),
  inherited_roles: z.array(inheritedRole).optional(),
  query_collections: z.array(queryCollection).optional(),
  allowlist: z.array(allowlistEntry).optional(),
  rest_endpoints: z.array(restEndpoint).optional(),
  api_limits: apiLimits.optional(),
  graphql_schema_introspection: z.looseObject({ disabled_for_roles: z.array(z.string()) }).optional(),
};

const metadata = z.looseObject({ ...sections, sources: z.array(sourceMetadata) });
/** Hasura's document, in which the databases that we do not read stand apart. */
export type Metadata = z.infer<typeof metadata>;

/** Hasura's metadata, version 3: what we use is typed, everything else is kept as it came. */
export const metadataSchema = z
  .looseObject({ ...sections, sources: z.array(z.union([sourceMetadata, otherSource])) })
  .transform(({ sources: all, other_sources: apart = [], ...rest }): Metadata => {
    const sources = all.filter((source): source is SourceMetadata => KINDS.has(source.kind));
    const others = [...all.filter((source) => !KINDS.has(source.kind)), ...apart];
    return { ...rest, sources, ...(others.length === 0 ? {} : { other_sources: others }) };
  });

/** The names of all sources, also of those that are not read. */
export function namesOfSources({ sources, other_sources: others = [] }: Metadata): readonly string[] {
  return [...sources, ...others].map(({ name }) => name);
}

/** The document as Hasura writes it: all sources in one list. */
export function documentOf({
  other_sources: others = [],
  ...rest
}: Metadata): Readonly<Record<string, unknown>> {
  return { ...rest, sources: [...rest.sources, ...others] };
}

/** Nothing registered yet. */
export const EMPTY_METADATA: Metadata = { version: 3, sources: [] };
