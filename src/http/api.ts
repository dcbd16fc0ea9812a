import type { FastifyInstance } from 'fastify';
import type { Queryable } from '../cache/queryable.ts';
import type { MetadataContext } from '../commands/run.ts';
import type { SourceName } from '../core/names.ts';
import type { MetadataStore } from '../metadata/store.ts';
import type { Health } from '../ops/health.ts';
import type { Metrics } from '../ops/metrics.ts';
import type { ReplicationView } from '../ops/replication.ts';
import type { Authenticator } from './auth/authenticator.ts';
import { registerHookCookies } from './auth/hook-cookies.ts';
import { HeldBytes } from './held-bytes.ts';
import type { OperationRunner } from './operation/operation-runner.ts';
import { registerConsole } from './route/console-route.ts';
import { registerExplainRoute } from './route/explain-route.ts';
import { registerGraphqlRoute } from './route/graphql-route.ts';
import { type PublicSettings, registerInfoRoutes, registerRefusals } from './route/info-routes.ts';
import { registerMetadataRoutes } from './route/metadata-routes.ts';
import { registerMetricsRoutes } from './route/metrics-route.ts';
import { registerReplicationRoutes } from './route/replication-route.ts';
import { registerRestRoute } from './route/rest-route.ts';
import { registerVerificationRoutes } from './route/verification-route.ts';
import { createServer, type ServerOptions } from './server/server.ts';
import { registerSockets, type SocketOptions } from './socket/sockets.ts';

/** Parts of the HTTP API, as Hasura names them. Only `graphql`, `metadata` and `config` can be switched off; naming another changes nothing. */
export type ApiPart = 'graphql' | 'metadata' | 'config' | 'pgdump' | 'developer' | 'metrics';

/** What the routes of every process work with: health, version, the state of replication and metrics. */
export interface OperatorParts {
  readonly server: ServerOptions;
  readonly authenticator: Authenticator;
  readonly settings: PublicSettings;
  readonly view: ReplicationView;
  readonly statusClient: (source: SourceName) => Queryable;
  readonly metrics: Metrics;
  readonly metricsSecret: string | null;
  readonly health: () => Promise<Health>;
}

/** What GraphQL and the metadata API work with besides. */
export interface ServingParts {
  /** The parts of the API that are switched on. */
  readonly apis: readonly ApiPart[];
  readonly store: MetadataStore;
  readonly watch: MetadataContext['watch'];
  readonly runner: OperationRunner;
  readonly batchLimit: number;
  /** Longest answer of one database, and of a batch. */
  readonly resultLimitBytes: number;
  /** Bytes of answers on their way past which clients that take too long for theirs are cut off. */
  readonly unsentLimitBytes: number;
  readonly sockets: Pick<
    SocketOptions,
    'live' | 'limits' | 'nowMs' | 'keepAliveMs' | 'closesOnMetadataChange' | 'catalogs'
  >;
}

type ApiParts = OperatorParts & ServingParts;

/** The whole HTTP API, not listening yet. */
export async function createApi(parts: ApiParts): Promise<FastifyInstance> {
  const app = createServer(parts.server);
  if (parts.authenticator.asksHook) registerHookCookies(app);
  if (parts.apis.includes('graphql')) await registerGraphql(app, parts);
  if (parts.apis.includes('metadata')) registerAdministration(app, parts);
  registerOperatorRoutes(app, parts, parts.apis.includes('config'));
  if (parts.settings.consoleEnabled) registerConsole(app);
  return app;
}

/** The API of a process that only replicates, not listening yet. */
export function createReplicatorApi(parts: OperatorParts): FastifyInstance {
  const app = createServer(parts.server);
  registerOperatorRoutes(app, parts, true);
  return app;
}

function registerOperatorRoutes(app: FastifyInstance, parts: OperatorParts, showsConfig: boolean): void {
  const { authenticator, settings, health, metrics, view } = parts;
  registerReplicationRoutes(app, { authenticator, view, client: parts.statusClient });
  registerVerificationRoutes(app, { authenticator, view, client: parts.statusClient });
  registerMetricsRoutes(app, { authenticator, metrics, view, secret: parts.metricsSecret });
  registerInfoRoutes(app, { authenticator, settings, health, showsConfig });
}

async function registerGraphql(app: FastifyInstance, parts: ApiParts): Promise<void> {
  const unsent = new HeldBytes(parts.unsentLimitBytes, (bytes) =>
    parts.server.log.warn({ bytes }, 'a client that takes too long for its answer is cut off'),
  );
  await registerGraphqlRoute(app, { ...parts, unsent });
  registerRestRoute(app, { ...parts, unsent });
  openSockets(app, parts, unsent);
}

function registerAdministration(app: FastifyInstance, parts: ApiParts): void {
  const { authenticator, runner } = parts;
  registerExplainRoute(app, { authenticator, runner, requestTimeoutMs: parts.server.requestTimeoutMs });
  registerMetadataRoutes(app, { authenticator, store: parts.store, watch: parts.watch });
  registerRefusals(app, authenticator);
}

function openSockets(app: FastifyInstance, parts: ApiParts, unsent: HeldBytes): void {
  const { authenticator, runner, metrics, server } = parts;
  const { log, showsInternal, cors, arriving, bodyLimitBytes: maxMessageBytes } = server;
  const { live } = parts.sockets;
  const shared = { authenticator, runner, log, showsInternal, cors, maxMessageBytes, unsent, arriving };
  const sockets = registerSockets(app, { ...parts.sockets, ...shared });
  metrics.watch(() => {
    const { subscribers: subscriptions, cohorts: liveQueries, runs: liveRuns } = live.counts;
    return { websockets: sockets.size, subscriptions, liveQueries, liveRuns };
  });
}
