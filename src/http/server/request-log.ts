import type { FastifyReply, FastifyRequest } from 'fastify';
import { REST_PREFIX } from '../../catalog/part/endpoints.ts';
import type { Log } from '../../ops/log.ts';
import type { OperationNote, RequestNotes } from '../operation/request-notes.ts';

/** Paths that machines and watching people ask every few seconds: logged only when debugging. */
const QUIET: ReadonlySet<string> = new Set([
  '/healthz',
  '/hasura/healthz',
  '/metrics',
  '/v1/metrics',
  '/v1/version',
  '/v1/replication',
]);

/** One line for one request, as Hasura's `http-log`: who, what, how long; no query text, no value, no header. */
export function logRequest(log: Log, request: FastifyRequest, reply: FastifyReply): void {
  if (!log.isLevelEnabled('info')) return;
  const path = request.notes?.path ?? shownPath(request.url);
  const level = QUIET.has(path) && reply.statusCode < 500 ? 'debug' : 'info';
  if (!log.isLevelEnabled(level)) return;
  log[level](
    {
      type: 'http-log',
      request_id: request.id,
      ...traceOf(request.headers['traceparent']),
      method: request.method,
      path: path.slice(0, 200),
      status: reply.statusCode,
      ms: toMicros(reply.elapsedTime),
      ip: request.ip,
      bytes: Number(reply.getHeader('content-length') ?? 0),
      ...notesOf(request.notes),
    },
    'request',
  );
}

const TRACEPARENT = /^[\da-f]{2}-(?!0{32})([\da-f]{32})-[\da-f]{16}-[\da-f]{2}/;

/** The trace that the request is part of, where its caller says so in the form of the W3C. */
function traceOf(traceparent: string | readonly string[] | undefined): { readonly trace_id?: string } {
  const trace = typeof traceparent === 'string' ? TRACEPARENT.exec(traceparent)?.[1] : undefined;
  return trace === undefined ? {} : { trace_id: trace };
}

/** The path for the log. That of a REST endpoint holds values, so unless the endpoint is known only its prefix is shown. */
function shownPath(url: string): string {
  return url.startsWith(REST_PREFIX) ? `${REST_PREFIX}*` : (url.split('?', 1)[0] ?? '');
}

function notesOf(notes: RequestNotes | null): object {
  const { session = null, operations = [] } = notes ?? {};
  return {
    ...(session === null ? {} : { role: session.role.slice(0, LONGEST_NAME) }),
    ...(operations.length === 0 ? {} : { operations: operations.map(operationFields) }),
  };
}

/** Clients choose names of any length; the log cuts them. */
const LONGEST_NAME = 200;

/** The log's fields of one operation: of what the user wrote only its name. */
function operationFields({ name: given, elapsedMs, code, targets }: OperationNote): object {
  const name = given?.slice(0, LONGEST_NAME) ?? null;
  const routes = targets.map(({ target, route, detail }) => `${target}:${route}:${detail}`);
  return { name, ms: toMicros(elapsedMs), code, routes };
}

function toMicros(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
