import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { RefusedError } from '../error-reply.ts';

const EXPOSED = 'Cache-Status, X-Nearjoin-Token, X-Request-Id';
const METHODS = 'GET,POST,PUT,PATCH,DELETE,OPTIONS';
const PREFLIGHT_SECONDS = '1728000';

/** Which web origins may read answers. */
export type CorsPolicy =
  | { readonly kind: 'none' }
  | { readonly kind: 'any' }
  | { readonly kind: 'listed'; readonly origins: readonly AllowedOrigin[] };

/** One allowed origin; `wildcard` allows any one subdomain label in front of `host`. */
export interface AllowedOrigin {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly wildcard: boolean;
  readonly port: string;
}

/**
 * Answers preflights and marks answers as readable for the origins the policy allows. Other pages cannot read, and
 * their posts are refused before they do anything: a browser sends some of them without asking first.
 */
export function registerCors(app: FastifyInstance, policy: CorsPolicy): void {
  app.addHook('onRequest', (request, reply, done) => {
    const { origin } = request.headers;
    // Said in every answer: a cache in between may keep one to a request without an origin, and hand it to a page.
    if (policy.kind !== 'none' && request.method !== 'POST') reply.header('vary', 'Origin');
    if (origin === undefined) return done();
    if (!allows(policy, origin)) {
      if (request.method === 'POST' && !isSameOrigin(request.headers.host, origin))
        return done(new RefusedError(403, 'access-denied', 'origin not allowed'));
      return done();
    }
    reply.header('access-control-allow-origin', origin);
    reply.header('access-control-allow-credentials', 'true');
    reply.header('access-control-allow-methods', METHODS);
    reply.header('access-control-expose-headers', EXPOSED);
    if (!isPreflight(request)) return done();
    preflight(request, reply);
  });
}

/** Whether the policy lets pages of this origin read answers. */
export function allows(policy: CorsPolicy, origin: string): boolean {
  if (policy.kind !== 'listed') return policy.kind === 'any';
  const match = /^(https?):\/\/(\[[0-9a-f:]+\]|[^/:]+)(?::(\d+))?$/i.exec(origin);
  if (match === null) return false;
  const [, scheme = '', host = '', port = ''] = match;
  return policy.origins.some((allowed) => matches(allowed, scheme.toLowerCase(), host.toLowerCase(), port));
}

function matches(allowed: AllowedOrigin, scheme: string, host: string, port: string): boolean {
  if (allowed.scheme !== scheme || allowed.port !== port) return false;
  if (!allowed.wildcard) return allowed.host === host;
  const ending = `.${allowed.host}`;
  return host.endsWith(ending) && !host.slice(0, -ending.length).includes('.') && host.length > ending.length;
}

/** Whether a page of this origin came from this server. */
export function isSameOrigin(host: string | undefined, origin: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === host;
}

function isPreflight(request: FastifyRequest): boolean {
  return request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined;
}

function preflight(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const asked = request.headers['access-control-request-headers'];
  if (asked !== undefined) reply.header('access-control-allow-headers', asked);
  return reply.header('access-control-max-age', PREFLIGHT_SECONDS).code(204).send();
}
