import type { FastifyInstance } from 'fastify';
import { NearjoinError } from '../../core/errors.ts';
import type { Health } from '../../ops/health.ts';
import type { Authenticator } from '../auth/authenticator.ts';
import { requireAdmin } from '../auth/caller.ts';
import type { JwtInfo } from '../auth/jwt-config.ts';

/** What a client may learn of the server's settings. */
export interface PublicSettings {
  readonly hasuraVersion: string;
  readonly nearjoinVersion: string;
  readonly adminSecretSet: boolean;
  readonly authHookSet: boolean;
  readonly jwt: readonly JwtInfo[];
  readonly consoleEnabled: boolean;
  readonly namingConvention: string;
  readonly infersFunctionPermissions: boolean;
  readonly liveQueriesRefetchMs: number;
  readonly allowListEnabled: boolean;
  readonly isFederated: boolean;
}

/** What the routes of health, version and configuration work with. */
export interface InfoRoutes {
  readonly authenticator: Authenticator;
  readonly settings: PublicSettings;
  readonly health: () => Promise<Health>;
  readonly showsConfig: boolean;
}

/** Registers `/healthz`, `/v1/version` and, if wanted, `/v1alpha1/config`. */
export function registerInfoRoutes(
  app: FastifyInstance,
  { authenticator, settings, health, showsConfig }: InfoRoutes,
): void {
  app.get('/v1/version', () => ({
    version: settings.hasuraVersion,
    server_type: 'nearjoin',
    nearjoin_version: settings.nearjoinVersion,
  }));
  if (showsConfig) {
    app.get('/v1alpha1/config', async (request) => {
      await requireAdmin(authenticator, request);
      return configAnswer(settings);
    });
  }
  for (const path of ['/healthz', '/hasura/healthz']) {
    app.get<{ Querystring: { strict?: string } }>(path, async (request, reply) => {
      const strict = request.query.strict !== undefined && request.query.strict !== 'false';
      const { status, text } = healthAnswer(await health(), strict);
      return reply.code(status).type('text/plain; charset=utf-8').send(text);
    });
  }
}

/** Registers the refusals of Hasura's endpoints for administrators that we do not have. */
export function registerRefusals(app: FastifyInstance, authenticator: Authenticator): void {
  for (const [path, why] of REFUSED) {
    app.post(path, async (request) => {
      await requireAdmin(authenticator, request);
      throw new NearjoinError('not-supported', `${path} is not supported: ${why}`);
    });
  }
}

const REFUSED = [
  ['/v2/query', 'nearjoin runs no SQL for its callers'],
  ['/v1alpha1/pg_dump', 'use pg_dump itself'],
  ['/v1beta1/relay', 'nearjoin has no schema for Relay'],
] as const;

function healthAnswer(health: Health, strict: boolean): { status: number; text: string } {
  switch (health) {
    case 'ok':
      return { status: 200, text: 'OK' };
    case 'inconsistent':
      return strict
        ? { status: 500, text: 'ERROR: inconsistent objects in schema' }
        : { status: 200, text: 'WARN: inconsistent objects in schema' };
    case 'down':
      return { status: 500, text: 'ERROR' };
    case 'leaving':
      return { status: 503, text: 'ERROR: the process is stopping' };
  }
}

/** The members the stock Hasura CLI and console look at. */
function configAnswer(settings: PublicSettings): Record<string, unknown> {
  const pace = { batch_size: 100, refetch_delay: settings.liveQueriesRefetchMs / 1000 };
  return {
    version: settings.hasuraVersion,
    server_type: 'nearjoin',
    nearjoin_version: settings.nearjoinVersion,
    is_function_permissions_inferred: settings.infersFunctionPermissions,
    is_remote_schema_permissions_enabled: false,
    is_admin_secret_set: settings.adminSecretSet,
    is_auth_hook_set: settings.authHookSet,
    is_jwt_set: settings.jwt.length > 0,
    jwt: settings.jwt,
    is_allow_list_enabled: settings.allowListEnabled,
    live_queries: pace,
    streaming_queries: pace,
    console_assets_dir: null,
    experimental_features: [],
    is_prometheus_metrics_enabled: true,
    default_naming_convention: settings.namingConvention,
    feature_flags: [],
    is_apollo_federation_enabled: settings.isFederated,
    is_console_enabled: settings.consoleEnabled,
  };
}
