import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { mercurius } from 'mercurius';
import { NearjoinError } from '../../core/errors.ts';
import { weightIn } from '../accepts.ts';
import type { Authenticator } from '../auth/authenticator.ts';
import { callerOf } from '../auth/caller.ts';
import { loggedError } from '../error-reply.ts';
import { isYes } from '../headers.ts';
import type { HeldBytes } from '../held-bytes.ts';
import { runBatch } from '../operation/batch.ts';
import { refuseCostlyJson } from '../operation/body-bounds.ts';
import { freshnessOf } from '../operation/freshness-headers.ts';
import {
  type AnswerFormat,
  type OperationResult,
  sendBatch,
  sendError,
  sendSingle,
} from '../operation/graphql-reply.ts';
import { type GraphqlRequest, noPersistedQueries, readGraphqlBody } from '../operation/graphql-request.ts';
import type { OperationRunner } from '../operation/operation-runner.ts';
import type { RunContext } from '../operation/prepare-read.ts';
import { watchRequest } from '../request-life.ts';
import { answerError, type ServerOptions, serverError } from '../server/server.ts';

/** The path of Hasura's GraphQL endpoint. */
export const GRAPHQL_PATH = '/v1/graphql';
/** Its older path: the same, but an error sets the HTTP status. */
export const OLD_GRAPHQL_PATH = '/v1alpha1/graphql';

/** What the GraphQL routes work with. */
export interface GraphqlRoute {
  readonly authenticator: Authenticator;
  readonly runner: Pick<OperationRunner, 'refuseBatch' | 'run' | 'sent'>;
  readonly server: ServerOptions;
  readonly batchLimit: number;
  /** Longest answer of a batch. */
  readonly resultLimitBytes: number;
  readonly unsent: HeldBytes;
}

/** One path; with `hasStatuses` an error sets the HTTP status, whatever the client accepts. */
interface AnsweredRoute extends GraphqlRoute {
  readonly hasStatuses: boolean;
}

/**
 * Mercurius owns the path, with an empty schema. Our preHandler answers every request before Mercurius would execute it, so
 * the bytes from Postgres are never parsed (docs/adr/0003).
 */
export async function registerGraphqlRoute(app: FastifyInstance, parts: GraphqlRoute): Promise<void> {
  const route = { ...parts, hasStatuses: false };
  app.addHook('onRoute', (options) => {
    // Mercurius' guard against forged requests is off but would still cost each request a promise; `registerCors` refuses those.
    if (options.url === GRAPHQL_PATH) delete options.onRequest;
  });
  await app.register(mercurius, {
    schema: 'type Query { _: Boolean }',
    path: GRAPHQL_PATH,
    jit: 0,
    graphiql: false,
    errorHandler: (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
      answerGraphqlError(route, error, request, reply);
    },
    additionalRouteOptions: {
      // Replaces Mercurius' own: no coercion of bodies, no serialisation by schema.
      schema: {},
      preHandler: (request: FastifyRequest, reply: FastifyReply) => answerGraphql(route, request, reply),
    },
  });
  const old = { ...parts, hasStatuses: true };
  app.post(OLD_GRAPHQL_PATH, {
    errorHandler: (error, request, reply) => void answerGraphqlError(old, error, request, reply),
    handler: (request, reply) => answerGraphql(old, request, reply),
  });
}

async function answerGraphql(
  route: AnsweredRoute,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  if (request.method !== 'POST') {
    if (request.method === 'GET' && hasHash(request.url))
      return sendFailure(route, noPersistedQueries(), request, reply);
    const refusal = new NearjoinError('not-found', 'resource does not exist');
    return answerError(route.server, refusal, request, reply);
  }
  const life = watchRequest(reply, route.server.requestTimeoutMs);
  try {
    const text = bodyText(request.body);
    const caller = callerOf(route.authenticator, request, () => looseJson(text));
    const session = caller instanceof Promise ? await caller : caller;
    const freshness = freshnessOf(request.headers);
    const body = readGraphqlBody(text, route.batchLimit);
    const { ip: address, notes } = request;
    const context: RunContext = { session, address, freshness, signal: life.signal, notes };
    const { unsent } = route;
    const framing = { format: formatOf(route, request), tokens: freshness.tokens, unsent };
    if (body.kind === 'single') {
      const result = await route.runner.run(body.request, context);
      return sendSingle(reply, result, { ...framing, onSent: (bytes) => route.runner.sent(bytes) });
    }
    route.runner.refuseBatch(body.requests.length, session);
    const run = (one: GraphqlRequest): Promise<OperationResult> => route.runner.run(one, context);
    const results = await runBatch(body.requests, route.resultLimitBytes, run);
    return sendBatch(reply, results, framing);
  } catch (error) {
    return sendFailure(route, error, request, reply);
  } finally {
    life.end();
  }
}

/** Whether a client asks by the hash of a query that it believes to be kept here. */
function hasHash(url: string): boolean {
  const extensions = new URLSearchParams(url.slice(url.indexOf('?'))).get('extensions');
  return extensions?.includes('"persistedQuery"') ?? false;
}

function answerGraphqlError(
  route: AnsweredRoute,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const refusal = serverError(error);
  return refusal === null
    ? sendFailure(route, error, request, reply)
    : answerError(route.server, refusal, request, reply);
}

function sendFailure(
  route: AnsweredRoute,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const known = loggedError(error, route.server.log, 'request failed', { request_id: request.id });
  return sendError(reply, known, formatOf(route, request));
}

function formatOf(route: AnsweredRoute, request: FastifyRequest): AnswerFormat {
  const { accept } = request.headers;
  const weight = weightIn(accept, 'application/graphql-response+json');
  const asGraphqlResponse = weight > 0 && weight >= weightIn(accept, 'application/json');
  return {
    hasStatuses: asGraphqlResponse || route.hasStatuses,
    asGraphqlResponse,
    withExtensions: isYes(request.headers['x-nearjoin-extensions']),
    namesHistories: isYes(request.headers['x-nearjoin-token-history']),
    showsInternal: route.server.showsInternal(request.notes?.session ?? null),
  };
}

/** The body as text; Mercurius' own parser has made an object of `application/graphql`. */
function bodyText(body: unknown): string {
  if (typeof body === 'string') return body;
  return body === undefined || body === null ? '' : JSON.stringify(body);
}

/** The body as an auth hook gets it; null when it is no JSON, which is refused later. */
function looseJson(text: string): unknown {
  try {
    refuseCostlyJson(text);
    return JSON.parse(text);
  } catch {
    return null;
  }
}
