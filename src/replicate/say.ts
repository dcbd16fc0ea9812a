import { sqlStateOf } from '../cache/queryable.ts';
import { messageOf } from '../core/errors.ts';

const READ_ONLY = '25006';

/** What may be told of a failure: Postgres quotes row values in messages about data, so those are left out. */
export function say(error: unknown): string {
  if (isDiskFull(error)) return `the disk of the source database is full: ${messageOf(error)}`;
  const state = sqlStateOf(error);
  if (state === READ_ONLY) return `${messageOf(error)}: the address of the source leads to a standby`;
  if (state === undefined || !/^(22|23)/.test(state)) return messageOf(error);
  return `the source database refused a value (SQLSTATE ${state})`;
}

/** The source has no room for what was to be written: whoever tries again at once takes what its users free. */
export function isDiskFull(error: unknown): boolean {
  return sqlStateOf(error) === '53100';
}
