import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { NearjoinError } from '../../core/errors.ts';
import { ADMIN } from '../../core/names.ts';
import type { Authenticator } from '../auth/authenticator.ts';
import { requireAdmin } from '../auth/caller.ts';
import { type Session, sessionOf } from '../auth/session.ts';
import { ROLE_HEADER } from '../auth/session-variables.ts';
import { freshnessOf } from '../operation/freshness-headers.ts';
import { parseJsonBody, requestOf } from '../operation/graphql-request.ts';
import type { OperationRunner } from '../operation/operation-runner.ts';
import { watchRequest } from '../request-life.ts';
import { textOf } from '../server/arriving-body.ts';

/** What the explain route works with. */
export interface ExplainRoute {
  readonly authenticator: Authenticator;
  readonly runner: Pick<OperationRunner, 'explain'>;
  readonly requestTimeoutMs: number;
}

const body = z.looseObject({ query: z.unknown(), user: z.record(z.string(), z.string()).nullish() });

/** Registers `POST /v1/graphql/explain`: SQL, plan and routes of a query, as another role if asked; for administrators. */
export function registerExplainRoute(
  app: FastifyInstance,
  { authenticator, runner, requestTimeoutMs }: ExplainRoute,
): void {
  app.post('/v1/graphql/explain', async (request, reply) => {
    await requireAdmin(authenticator, request);
    const parsed = body.safeParse(parseJsonBody(textOf(request)));
    if (!parsed.success || parsed.data.query === undefined) {
      throw new NearjoinError(
        'parse-failed',
        'expected {"query": {"query": "…"}, "user": {"x-hasura-role": "…"}}',
      );
    }
    const life = watchRequest(reply, requestTimeoutMs);
    try {
      return await runner.explain(requestOf(parsed.data.query, '$.query'), {
        session: explainedAs(parsed.data.user ?? {}),
        freshness: freshnessOf(request.headers),
        signal: life.signal,
      });
    } finally {
      life.end();
    }
  });
}

/** The session the query would have with these variables. */
function explainedAs(user: Readonly<Record<string, string>>): Session {
  const variables = new Map(Object.entries(user).map(([name, value]) => [name.toLowerCase(), value]));
  return sessionOf(variables.get(ROLE_HEADER) || ADMIN, variables);
}
