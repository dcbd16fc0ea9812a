import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type MetadataAnswer, runMetadata } from '../metadata/run.ts';
import type { CatalogPort } from '../metadata/run/port.ts';
import type { MetadataStore } from '../metadata/store.ts';

/** What the metadata routes need; the server knows who asks. */
export interface MetadataRouteContext {
  readonly store: MetadataStore;
  readonly catalogWatch: CatalogPort;
  readonly sessionOf: (request: FastifyRequest) => { readonly role: string; readonly isAdmin: boolean };
}

/** Adds `POST /v1/metadata`: Hasura's metadata API. */
export function registerMetadataRoutes(app: FastifyInstance, context: MetadataRouteContext): void {
  app.post('/v1/metadata', async (request, reply) => {
    const { store, catalogWatch, sessionOf } = context;
    const session = sessionOf(request);
    return send(reply, await runMetadata(request.body, { store, catalogWatch, session }));
  });
}

/** Sends an answer of the metadata API as it is. */
export function send(reply: FastifyReply, answer: MetadataAnswer): FastifyReply {
  return reply.status(answer.status).type('application/json; charset=utf-8').send(JSON.stringify(answer.body));
}
