import type { FastifyInstance } from 'fastify';

/** Passes the cookies that an auth hook sets on to the caller. */
export function registerHookCookies(app: FastifyInstance): void {
  app.addHook('onSend', (request, reply, payload, done) => {
    const cookies = request.notes?.session?.cookies ?? [];
    if (cookies.length > 0) reply.header('set-cookie', cookies);
    done(null, payload);
  });
}
