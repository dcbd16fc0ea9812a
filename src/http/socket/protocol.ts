import type { JsonText } from '../../core/json/json-text.ts';
import type { Effect } from './effects.ts';
import type { Vocabulary } from './messages.ts';

/** Hasura's two sub-protocols: the present one and the older one of Apollo. */
export type ProtocolName = 'graphql-transport-ws' | 'graphql-ws';

/** How a sub-protocol says things, and what it does where the two differ. */
export interface Protocol {
  readonly name: ProtocolName;
  /** What clients say. */
  readonly words: Vocabulary;
  /** What an answer is sent as. */
  readonly answer: 'next' | 'data';
  /** Said when the client is let in. */
  readonly acknowledged: readonly string[];
  readonly alive: string;
  readonly pong: (payload: unknown) => string;
  readonly completed: (id: string) => string;
  /** The end of an operation that was refused. */
  readonly refusedOperation: (id: string, error: JsonText) => readonly string[];
  /** The end of a query that failed while it ran. */
  readonly failedQuery: (id: string, error: JsonText) => readonly string[];
  readonly onMalformed: (problem: string) => readonly Effect[];
  readonly onRefused: (reason: string) => readonly Effect[];
  /** Of an operation before `connection_init`; those after it wait until the client is let in. */
  readonly onEarlyStart: (id: string) => readonly Effect[];
  readonly onRepeatedId: (id: string) => readonly Effect[];
}

/** An operation's message around an answer, in two pieces: the answer's own bytes go between them. */
export function around(protocol: Protocol, id: string): { readonly before: string; readonly after: string } {
  return { before: `{"type":"${protocol.answer}","id":${JSON.stringify(id)},"payload":`, after: '}' };
}

/** The payload of an answer that is an error. */
export function errorsOf(error: JsonText): string {
  return `{"errors":[${error}]}`;
}
