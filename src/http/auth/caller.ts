import type { FastifyRequest } from 'fastify';
import { RefusedError } from '../error-reply.ts';
import { namesIn } from '../headers.ts';
import type { Authenticator } from './authenticator.ts';
import type { Session } from './session.ts';

/** Who sends a request, asked with its body where a hook may want that. It is noted for the log, and for whom an error may show its details. */
export function callerOf(
  authenticator: Authenticator,
  request: FastifyRequest,
  body: () => unknown = () => null,
): Session | Promise<Session> {
  const noted = (session: Session): Session => {
    if (request.notes !== null) request.notes.session = session;
    return session;
  };
  const names = (): readonly string[] => namesIn(request.raw.rawHeaders);
  const session = authenticator.authenticate(request.headers, { names, body });
  return session instanceof Promise ? session.then(noted) : noted(session);
}

/** Lets administrators in and refuses everybody else in Hasura's words. */
export async function requireAdmin(authenticator: Authenticator, request: FastifyRequest): Promise<void> {
  const session = await callerOf(authenticator, request);
  if (session.isAdmin) return;
  throw new RefusedError(400, 'access-denied', 'restricted access : admin only', { path: '$.args' });
}
