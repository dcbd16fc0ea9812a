import pg from 'pg';
import { ConnectorError } from '../../connectors/connector.ts';
import { messageOf } from '../core/errors.ts';
import { printTable } from '../core/names.ts';
import { sourceAdvice } from '../core/postgres/server-advice.ts';
import { sqlStateOf } from '../core/postgres/sql-state.ts';
import { TableBroken } from './interruptions.ts';

/** What may be told of a failure: Postgres quotes row values in messages about data, so those are left out. */
export function say(error: unknown): string {
  const said = messageOf(error);
  if (error instanceof TableBroken) return `${printTable(error.table)}: ${said}`;
  const state = sqlStateOf(error);
  if (state === null) return isLost(error) ? `the connection to the source database was lost: ${said}` : said;
  if (isDiskFull(error)) return `the disk of the source database is full: ${said}`;
  if (/^(22|23)/.test(state)) return `the source database refused a value ${refusalOf(error)}`;
  if (ruleOf(error) !== null) return `the source database refused a statement ${refusalOf(error)}`;
  return `the source database refused a statement: ${said}${dependentsIn(error)} (${state})${adviceOn(state)}`;
}

/** What keeps something from being dropped: names alone. */
function dependentsIn(error: unknown): string {
  if (!(error instanceof pg.DatabaseError) || sqlStateOf(error) !== '2BP01' || error.detail === undefined)
    return '';
  return `: ${error.detail.replaceAll('\n', '; ')}`;
}

/** By which rule the source refused something, without a word that may be about a row; and what can be done. */
export function refusalOf(error: unknown): string {
  const state = sqlStateOf(error) ?? '';
  const rule = ruleOf(error);
  return `(SQLSTATE ${state}${rule === null ? '' : `, by ${rule}`})${adviceOn(state)}`;
}

function adviceOn(state: string): string {
  const advice = sourceAdvice(state);
  return advice === null ? '' : `: ${advice}`;
}

/** The constraint or function that the server names. */
function ruleOf(error: unknown): string | null {
  if (!(error instanceof pg.DatabaseError)) return null;
  const raised = RAISED.exec(error.where ?? '');
  if (raised?.[1] !== undefined) return `function ${raised[1]}`;
  return error.constraint === undefined ? null : `constraint ${error.constraint}`;
}

/** Its name, with the types of its arguments. */
const RAISED = /^PL\/\S+ function ("[^"]+"|[^\s(]+\([^)]*\))/;

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
