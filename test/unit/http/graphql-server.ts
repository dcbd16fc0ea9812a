import type { FastifyInstance, LightMyRequestResponse as Response } from 'fastify';
import { onTestFinished } from 'vitest';
import { Authenticator } from '../../../src/http/auth/authenticator.ts';
import { HeldBytes } from '../../../src/http/held-bytes.ts';
import type { OperationResult } from '../../../src/http/operation/graphql-reply.ts';
import type { GraphqlRequest } from '../../../src/http/operation/graphql-request.ts';
import type { RunContext } from '../../../src/http/operation/prepare-read.ts';
import { registerGraphqlRoute } from '../../../src/http/route/graphql-route.ts';
import { createServer } from '../../../src/http/server/server.ts';
import { createLog, type Log } from '../../../src/ops/log.ts';

/** What a test has an operation answered with. */
export type Run = (request: GraphqlRequest, context: RunContext) => Promise<OperationResult>;

/** A server with the GraphQL route alone; it closes when the test ends. */
export async function serverWith(
  run: Run,
  over: {
    adminSecrets?: readonly string[];
    batchLimit?: number;
    requestTimeoutMs?: number;
    cors?: Parameters<typeof createServer>[0]['cors'];
    log?: Log;
    sent?: (body: Buffer) => void;
    unsentLimitBytes?: number;
  } = {},
): Promise<FastifyInstance> {
  const server = {
    log: over.log ?? createLog('silent'),
    cors: over.cors ?? ({ kind: 'any' } as const),
    bodyLimitBytes: 10_000,
    arriving: new HeldBytes(1_000_000, () => undefined),
    requestTimeoutMs: over.requestTimeoutMs ?? 10_000,
    isLeaving: () => false,
    showsInternal: () => false,
  };
  const app = createServer(server);
  const authenticator = new Authenticator({
    adminSecrets: over.adminSecrets ?? [],
    unauthorizedRole: null,
    jwt: null,
    hook: null,
  });
  await registerGraphqlRoute(app, {
    authenticator,
    runner: { run, refuseBatch: () => undefined, sent: over.sent ?? (() => undefined) },
    server,
    batchLimit: over.batchLimit ?? 3,
    resultLimitBytes: 110,
    unsent: new HeldBytes(over.unsentLimitBytes ?? 100_000_000, () => undefined),
  });
  onTestFinished(() => app.close());
  return app;
}

/** Answers with the query itself. */
export const echo: Run = async ({ query }) => ({
  kind: 'data',
  body: Buffer.from(JSON.stringify({ data: { query } })),
  targets: [],
});

/** Posts a body, text or JSON. */
export function post(
  app: FastifyInstance,
  payload: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  const { 'content-type': type = 'application/json', ...others } = headers;
  return app.inject({
    method: 'POST',
    url: '/v1/graphql',
    headers: type === '' ? others : { ...others, 'content-type': type },
    payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
  });
}
