import type { FastifyInstance } from 'fastify';
import { StatusPools } from '../cache/status/status-pools.ts';
import { adminSecretsOf, corsOf } from '../config/rules.ts';
import type { Config } from '../config.ts';
import { systemClock } from '../core/waiting/clock.ts';
import { AllowList } from '../graphql/allow-list.ts';
import { Operations } from '../graphql/operations.ts';
import { SchemaCache } from '../graphql/schema-cache.ts';
import { createApi, createReplicatorApi, type OperatorParts, type ServingParts } from '../http/api.ts';
import { AuthHook } from '../http/auth/auth-hook.ts';
import { Authenticator } from '../http/auth/authenticator.ts';
import { JwtVerifier } from '../http/auth/jwt.ts';
import { type JwtConfig, jwtInfo } from '../http/auth/jwt-config.ts';
import { HeldBytes } from '../http/held-bytes.ts';
import { OperationRunner } from '../http/operation/operation-runner.ts';
import { healthOf } from '../ops/health.ts';
import { Metrics } from '../ops/metrics.ts';
import { DEFAULT_PLAN_LIMITS } from '../plan/budget.ts';
import { ReadLane } from '../read/read-lane.ts';
import { HASURA_VERSION, nearjoinVersion } from '../version.ts';
import type { ApiInput } from './api-input.ts';
import { closeServer } from './close-server.ts';
import { cannotStart } from './errors.ts';
import { readSettings } from './read-settings.ts';
import { socketParts, wallClockMs } from './socket-parts.ts';
import { wantedFeeds } from './wanted-feeds.ts';

const HEALTH_TIMEOUT_MS = 5000;
const DOCUMENTS = { maxDocuments: 5000, maxKeptTokens: 500_000, maxTokens: 100_000 };
/** How many answers of the largest size may be on their way to slow clients at once. */
const LARGEST_UNSENT = 8;
/**
 * Clients may all come at once: those that the kernel has no place for try again after one, two, four seconds and more. It takes no more
 * than its own bound, which is this on Linux.
 */
const BACKLOG = 4096;
const PLANS = { maxPlans: 5000, maxKeptNodes: 500_000 };

/** Builds the routes of the process' roles and listens; the answer is the URL. */
export async function listen(input: ApiInput): Promise<string> {
  const { config, closing } = input;
  const metrics = new Metrics();
  const lane = config.roles.includes('api') ? openLane(input) : null;
  const parts = operatorParts(input, metrics, lane);
  const app =
    lane === null
      ? createReplicatorApi(parts)
      : await createApi({ ...parts, ...servingParts(input, metrics, lane) });
  closing.add('http', () => closeServer(app, config.shutdownTimeoutMs, input.log));
  try {
    await app.listen({ host: config.host, port: config.port, backlog: BACKLOG });
  } catch (error) {
    throw cannotStart(`cannot listen on ${config.host}:${config.port} (NEARJOIN_HOST, NEARJOIN_PORT)`, error);
  }
  return urlOf(app, config.host);
}

function openLane({ config, control, probes, log, closing }: ApiInput): ReadLane {
  const lane = new ReadLane({ watch: control.watch, probes, settings: readSettings(config), log });
  closing.add('read lane', () => lane.close());
  return lane;
}

