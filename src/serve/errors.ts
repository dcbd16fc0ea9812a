import { messageOf, NearjoinError } from '../core/errors.ts';

/** Wraps a failure of something the process cannot start without; the text says what to look at. */
export function cannotStart(what: string, error: unknown): NearjoinError {
  return new NearjoinError('start-failed', `${what}: ${messageOf(error)}`, { cause: error });
}
