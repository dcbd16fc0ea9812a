/** Hasura's error codes we use, then our own. Each has a line in docs/errors.md. */
export const ERROR_CODES = [
  'access-denied',
  'already-exists',
  'already-tracked',
  'already-untracked',
  'bad-request',
  'conflict',
  'data-exception',
  'dependency-error',
  'invalid-configuration',
  'invalid-headers',
  'invalid-json',
  'invalid-jwt',
  'invalid-params',
  'jwt-invalid-claims',
  'jwt-missing-role-claims',
  'metadata-warnings',
  'method-not-allowed',
  'not-exists',
  'not-found',
  'not-supported',
  'parse-failed',
  'permission-denied',
  'postgres-error',
  'start-failed',
  'unexpected',
  'unexpected-payload',
  'validation-failed',
  'not-fresh',
  'target-unavailable',
  'source-unavailable',
  'live-limit-exceeded',
  'position-unknown',
  'query-too-complex',
  'result-too-large',
  'schema-changed',
  'timed-out',
  'depth-limit-exceeded',
  'node-limit-exceeded',
  'time-limit-exceeded',
  'batch-limit-exceeded',
  'rate-limit-exceeded',
] as const;

/** One of the codes a client can meet. */
export type ErrorCode = (typeof ERROR_CODES)[number];

/** Where in a request the error lies, in Hasura's JSONPath form. */
export type ErrorPath = string;

/** An error meant for a person outside: coded, located, and free of row values and secrets. */
export class NearjoinError extends Error {
  readonly code: ErrorCode;
  readonly path: ErrorPath;
  /** Details for administrators only. */
  readonly internal: unknown;

  constructor(
    code: ErrorCode,
    message: string,
    options: { readonly path?: ErrorPath; readonly cause?: unknown; readonly internal?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'NearjoinError';
    this.code = code;
    this.path = options.path ?? '$';
    this.internal = options.internal;
  }
}

/** The message of anything thrown, for logs and status texts. */
export function messageOf(error: unknown): string {
  // A host with several addresses fails once for each of them, and the whole has no message of its own.
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
