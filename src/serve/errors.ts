import { messageOf, NearjoinError } from '../core/errors.ts';

/** Wraps a failure of something the process cannot start without; the text says what to look at. */
export function cannotStart(what: string, error: unknown): NearjoinError {
  return new NearjoinError('start-failed', `${what}: ${reasonOf(error)}`, { cause: error });
}

/** Node gathers the refusals of several addresses in an error without a text of its own. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join(', ');
  return messageOf(error);
}