function operatorParts(
  { config, control, probes, log, closing, leaving }: ApiInput,
  metrics: Metrics,
  lane: ReadLane | null,
): OperatorParts {
  const { store, watch } = control;
  const pools = new StatusPools(
    () => watch.current().urls,
    (source, error) => log.debug({ source, err: error }, 'status connection lost'),
  );
  closing.add('status connections', () => pools.close());
  return {
    server: {
      log,
      cors: corsOf(config),
      bodyLimitBytes: config.bodyLimitBytes,
      arriving: new HeldBytes(Math.max(config.arrivingLimitBytes, config.bodyLimitBytes), (bytes) =>
        log.warn({ bytes }, 'a client that takes too long to say what it wants is cut off'),
      ),
      requestTimeoutMs: config.requestTimeoutMs,
      isLeaving: () => leaving.hasBegun,
      showsInternal: (session) => config.devMode || (config.adminInternalErrors && session?.isAdmin === true),
    },
    authenticator: authenticatorOf(config),
    settings: publicSettings(config),
    metrics,
    metricsSecret: config.metricsSecret,
    view: {
      sources: () => pools.sources,
      status: async (source) => {
        const status = await pools.status(source);
        // A cache that is reported as ready is used by the very next query.
        await lane?.refresh(source);
        return status;
      },
      wanted: () => wantedFeeds(watch.current()),
      identity: (target) => watch.current().catalog.sources.get(target)?.identity ?? null,
      installation: store.installation,
      newerFreshness: (source, target, upTo) => probes.latest(source, target, upTo),
    },
    statusClient: (source) => pools.client(source),
    health: healthOf({
      isLeaving: () => leaving.hasBegun,
      askMetadata: () => store.catalogState(),
      inconsistentObjects: () => watch.current().catalog.inconsistent.length,
      timeoutMs: HEALTH_TIMEOUT_MS,
    }),
  };
}

function servingParts(input: ApiInput, metrics: Metrics, lane: ReadLane): ServingParts {
  const { config, control, log } = input;
  const { store, watch } = control;
  const operations = new Operations({
    documents: DOCUMENTS,
    plans: PLANS,
    limits: { ...DEFAULT_PLAN_LIMITS, maxDepth: config.depthLimit, maxNodes: config.complexityLimit },
    compile: (plan) => lane.compile(plan),
    allowList: config.enableAllowlist ? new AllowList() : null,
  });
  const runner = new OperationRunner({
    catalog: () => watch.current().catalog,
    renewed: (databases, generation) => watch.renewed(databases, generation),
    operations,
    lane,
    schemas: new SchemaCache(systemClock),
    metrics,
    clock: systemClock,
    log,
  });
  return {
    store,
    watch,
    runner,
    apis: config.enabledApis,
    batchLimit: config.batchLimit,
    resultLimitBytes: config.resultLimitBytes,
    unsentLimitBytes: LARGEST_UNSENT * config.resultLimitBytes,
    sockets: socketParts(input),
  };
}

function jwtConfigsOf({ jwtSecret, jwtSecrets }: Config): readonly JwtConfig[] {
  return [...(jwtSecret === null ? [] : [jwtSecret]), ...jwtSecrets];
}

function authenticatorOf(config: Config): Authenticator {
  const secrets = jwtConfigsOf(config);
  return new Authenticator({
    adminSecrets: adminSecretsOf(config),
    unauthorizedRole: config.unauthorizedRole,
    jwt: secrets.length === 0 ? null : new JwtVerifier(secrets, wallClockMs),
    hook:
      config.authHook === null
        ? null
        : new AuthHook({
            url: config.authHook,
            mode: config.authHookMode,
            sendRequestBody: config.authHookSendRequestBody,
            timeoutMs: config.authHookTimeoutMs,
            nowMs: wallClockMs,
          }),
  });
}

function publicSettings(config: Config): OperatorParts['settings'] {
  return {
    hasuraVersion: HASURA_VERSION,
    nearjoinVersion: nearjoinVersion(),
    adminSecretSet: adminSecretsOf(config).length > 0,
    authHookSet: config.authHook !== null,
    jwt: jwtConfigsOf(config).map(jwtInfo),
    consoleEnabled: config.enableConsole,
    namingConvention: config.defaultNamingConvention,
    infersFunctionPermissions: config.inferFunctionPermissions,
    liveQueriesRefetchMs: config.liveQueriesRefetchMs,
    allowListEnabled: config.enableAllowlist,
    isFederated: config.enableApolloFederation,
  };
}

function urlOf(app: FastifyInstance, host: string): string {
  const address = app.server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
