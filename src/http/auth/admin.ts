import type { FastifyRequest } from 'fastify';
import { RefusedError } from '../error-reply.ts';
import type { Authenticator } from './authenticator.ts';
import type { Session } from './session.ts';

/** Lets administrators in and refuses everybody else in Hasura's words. */
export async function requireAdmin(authenticator: Authenticator, request: FastifyRequest): Promise<Session> {
  const session = await authenticator.authenticate(request.headers);
  if (session.isAdmin) return session;
  throw new RefusedError(400, 'access-denied', 'restricted access : admin only', { path: '$.args' });
}
