import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Metrics } from '../../ops/metrics.ts';
import { type ReplicationView, reportFeeds } from '../../ops/replication.ts';
import type { Authenticator } from '../auth/authenticator.ts';
import { requireAdmin } from '../auth/caller.ts';
import { sameSecret } from '../auth/secrets.ts';

/** What the metrics route works with. */
export interface MetricsRoutes {
  readonly authenticator: Authenticator;
  readonly metrics: Metrics;
  readonly view: ReplicationView;
  /** When set, `Authorization: Bearer <secret>` opens the route as well. */
  readonly secret: string | null;
}

/** Registers the Prometheus text at `/metrics` and, as Hasura has it, `/v1/metrics`. */
export function registerMetricsRoutes(app: FastifyInstance, routes: MetricsRoutes): void {
  for (const path of ['/metrics', '/v1/metrics']) {
    app.get(path, async (request, reply) => {
      if (!hasSecret(request, routes.secret)) await requireAdmin(routes.authenticator, request);
      const text = await routes.metrics.print(await reportFeeds(routes.view));
      return reply.type(routes.metrics.contentType).send(text);
    });
  }
}

function hasSecret(request: FastifyRequest, secret: string | null): boolean {
  const given = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1];
  return secret !== null && given !== undefined && sameSecret(given, secret);
}
