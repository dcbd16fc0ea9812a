import type { LevelWithSilent } from 'pino';
import type { z } from 'zod';
import { FALLBACKS, type Fallback } from '../core/fallback.ts';
import { type JwtConfig, jwtSecret, jwtSecrets } from '../http/auth/jwt-config.ts';
import {
  type ApiPart,
  bool,
  type CorsPolicy,
  choice,
  corsDomains,
  hostAndPort,
  hostName,
  httpUrl,
  list,
  postgresUrl,
  secretList,
  text,
  whole,
} from './values.ts';

/** What one process may do. */
export type ProcessRole = 'api' | 'replicator';

/** One variable: its name after `NEARJOIN_`, the name after `HASURA_GRAPHQL_` where Hasura has the same, and its reader. */
export interface Setting<T> {
  readonly name: string;
  readonly hasura: string | null;
  readonly schema: z.ZodType<T, string>;
  /** Value when neither name is set. */
  readonly initial: T;
}

function setting<T>(
  name: string,
  schema: z.ZodType<T, string>,
  initial: T,
  hasura: string | null = null,
): Setting<T> {
  return { name, schema, initial, hasura };
}

const seconds = 1000;
const noJwt: readonly JwtConfig[] = [];
const noNames: readonly string[] = [];
const bothRoles: readonly ProcessRole[] = ['api', 'replicator'];
const apiParts: readonly ApiPart[] = ['graphql', 'metadata', 'config', 'pgdump', 'developer', 'metrics'];
const anyOrigin: CorsPolicy = { kind: 'any' };

