import { type ErrorCode, NearjoinError } from '../core/errors.ts';
import { type JsonText, jsonText } from '../core/json/json-text.ts';
import type { Log } from '../ops/log.ts';

/** A refusal whose HTTP status does not follow from its code. */
export class RefusedError extends NearjoinError {
  readonly status: number;

  constructor(
    status: number,
    code: ErrorCode,
    message: string,
    options: { readonly path?: string; readonly cause?: unknown } = {},
  ) {
    super(code, message, options);
    this.status = status;
  }
}

/** The error to tell outsiders for anything thrown; what was not foreseen becomes `unexpected`, without its text. */
export function publicError(error: unknown): NearjoinError {
  if (error instanceof NearjoinError) return error;
  return new NearjoinError('unexpected', 'internal error', { cause: error });
}

/** As `publicError`. The cause of anything unforeseen is told to nobody outside, so it is written to the log. */
export function loggedError(
  error: unknown,
  log: Pick<Log, 'error'>,
  what: string,
  fields: { readonly request_id?: string } = {},
): NearjoinError {
  const known = publicError(error);
  if (known.code === 'unexpected') log.error({ err: error, ...fields }, what);
  return known;
}

/** One member of a GraphQL answer's `errors`. */
export function graphqlErrorJson(error: NearjoinError, withInternal: boolean): JsonText {
  const { path, error: message, ...told } = hasuraErrorBody(error, withInternal);
  return jsonText(JSON.stringify({ message, extensions: { path, ...told } }));
}

/** Hasura's error body of everything that is not GraphQL. */
export function hasuraErrorBody(
  error: NearjoinError,
  withInternal: boolean,
): { path: string; error: string; code: ErrorCode; internal?: unknown } {
  const internal = withInternal && error.internal !== undefined ? { internal: error.internal } : {};
  return { path: error.path, error: error.message, code: error.code, ...internal };
}

/** The HTTP status of an error: of every endpoint but `/v1/graphql`, where Hasura says 200 unless asked otherwise. */
export function statusOf(error: NearjoinError): number {
  return error instanceof RefusedError ? error.status : (STATUS[error.code] ?? 400);
}

const STATUS: Partial<Record<ErrorCode, number>> = {
  'access-denied': 401,
  conflict: 409,
  'method-not-allowed': 405,
  'not-found': 404,
  'permission-denied': 403,
  'not-fresh': 503,
  'schema-changed': 503,
  'source-unavailable': 503,
  'target-unavailable': 503,
  'timed-out': 504,
  'time-limit-exceeded': 504,
  'rate-limit-exceeded': 429,
  'start-failed': 500,
  unexpected: 500,
  'postgres-error': 500,
};
