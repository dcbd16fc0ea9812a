import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { findVerification, requestVerification, type Verification } from '../../cache/feed/verification.ts';
import type { Queryable } from '../../cache/queryable.ts';
import { NearjoinError } from '../../core/errors.ts';
import type { SourceName } from '../../core/names.ts';
import { requireAdmin } from '../auth/caller.ts';
import { parseJsonBody } from '../operation/graphql-request.ts';
import { textOf } from '../server/arriving-body.ts';
import {
  holdersOf,
  notHeld,
  notTaken,
  type ReplicationRoutes,
  tableBody,
  tableOf,
} from './replication-route.ts';

const verifyBody = z.strictObject({
  tables: z.array(tableBody).min(1).optional(),
  repair: z.boolean().default(false),
});
const number = z
  .string()
  .regex(/^[1-9][0-9]{0,17}$/)
  .optional();

interface Asked {
  Params: { target: string };
  Querystring: { source?: string; id?: string };
}

/**
 * Registers the comparison of caches with their target, for administrators: asked for by POST, which answers at once,
 * and looked at by GET. The feed's leader makes it, whichever process that is in.
 */
export function registerVerificationRoutes(app: FastifyInstance, routes: ReplicationRoutes): void {
  app.post<Asked>('/v1/replication/:target/verify', async (request) => {
    await requireAdmin(routes.authenticator, request);
    const { target } = request.params;
    const { tables: named, repair } = bodyOf(request);
    const tables = named?.map(tableOf);
    const asked = { tables: tables ?? null, repair, rowsPerSecond: null };
    const found = await each(routes, request, (client) => requestVerification(client, target, asked));
    if (found.length === 0) throw notHeld({ target, tables });
    return { verifications: found };
  });
  app.get<Asked>('/v1/replication/:target/verify', async (request) => {
    await requireAdmin(routes.authenticator, request);
    const { target } = request.params;
    const id = number.safeParse(request.query.id);
    if (!id.success) throw new NearjoinError('parse-failed', 'id: expected the number of a comparison');
    return {
      verifications: await each(routes, request, (client) =>
        findVerification(client, target, id.data ?? null),
      ),
    };
  });
}

async function each(
  routes: ReplicationRoutes,
  { params, query }: Pick<FastifyRequest<Asked>, 'params' | 'query'>,
  ask: (client: Queryable) => Promise<Verification | null>,
): Promise<readonly object[]> {
  const holders = await holdersOf(routes, { target: params.target, source: query.source });
  const found = await Promise.all(
    holders.map(async (source) => {
      const made = await ask(routes.client(source)).catch((error: unknown) => {
        throw notTaken(error);
      });
      return made === null ? [] : [printed(source, made)];
    }),
  );
  return found.flat();
}

function printed(source: SourceName, { id, target, state, reason, repair, ...rest }: Verification): object {
  const { askedAt, finishedAt, report } = rest;
  return {
    id,
    source,
    target,
    state,
    reason,
    repair,
    asked_at: askedAt,
    finished_at: finishedAt,
    tables: report,
  };
}

function bodyOf(request: FastifyRequest): z.infer<typeof verifyBody> {
  const text = textOf(request);
  if (text.trim() === '') return { repair: false };
  const parsed = verifyBody.safeParse(parseJsonBody(text));
  if (parsed.success) return parsed.data;
  const expected = '{"tables": [{"schema": "…", "name": "…"}], "repair": true}';
  throw new NearjoinError('parse-failed', `expected ${expected}, both optional`);
}
