import type { z } from 'zod';
import { FALLBACKS } from '../core/fallback.ts';
import type { ApiPart } from '../http/api.ts';
import { httpUrl } from '../http/auth/http-url.ts';
import { jwtSecret, jwtSecrets } from '../http/auth/jwt-config.ts';
import type { CorsPolicy } from '../http/server/cors.ts';
import {
  bool,
  choice,
  corsDomains,
  hostAndPort,
  hostName,
  list,
  postgresUrl,
  secret,
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

function setting<T, Initial extends T | null>(
  name: string,
  schema: z.ZodType<T, string>,
  initial: Initial,
  hasura: string | null = null,
): Setting<T | Initial> {
  return { name, schema, initial, hasura };
}

/** A setting that Hasura has too, under the same name. */
function shared<T, Initial extends T | null>(
  name: string,
  schema: z.ZodType<T, string>,
  initial: Initial,
): Setting<T | Initial> {
  return setting(name, schema, initial, name);
}

const seconds = 1000;
const bothRoles: readonly ProcessRole[] = ['api', 'replicator'];
const apiParts: readonly ApiPart[] = ['graphql', 'metadata', 'config', 'pgdump', 'developer', 'metrics'];
const anyOrigin: CorsPolicy = { kind: 'any' };

/** Every variable that is read, by the member of `Config` it fills. */
export const SETTINGS = {
  metadataDatabaseUrl: shared('METADATA_DATABASE_URL', postgresUrl, null),
  host: setting('HOST', hostName, '127.0.0.1', 'SERVER_HOST'),
  port: setting('PORT', whole(0, 65_535), 8080, 'SERVER_PORT'),
  adminSecret: shared('ADMIN_SECRET', secret, null),
  adminSecrets: shared('ADMIN_SECRETS', secretList, []),
  jwtSecret: shared('JWT_SECRET', jwtSecret, null),
  jwtSecrets: shared('JWT_SECRETS', jwtSecrets, []),
  authHook: shared('AUTH_HOOK', httpUrl, null),
  authHookMode: shared('AUTH_HOOK_MODE', choice(['GET', 'POST']), 'GET'),
  authHookSendRequestBody: shared('AUTH_HOOK_SEND_REQUEST_BODY', bool, true),
  authHookTimeoutMs: setting('AUTH_HOOK_TIMEOUT_MS', whole(1, 600_000), 10 * seconds),
  unauthorizedRole: shared('UNAUTHORIZED_ROLE', text, null),
  metadataDir: setting('METADATA_DIR', text, null),
  roles: setting('ROLES', list(choice(bothRoles)), bothRoles),
  enabledApis: shared('ENABLED_APIS', list(choice(apiParts)), apiParts),
  maxStalenessMs: setting('MAX_STALENESS_MS', whole(0, 2_147_483_647), 1000),
  fallback: setting('FALLBACK', choice(FALLBACKS), 'live'),
  waitTimeoutMs: setting('WAIT_TIMEOUT_MS', whole(1, 600_000), 5 * seconds),
  maxRetainedWalMb: setting('MAX_RETAINED_WAL_MB', whole(1, 1_000_000_000), 4096),
  removalDelayMs: setting('REMOVAL_DELAY_MS', whole(0, 2_147_483_647), 10 * seconds),
  verifyIntervalMs: setting('VERIFY_INTERVAL_MS', whole(0, 2_147_483_647), 0),
  verifyRowsPerSecond: setting('VERIFY_ROWS_PER_SECOND', whole(1, 10_000_000), 5000),
  verifyRepair: setting('VERIFY_REPAIR', bool, false),
  copyMaxMbPerS: setting('COPY_MAX_MB_PER_S', whole(1, 1_000_000), null),
  kafkaBrokers: setting('KAFKA_BROKERS', list(hostAndPort), []),
  kafkaTls: setting('KAFKA_TLS', bool, false),
  kafkaCaFile: setting('KAFKA_CA_FILE', text, null),
  kafkaCertFile: setting('KAFKA_CERT_FILE', text, null),
  kafkaKeyFile: setting('KAFKA_KEY_FILE', text, null),
  kafkaSaslMechanism: setting(
    'KAFKA_SASL_MECHANISM',
    choice(['plain', 'scram-sha-256', 'scram-sha-512']),
    null,
  ),
  kafkaSaslUsername: setting('KAFKA_SASL_USERNAME', text, null),
  kafkaSaslPassword: setting('KAFKA_SASL_PASSWORD', text, null),
  cors: shared('CORS_DOMAIN', corsDomains, anyOrigin),
  disableCors: shared('DISABLE_CORS', bool, false),
  devMode: shared('DEV_MODE', bool, false),
  adminInternalErrors: shared('ADMIN_INTERNAL_ERRORS', bool, true),
  enableConsole: shared('ENABLE_CONSOLE', bool, false),
  enableAllowlist: shared('ENABLE_ALLOWLIST', bool, false),
  logLevel: shared(
    'LOG_LEVEL',
    choice(['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace']),
    'info',
  ),
  defaultNamingConvention: shared(
    'DEFAULT_NAMING_CONVENTION',
    choice(['hasura-default', 'graphql-default']),
    'hasura-default',
  ),
  enableApolloFederation: shared('ENABLE_APOLLO_FEDERATION', bool, false),
  inferFunctionPermissions: shared('INFER_FUNCTION_PERMISSIONS', bool, true),
  stringifyNumericTypes: shared('STRINGIFY_NUMERIC_TYPES', bool, false),
  metricsSecret: shared('METRICS_SECRET', secret, null),
  poolSize: setting('POOL_SIZE', whole(1, 1000), 4),
  targetPoolSize: setting('TARGET_POOL_SIZE', whole(1, 1000), 4),
  probeIntervalMs: setting('PROBE_INTERVAL_MS', whole(10, 600_000), 200),
  liveKeyLimit: setting('LIVE_KEY_LIMIT', whole(1, 100_000_000), 10_000),
  liveRowLimit: setting('LIVE_ROW_LIMIT', whole(1, 100_000_000), 100_000),
  liveQueriesRefetchMs: shared('LIVE_QUERIES_MULTIPLEXED_REFETCH_INTERVAL', whole(10, 86_400_000), 1000),
  closeWebsocketsOnMetadataChange: shared('CLOSE_WEBSOCKETS_ON_METADATA_CHANGE', bool, true),
  websocketKeepaliveS: shared('WEBSOCKET_KEEPALIVE', whole(1, 3600), 5),
  websocketInitTimeoutS: shared('WEBSOCKET_CONNECTION_INIT_TIMEOUT', whole(1, 3600), 3),
  websocketOperationLimit: setting('WEBSOCKET_OPERATION_LIMIT', whole(1, 1_000_000), 500),
  subscriptionPoolSize: setting('SUBSCRIPTION_POOL_SIZE', whole(1, 1000), 2),
  statementTimeoutMs: setting('STATEMENT_TIMEOUT_MS', whole(1, 86_400_000), 60 * seconds),
  requestTimeoutMs: setting('REQUEST_TIMEOUT_MS', whole(1, 86_400_000), 60 * seconds),
  shutdownDelayMs: setting('SHUTDOWN_DELAY_MS', whole(0, 600_000), 0),
  shutdownTimeoutMs: setting('SHUTDOWN_TIMEOUT_MS', whole(0, 600_000), 10 * seconds),
  bodyLimitBytes: setting('BODY_LIMIT_BYTES', whole(1024, 1_073_741_824), 10 * 1024 * 1024),
  arrivingLimitBytes: setting('ARRIVING_LIMIT_BYTES', whole(1024, 1_099_511_627_776), 256 * 1024 * 1024),
  resultLimitBytes: setting('RESULT_LIMIT_BYTES', whole(1024, 1_073_741_824), 64 * 1024 * 1024),
  batchLimit: setting('BATCH_LIMIT', whole(1, 100_000), 100),
  depthLimit: setting('DEPTH_LIMIT', whole(1, 1000), 50),
  complexityLimit: setting('COMPLEXITY_LIMIT', whole(1, 10_000_000), 10_000),
} satisfies Record<string, Setting<never> | Setting<unknown>>;

/** Names that only the command line's clients read; `serve` lets them stand. */
export const CLIENT_VARIABLES: readonly string[] = ['ENDPOINT'];

type ValueOf<S> = S extends Setting<infer T> ? T : never;

/** The process' configuration, checked: past this point nobody reads the environment (but for `from_env`). */
export type Config = { readonly [Name in keyof typeof SETTINGS]: ValueOf<(typeof SETTINGS)[Name]> };
