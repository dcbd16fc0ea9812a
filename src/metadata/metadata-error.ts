import { type ErrorCode, NearjoinError } from '../core/errors.ts';

/** A refused metadata command; carries the HTTP status where Hasura's differs from the code's usual one. */
export class MetadataError extends NearjoinError {
  readonly status: number;

  constructor(
    code: ErrorCode,
    message: string,
    options: { readonly path?: string; readonly internal?: unknown; readonly status?: number } = {},
  ) {
    super(code, message, { path: options.path ?? '$.args', internal: options.internal });
    this.name = 'MetadataError';
    this.status = options.status ?? statusOf(code);
  }
}

/** The HTTP status Hasura's metadata API gives an error of this code. */
function statusOf(code: ErrorCode): number {
  if (code === 'conflict') return 409;
  if (code === 'not-found') return 404;
  if (code === 'unexpected' || code === 'postgres-error') return 500;
  return 400;
}

/** The body Hasura's metadata API gives an error. */
export function errorBody(error: NearjoinError): Record<string, unknown> {
  const body = { path: error.path, error: error.message, code: error.code };
  return error.internal === undefined ? body : { ...body, internal: error.internal };
}

/** The whole answer to a refused request. */
export function refusalAnswer(error: NearjoinError): { readonly status: number; readonly body: unknown } {
  return {
    status: error instanceof MetadataError ? error.status : statusOf(error.code),
    body: errorBody(error),
  };
}

/** The same error, seen from a request whose part `prefix` (as `$.args[1]`) was the command. */
export function relocate(error: unknown, prefix: string): unknown {
  if (!(error instanceof NearjoinError)) return error;
  return new MetadataError(error.code, error.message, {
    path: prefix + error.path.slice(1),
    internal: error.internal,
    status: refusalAnswer(error).status,
  });
}
