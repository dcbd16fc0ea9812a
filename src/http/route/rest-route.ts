import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Endpoint, matchEndpoint, REST_PREFIX } from '../../catalog/part/endpoints.ts';
import { NearjoinError } from '../../core/errors.ts';
import { ENDPOINT_METHODS } from '../../metadata/model/rest-endpoints.ts';
import type { Authenticator } from '../auth/authenticator.ts';
import { callerOf, requireAdmin } from '../auth/caller.ts';
import { RefusedError } from '../error-reply.ts';
import { isYes } from '../headers.ts';
import type { HeldBytes } from '../held-bytes.ts';
import { freshnessOf } from '../operation/freshness-headers.ts';
import { sendBare } from '../operation/graphql-reply.ts';
import type { GraphqlRequest } from '../operation/graphql-request.ts';
import type { OperationRunner } from '../operation/operation-runner.ts';
import { watchRequest } from '../request-life.ts';
import { textOf } from '../server/arriving-body.ts';
import { answerError, type ServerOptions } from '../server/server.ts';
import { endpointVariables } from './rest-variables.ts';

/** What the REST endpoints work with. */
export interface RestRoute {
  readonly authenticator: Authenticator;
  readonly runner: Pick<OperationRunner, 'endpoints' | 'openApi' | 'run' | 'sent'>;
  readonly server: ServerOptions;
  readonly unsent: HeldBytes;
}

/** Registers Hasura's RESTified endpoints, operations of collections under paths of their own, and what describes them. */
export function registerRestRoute(app: FastifyInstance, route: RestRoute): void {
  app.route({
    method: [...ENDPOINT_METHODS],
    url: `${REST_PREFIX}*`,
    handler: (request, reply) => answerRest(route, request, reply),
  });
  app.get('/api/swagger/json', async (request) => {
    await requireAdmin(route.authenticator, request);
    return route.runner.openApi();
  });
}

async function answerRest(
  route: RestRoute,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const life = watchRequest(reply, route.server.requestTimeoutMs);
  try {
    const session = await callerOf(route.authenticator, request);
    const freshness = freshnessOf(request.headers);
    const context = { session, address: request.ip, freshness, signal: life.signal, notes: request.notes };
    // Found and prepared in one go: both see the same metadata.
    const result = await route.runner.run(operationFor(route.runner.endpoints(), request), context);
    if (result.kind === 'error') throw result.error;
    return sendBare(reply, result, {
      namesHistories: isYes(request.headers['x-nearjoin-token-history']),
      tokens: freshness.tokens,
      unsent: route.unsent,
      onSent: (body) => route.runner.sent(body),
    });
  } catch (error) {
    return answerError(route.server, error, request, reply);
  } finally {
    life.end();
  }
}

function operationFor(endpoints: readonly Endpoint[], request: FastifyRequest): GraphqlRequest {
  const [path = '', ...search] = request.url.split('?');
  const match = matchEndpoint(
    endpoints,
    request.method,
    path.slice(REST_PREFIX.length).split('/').map(decoded),
  );
  switch (match.kind) {
    case 'found': {
      const { endpoint, texts } = match;
      if (request.notes !== null) request.notes.path = `${REST_PREFIX}${endpoint.url}`;
      const variables = endpointVariables(endpoint.variables, {
        search: search.join('?'),
        texts,
        ...bodyOf(request),
      });
      return { query: endpoint.query, operationName: null, variables };
    }
    case 'other-methods':
      throw new NearjoinError('method-not-allowed', `Allowed methods: ${match.allowed.join(', ')}`);
    case 'several':
      throw new RefusedError(500, 'unexpected', 'Multiple endpoints match request');
    case 'none':
      throw new NearjoinError('not-found', 'Endpoint not found');
  }
}

function bodyOf(request: FastifyRequest): { readonly body: string; readonly isForm: boolean } {
  const isForm = request.headers['content-type']?.startsWith('application/x-www-form-urlencoded') === true;
  return { body: textOf(request), isForm };
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new NearjoinError('bad-request', 'the path is not a valid URL');
  }
}
