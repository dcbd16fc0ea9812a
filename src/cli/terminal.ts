import { messageOf, NearjoinError } from '../core/errors.ts';
import { scrub } from '../ops/log.ts';

/** Prints a line a person asked for; exit code 0. */
export function tell(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}

/** Prints why a command cannot do its work; exit code 1. */
export function complain(text: string): number {
  process.stderr.write(`nearjoin ${scrub(text)}\n`);
  return 1;
}

/** An error for a person at a terminal: our own text, and for a failed connection what the system said. */
export function explainError(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join(', ');
  if (error instanceof NearjoinError && error.cause !== undefined && error.code === 'unexpected') {
    return `${error.message}: ${explainError(error.cause)}`;
  }
  return messageOf(error);
}
