import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { CatalogPort } from '../metadata/run/port.ts';
import type { MetadataStore } from '../metadata/store.ts';
import type { Authenticator } from './auth/authenticator.ts';
import type { Session } from './auth/session.ts';
import { RefusedError } from './error-reply.ts';
import { registerMetadataRoutes } from './metadata-route.ts';
import { registerQueryRoutes } from './query-route.ts';

export interface MetadataScope {
  readonly authenticator: Authenticator;
  readonly store: MetadataStore;
  readonly catalogWatch: CatalogPort;
}

/** Registers the metadata API in a scope of its own, where the session is known before a handler runs. */
export async function registerMetadataScope(app: FastifyInstance, scope: MetadataScope): Promise<void> {
  await app.register(async (inner) => {
    inner.addHook('preHandler', async (request) => {
      const session = await scope.authenticator.authenticate(request.headers);
      if (request.notes !== null) request.notes.session = session;
    });
    const context = { store: scope.store, catalogWatch: scope.catalogWatch, sessionOf };
    registerMetadataRoutes(inner, context);
    registerQueryRoutes(inner, context);
  });
}

function sessionOf(request: FastifyRequest): Session {
  const session = request.notes?.session ?? null;
  if (session === null) throw new RefusedError(401, 'access-denied', 'no session');
  return session;
}
