import type { FastifyRequest } from 'fastify';
import { RefusedError } from '../error-reply.ts';
import { namesIn } from '../headers.ts';
import type { Authenticator } from './authenticator.ts';
import type { Session } from './session.ts';

/** Who sends a request. It is noted for the log, and for whom an error may show its details. */
export async function callerOf(authenticator: Authenticator, request: FastifyRequest): Promise<Session> {
  const session = await authenticator.authenticate(request.headers, {
    names: () => namesIn(request.raw.rawHeaders),
    body: () => null,
  });
  if (request.notes !== null) request.notes.session = session;
  return session;
}

/** Lets administrators in and refuses everybody else in Hasura's words. */
export async function requireAdmin(authenticator: Authenticator, request: FastifyRequest): Promise<void> {
  const session = await callerOf(authenticator, request);
  if (session.isAdmin) return;
  throw new RefusedError(400, 'access-denied', 'restricted access : admin only', { path: '$.args' });
}
