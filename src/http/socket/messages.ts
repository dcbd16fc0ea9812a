import { z } from 'zod';
import { NearjoinError } from '../../core/errors.ts';
import { parseJsonExactly } from '../operation/lossless-json.ts';

/** What a client says over a socket, whichever sub-protocol it speaks. */
export type ClientMessage =
  | { readonly kind: 'init'; readonly headers: Readonly<Record<string, string>> }
  | { readonly kind: 'start'; readonly id: string; readonly payload: unknown }
  | { readonly kind: 'stop'; readonly id: string }
  | { readonly kind: 'ping'; readonly payload: unknown }
  | { readonly kind: 'pong' }
  | { readonly kind: 'terminate' }
  /** Not a message of the protocol; `problem` does not quote it. */
  | { readonly kind: 'malformed'; readonly problem: string };

const init = z.looseObject({
  payload: z.looseObject({ headers: z.record(z.string(), z.string()).nullish() }).nullish(),
});
const start = z.looseObject({ id: z.string().min(1).max(256), payload: z.looseObject({}) });
const stop = z.looseObject({ id: z.string().max(256) });
/** A ping's payload; many clients send none. */
const ping = z.looseObject({ payload: z.unknown().optional() });
const typed = z.looseObject({ type: z.string() });

/** The words of a sub-protocol for what a client can say. */
export type Vocabulary = ReadonlyMap<string, Exclude<ClientMessage['kind'], 'malformed'>>;

/** Reads one message; numbers in it stay exact. */
export function readClientMessage(text: string, words: Vocabulary): ClientMessage {
  let value: unknown;
  try {
    value = parseJsonExactly(text);
  } catch (error) {
    const problem = error instanceof NearjoinError ? error.message : 'not a valid json value';
    return { kind: 'malformed', problem };
  }
  const message = typed.safeParse(value);
  if (!message.success) return { kind: 'malformed', problem: 'key "type" not found' };
  const kind = words.get(message.data.type);
  if (kind === undefined) return { kind: 'malformed', problem: 'unexpected type for ClientMessage' };
  // What a ping brings is only sent back: it stays plain JSON.
  return ofKind(kind, kind === 'ping' ? JSON.parse(text) : value);
}

function ofKind(kind: Exclude<ClientMessage['kind'], 'malformed'>, value: unknown): ClientMessage {
  switch (kind) {
    case 'init':
      return parsed(init, value, 'connection_init', ({ payload }) => ({
        kind,
        headers: payload?.headers ?? {},
      }));
    case 'start':
      return parsed(start, value, 'an operation', ({ id, payload }) => ({ kind, id, payload }));
    case 'stop':
      return parsed(stop, value, 'a stop', ({ id }) => ({ kind, id }));
    case 'ping':
      return parsed(ping, value, 'a ping', ({ payload }) => ({ kind, payload }));
    default:
      return { kind };
  }
}

function parsed<T>(
  schema: z.ZodType<T>,
  value: unknown,
  what: string,
  make: (data: T) => ClientMessage,
): ClientMessage {
  const result = schema.safeParse(value);
  if (result.success) return make(result.data);
  const at = result.error.issues[0]?.path.join('.') ?? '';
  return { kind: 'malformed', problem: `${what} has no valid "${at}"` };
}