/** Every variable that is read, by the member of `Config` it fills. */
export const SETTINGS = {
  metadataDatabaseUrl: setting<string | null>(
    'METADATA_DATABASE_URL',
    postgresUrl,
    null,
    'METADATA_DATABASE_URL',
  ),
  host: setting<string>('HOST', hostName, '127.0.0.1', 'SERVER_HOST'),
  port: setting<number>('PORT', whole(0, 65_535), 8080, 'SERVER_PORT'),
  adminSecret: setting<string | null>('ADMIN_SECRET', text, null, 'ADMIN_SECRET'),
  adminSecrets: setting<readonly string[]>('ADMIN_SECRETS', secretList, noNames, 'ADMIN_SECRETS'),
  jwtSecret: setting<JwtConfig | null>('JWT_SECRET', jwtSecret, null, 'JWT_SECRET'),
  jwtSecrets: setting<readonly JwtConfig[]>('JWT_SECRETS', jwtSecrets, noJwt, 'JWT_SECRETS'),
  authHook: setting<string | null>('AUTH_HOOK', httpUrl, null, 'AUTH_HOOK'),
  authHookMode: setting<'GET' | 'POST'>(
    'AUTH_HOOK_MODE',
    choice(['GET', 'POST'] as const),
    'GET',
    'AUTH_HOOK_MODE',
  ),
  authHookSendRequestBody: setting<boolean>(
    'AUTH_HOOK_SEND_REQUEST_BODY',
    bool,
    true,
    'AUTH_HOOK_SEND_REQUEST_BODY',
  ),
  authHookTimeoutMs: setting<number>('AUTH_HOOK_TIMEOUT_MS', whole(1, 600_000), 10 * seconds),
  unauthorizedRole: setting<string | null>('UNAUTHORIZED_ROLE', text, null, 'UNAUTHORIZED_ROLE'),
  metadataDir: setting<string | null>('METADATA_DIR', text, null),
  roles: setting<readonly ProcessRole[]>('ROLES', list(choice(bothRoles)), bothRoles),
  enabledApis: setting<readonly ApiPart[]>('ENABLED_APIS', list(choice(apiParts)), apiParts, 'ENABLED_APIS'),
  maxStalenessMs: setting<number>('MAX_STALENESS_MS', whole(0, 2_147_483_647), 1000),
  fallback: setting<Fallback>('FALLBACK', choice(FALLBACKS), 'live'),
  waitTimeoutMs: setting<number>('WAIT_TIMEOUT_MS', whole(1, 600_000), 5 * seconds),
  maxRetainedWalMb: setting<number>('MAX_RETAINED_WAL_MB', whole(1, 1_000_000_000), 4096),
  removalDelayMs: setting<number>('REMOVAL_DELAY_MS', whole(0, 2_147_483_647), 10 * seconds),
  verifyIntervalMs: setting<number>('VERIFY_INTERVAL_MS', whole(0, 2_147_483_647), 0),
  verifyRowsPerSecond: setting<number>('VERIFY_ROWS_PER_SECOND', whole(1, 10_000_000), 5000),
  verifyRepair: setting<boolean>('VERIFY_REPAIR', bool, false),
  copyMaxMbPerS: setting<number | null>('COPY_MAX_MB_PER_S', whole(1, 1_000_000), null),
  kafkaBrokers: setting<readonly string[]>('KAFKA_BROKERS', list(hostAndPort), noNames),
  kafkaTls: setting<boolean>('KAFKA_TLS', bool, false),
  kafkaCaFile: setting<string | null>('KAFKA_CA_FILE', text, null),
  kafkaCertFile: setting<string | null>('KAFKA_CERT_FILE', text, null),
  kafkaKeyFile: setting<string | null>('KAFKA_KEY_FILE', text, null),
  kafkaSaslMechanism: setting<'plain' | 'scram-sha-256' | 'scram-sha-512' | null>(
    'KAFKA_SASL_MECHANISM',
    choice(['plain', 'scram-sha-256', 'scram-sha-512'] as const),
    null,
  ),
  kafkaSaslUsername: setting<string | null>('KAFKA_SASL_USERNAME', text, null),
  kafkaSaslPassword: setting<string | null>('KAFKA_SASL_PASSWORD', text, null),
  cors: setting<CorsPolicy>('CORS_DOMAIN', corsDomains, anyOrigin, 'CORS_DOMAIN'),
  disableCors: setting<boolean>('DISABLE_CORS', bool, false, 'DISABLE_CORS'),
  devMode: setting<boolean>('DEV_MODE', bool, false, 'DEV_MODE'),
  adminInternalErrors: setting<boolean>('ADMIN_INTERNAL_ERRORS', bool, true, 'ADMIN_INTERNAL_ERRORS'),
  enableConsole: setting<boolean>('ENABLE_CONSOLE', bool, false, 'ENABLE_CONSOLE'),
  enableAllowlist: setting<boolean>('ENABLE_ALLOWLIST', bool, false, 'ENABLE_ALLOWLIST'),
  logLevel: setting<LevelWithSilent>(
    'LOG_LEVEL',
    choice(['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const),
    'info',
    'LOG_LEVEL',
  ),
  defaultNamingConvention: setting<'hasura-default' | 'graphql-default'>(
    'DEFAULT_NAMING_CONVENTION',
    choice(['hasura-default', 'graphql-default'] as const),
    'hasura-default',
    'DEFAULT_NAMING_CONVENTION',
  ),
  enableApolloFederation: setting<boolean>(
    'ENABLE_APOLLO_FEDERATION',
    bool,
    false,
    'ENABLE_APOLLO_FEDERATION',
  ),
  inferFunctionPermissions: setting<boolean>(
    'INFER_FUNCTION_PERMISSIONS',
    bool,
    true,
    'INFER_FUNCTION_PERMISSIONS',
  ),
  stringifyNumericTypes: setting<boolean>('STRINGIFY_NUMERIC_TYPES', bool, false, 'STRINGIFY_NUMERIC_TYPES'),
  metricsSecret: setting<string | null>('METRICS_SECRET', text, null, 'METRICS_SECRET'),
  poolSize: setting<number>('POOL_SIZE', whole(1, 1000), 4),
  targetPoolSize: setting<number>('TARGET_POOL_SIZE', whole(1, 1000), 4),
  probeIntervalMs: setting<number>('PROBE_INTERVAL_MS', whole(10, 600_000), 200),
  liveKeyLimit: setting<number>('LIVE_KEY_LIMIT', whole(1, 100_000_000), 10_000),
  liveRowLimit: setting<number>('LIVE_ROW_LIMIT', whole(1, 100_000_000), 100_000),
  liveQueriesRefetchMs: setting<number>(
    'LIVE_QUERIES_MULTIPLEXED_REFETCH_INTERVAL',
    whole(10, 86_400_000),
    1000,
    'LIVE_QUERIES_MULTIPLEXED_REFETCH_INTERVAL',
  ),
  closeWebsocketsOnMetadataChange: setting<boolean>(
    'CLOSE_WEBSOCKETS_ON_METADATA_CHANGE',
    bool,
    true,
    'CLOSE_WEBSOCKETS_ON_METADATA_CHANGE',
  ),
  websocketKeepaliveS: setting<number>('WEBSOCKET_KEEPALIVE', whole(1, 3600), 5, 'WEBSOCKET_KEEPALIVE'),
  websocketInitTimeoutS: setting<number>(
    'WEBSOCKET_CONNECTION_INIT_TIMEOUT',
    whole(1, 3600),
    3,
    'WEBSOCKET_CONNECTION_INIT_TIMEOUT',
  ),
  websocketOperationLimit: setting<number>('WEBSOCKET_OPERATION_LIMIT', whole(1, 1_000_000), 500),
  subscriptionPoolSize: setting<number>('SUBSCRIPTION_POOL_SIZE', whole(1, 1000), 2),
  statementTimeoutMs: setting<number>('STATEMENT_TIMEOUT_MS', whole(1, 86_400_000), 60 * seconds),
  requestTimeoutMs: setting<number>('REQUEST_TIMEOUT_MS', whole(1, 86_400_000), 60 * seconds),
  shutdownDelayMs: setting<number>('SHUTDOWN_DELAY_MS', whole(0, 600_000), 0),
  shutdownTimeoutMs: setting<number>('SHUTDOWN_TIMEOUT_MS', whole(0, 600_000), 10 * seconds),
  bodyLimitBytes: setting<number>('BODY_LIMIT_BYTES', whole(1024, 1_073_741_824), 10 * 1024 * 1024),
  arrivingLimitBytes: setting<number>(
    'ARRIVING_LIMIT_BYTES',
    whole(1024, 1_099_511_627_776),
    256 * 1024 * 1024,
  ),
  resultLimitBytes: setting<number>('RESULT_LIMIT_BYTES', whole(1024, 1_073_741_824), 64 * 1024 * 1024),
  batchLimit: setting<number>('BATCH_LIMIT', whole(1, 100_000), 100),
  depthLimit: setting<number>('DEPTH_LIMIT', whole(1, 1000), 50),
  complexityLimit: setting<number>('COMPLEXITY_LIMIT', whole(1, 10_000_000), 10_000),
} satisfies Record<string, Setting<never> | Setting<unknown>>;

/** Names that only the command line's clients read; `serve` lets them stand. */
export const CLIENT_VARIABLES: readonly string[] = ['ENDPOINT'];

type ValueOf<S> = S extends Setting<infer T> ? T : never;

/** The process' configuration, checked: past this point nobody reads the environment (but for `from_env`). */
export type Config = { readonly [Name in keyof typeof SETTINGS]: ValueOf<(typeof SETTINGS)[Name]> };
