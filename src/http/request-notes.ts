import type { Session } from './session.ts';

/** What is said of one operation in the request log: nothing a user wrote but the operation's name. */
export interface OperationNote {
  readonly name: string | null;
  readonly ms: number;
  readonly code: string | null;
  readonly routes: readonly string[];
}

/** What a request's handlers leave for the log line at its end. */
export interface RequestNotes {
  session: Session | null;
  operations: OperationNote[];
}

declare module 'fastify' {
  interface FastifyRequest {
    notes: RequestNotes | null;
  }
}
