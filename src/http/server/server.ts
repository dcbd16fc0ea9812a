import { randomBytes } from 'node:crypto';
import type { ServerOptions as ServerOptionsOfNode } from 'node:http';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { messageOf, NearjoinError } from '../../core/errors.ts';
import type { Log } from '../../ops/log.ts';
import type { Session } from '../auth/session.ts';
import { hasuraErrorBody, loggedError, RefusedError, statusOf } from '../error-reply.ts';
import { answerInTurn } from './answered-in-turn.ts';
import { type BodyBounds, readBody, UnreadBody } from './arriving-body.ts';
import { registerCompression } from './compression.ts';
import { type CorsPolicy, registerCors } from './cors.ts';
import { cutHeaders } from './cut-headers.ts';
import { logRequest } from './request-log.ts';
import { answerUnparsed } from './unparsed-request.ts';

/** What holds for every request, whatever its route. */
export interface ServerOptions extends BodyBounds {
  readonly log: Log;
  readonly cors: CorsPolicy;
  readonly requestTimeoutMs: number;
  /** Whether the process was asked to stop: connections are closed after their next answer, so that clients go to another process. */
  readonly isLeaving: () => boolean;
  /** Whether errors show their details to this caller. */
  readonly showsInternal: (session: Session | null) => boolean;
}

/** A Fastify server with everything that holds for all routes: bodies as text, errors in Hasura's shape, CORS, the request log. */
export function createServer(options: ServerOptions): FastifyInstance {
  const app = fastify({
    // Time to receive a whole request; the work on it is bounded by watchRequest.
    requestTimeout: options.requestTimeoutMs,
    http: arrivalLimits(options.requestTimeoutMs),
    forceCloseConnections: 'idle',
    // Requests that still come over open connections while the process stops are answered.
    return503OnClosing: false,
    genReqId: requestIds(),
    routerOptions: { maxParamLength: 500 },
    logger: false,
    clientErrorHandler: (error, socket) => answerUnparsed(options.log, error, socket),
    frameworkErrors: (error, request, reply) => void answerError(options, error, request, reply),
  });
  // Every body arrives as text, whatever its content type: routes parse JSON themselves, some without losing digits.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', ({ headers }, message, done) => {
    if (!/^(?:identity)?$/i.test(headers['content-encoding'] ?? ''))
      done(new RefusedError(415, 'bad-request', 'the body must be sent without a content-encoding'));
    else readBody(message, options, done);
  });
  app.addContentTypeParser(OTHER_CHARSET, (_request, _payload, done) => {
    done(new RefusedError(415, 'bad-request', 'the body must be JSON in UTF-8'));
  });
  app.decorateRequest('notes', null);
  answerInTurn(app);
  // Hooks with callbacks: an async one costs every request a promise.
  app.addHook('onRequest', (request, reply, done) => {
    request.notes = { session: null, operations: [], path: null };
    // Fastify refuses what is no media type before any parser sees it; bodies are read whatever their type.
    if (request.mediaType === undefined) delete request.headers['content-type'];
    reply.header('x-request-id', request.id).header('x-content-type-options', 'nosniff');
    if (options.isLeaving()) reply.header('connection', 'close');
    done(cutHeaders(request.raw) ?? undefined);
  });
  registerCors(app, options.cors);
  registerCompression(app);
  app.setNotFoundHandler((_request, reply) =>
    sendError(reply, new NearjoinError('not-found', 'resource does not exist'), false),
  );
  app.setErrorHandler((error, request, reply) => answerError(options, error, request, reply));
  app.addHook('onResponse', (request, reply, done) => {
    logRequest(options.log, request, reply);
    done();
  });
  return app;
}

/** A charset that is not UTF-8: JSON between systems is UTF-8, and read as that the text would mean something else. */
const OTHER_CHARSET = /^[^;]*;(?:.*;)?\s*charset=(?!\s*"?(?:utf-?8|us-ascii)"?\s*(?:;|$))/i;

/** Time for all headers to arrive: 16 kB at most. */
const HEADERS_MS = 10_000;

/** Node takes the larger of the two times for the whole request's, so the headers' must not be left at its default of a minute. */
function arrivalLimits(requestTimeoutMs: number): ServerOptionsOfNode {
  return {
    requestTimeout: requestTimeoutMs,
    headersTimeout: Math.min(HEADERS_MS, requestTimeoutMs),
    connectionsCheckingInterval: Math.min(5_000, Math.ceil(requestTimeoutMs / 4)),
  };
}

/** Answers anything thrown in Hasura's shape and logs what was not foreseen. */
export function answerError(
  options: Pick<ServerOptions, 'log' | 'showsInternal'>,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const known =
    serverError(error) ?? loggedError(error, options.log, 'request failed', { request_id: request.id });
  return sendError(reply, known, options.showsInternal(request.notes?.session ?? null));
}

function sendError(reply: FastifyReply, error: NearjoinError, withInternal: boolean): FastifyReply {
  return reply
    .code(statusOf(error))
    .type('application/json; charset=utf-8')
    .send(JSON.stringify(hasuraErrorBody(error, withInternal)));
}

/** What is refused before it comes to a route (body too large, malformed URL …), with its status. */
export function serverError(error: unknown): NearjoinError | null {
  if (error instanceof UnreadBody) return error;
  if (!(error instanceof Error) || !('statusCode' in error) || typeof error.statusCode !== 'number')
    return null;
  if (error.statusCode < 400 || error.statusCode >= 500) return null;
  return new RefusedError(error.statusCode, 'bad-request', messageOf(error), { cause: error });
}

/** A caller's own id is kept when it is harmless in a header and a log; else a random start and a count, unique and cheap. */
function requestIds(): (request: Pick<FastifyRequest, 'headers'>) => string {
  const start = randomBytes(9).toString('hex');
  let count = 0;
  return ({ headers }) => {
    const given = headers['x-request-id'];
    if (typeof given === 'string' && /^[\w.:-]{1,128}$/.test(given)) return given;
    count += 1;
    return `${start}-${count.toString(36)}`;
  };
}
