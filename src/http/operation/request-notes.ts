import type { Session } from '../auth/session.ts';
import type { OperationResult } from './graphql-reply.ts';

/** What the request log needs of one operation. */
export interface OperationNote {
  readonly name: string | null;
  readonly elapsedMs: number;
  readonly result: OperationResult;
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
