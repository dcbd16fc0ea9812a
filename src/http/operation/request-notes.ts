import type { ErrorCode } from '../../core/errors.ts';
import type { TargetReport } from '../../read/freshness.ts';
import type { Session } from '../auth/session.ts';
import type { OperationResult } from './graphql-reply.ts';

/** What the request log needs of one operation. */
export interface OperationNote {
  readonly name: string | null;
  readonly elapsedMs: number;
  /** Null where it was answered. */
  readonly code: ErrorCode | null;
  readonly targets: readonly TargetReport[];
}

/**
 * The note of an operation that has ended. It leaves out the answer's bytes: those of a whole batch would be kept until its
 * end.
 */
export function noteOf(name: string | null, elapsedMs: number, result: OperationResult): OperationNote {
  if (result.kind === 'error') return { name, elapsedMs, code: result.error.code, targets: [] };
  return { name, elapsedMs, code: null, targets: result.targets };
}

/** What a request's handlers leave for the log line at its end. */
export interface RequestNotes {
  session: Session | null;
  operations: OperationNote[];
  /** Stands in the log for a path that holds values. */
  path: string | null;
}

declare module 'fastify' {
  interface FastifyRequest {
    notes: RequestNotes | null;
  }
}
