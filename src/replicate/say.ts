import { ConnectorError } from '../../connectors/connector.ts';
import { sqlStateOf } from '../cache/queryable.ts';
import { messageOf } from '../core/errors.ts';
import { printTable } from '../core/names.ts';
import { sourceAdvice } from '../core/server-advice.ts';
import { TableBroken } from './interruptions.ts';

/** What may be told of a failure: Postgres quotes row values in messages about data, so those are left out. */
export function say(error: unknown): string {
  const said = messageOf(error);
  if (error instanceof TableBroken) return `${printTable(error.table)}: ${said}`;
  const state = sqlStateOf(error);
  if (state === undefined)
    return isLost(error) ? `the connection to the source database was lost: ${said}` : said;
  if (isDiskFull(error)) return `the disk of the source database is full: ${said}`;
  const advice = sourceAdvice(state);
  const suffix = advice === null ? '' : `: ${advice}`;
  if (/^(22|23)/.test(state)) return `the source database refused a value (SQLSTATE ${state})${suffix}`;
  return `the source database refused a statement: ${said} (${state})${suffix}`;
}

/** What the driver of the source's sessions, or the system, says of a broken connection; a target's is told by its connector. */
function isLost(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (
    'syscall' in error || /^(Connection terminated|Client (was closed|has encountered))/.test(error.message)
  );
}

/**
 * The source has no room for what was to be written, or the target for what it takes to decode or read: whoever tries again
 * at once takes what its users free.
 */
export function isDiskFull(error: unknown): boolean {
  const isOfAnother = error instanceof ConnectorError || error instanceof TableBroken;
  return sqlStateOf(isOfAnother ? error.cause : error) === '53100';
}
