import type { FastifyInstance } from 'fastify';
import { type MetadataAnswer, runMetadata } from '../metadata/run.ts';
import { type MetadataRouteContext, send } from './metadata-route.ts';

/** Adds `POST /v1/query`: only `export_metadata`, which the stock command line asks for here. */
export function registerQueryRoutes(app: FastifyInstance, context: MetadataRouteContext): void {
  app.post('/v1/query', async (request, reply) => {
    const { store, catalogWatch, sessionOf } = context;
    const session = sessionOf(request);
    const body: unknown = request.body;
    if (!session.isAdmin || isExport(body)) {
      return send(reply, await runMetadata(body, { store, catalogWatch, session }));
    }
    return send(reply, NOT_SUPPORTED);
  });
}

const NOT_SUPPORTED: MetadataAnswer = {
  status: 400,
  body: {
    path: '$.type',
    error: 'only "export_metadata" is supported here; use /v1/metadata or /v1/graphql',
    code: 'not-supported',
  },
};

function isExport(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'type' in body && body.type === 'export_metadata';
}
