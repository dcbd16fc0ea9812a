import type { FastifyInstance } from 'fastify';
import { MetadataError, refusalAnswer } from '../metadata/metadata-error.ts';
import { type MetadataAnswer, type MetadataContext, runMetadata } from '../metadata/run.ts';
import { type MetadataRouteContext, readBody, send } from './metadata-route.ts';

/** Adds `POST /v1/query`: only `export_metadata`, which the stock command line asks for here. */
export function registerQueryRoutes(app: FastifyInstance, context: MetadataRouteContext): void {
  app.post('/v1/query', async (request, reply) => {
    const session = await context.sessionOf(request);
    return send(reply, await answerQuery(request.body, { ...context, session }));
  });
}

async function answerQuery(body: unknown, context: MetadataContext): Promise<MetadataAnswer> {
  const read = readBody(body);
  if ('refusal' in read) return read.refusal;
  const { command } = read;
  // Who is not an administrator learns nothing about what would be supported.
  if (!context.session.isAdmin || typeOf(command) === 'export_metadata') return runMetadata(command, context);
  const message = 'only "export_metadata" is supported here; use /v1/metadata or /v1/graphql';
  return refusalAnswer(new MetadataError('not-supported', message, { path: '$.type' }));
}

function typeOf(command: unknown): unknown {
  return typeof command === 'object' && command !== null && 'type' in command ? command.type : undefined;
}
