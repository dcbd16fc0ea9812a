import { sqlStateOf } from '../cache/queryable.ts';
import { messageOf } from '../core/errors.ts';

/** What may be told of a failure: Postgres quotes row values in messages about data, so those are left out. */
export function say(error: unknown): string {
  const state = sqlStateOf(error);
  if (state === undefined || !/^(22|23)/.test(state)) return messageOf(error);
  return `the source database refused a value (SQLSTATE ${state})`;
}
