import { messageOf } from '../../src/core/errors.ts';
import { serverAdvice } from '../../src/core/postgres/server-advice.ts';
import {
  INSUFFICIENT_PRIVILEGE,
  isNoTable,
  isOfLibrary,
  LOCK_NOT_AVAILABLE,
  sqlStateOf,
  UNTRANSLATABLE_CHARACTER,
} from '../../src/core/postgres/sql-state.ts';
import { ConnectorError, type ConnectorFailure, refusalState } from '../connector.ts';

/** What nearjoin was doing when the target failed: some codes mean different things in different places. */
export type Doing = 'connect' | 'administer' | 'stream' | 'snapshot';

/** Codes that mean an administrator must change something, wherever they come from. */
const UNFIT_CODES: ReadonlySet<string> = new Set([
  '28000', // login refused, also: no pg_hba.conf entry
  '28P01', // wrong password
  '3D000', // no such database
  INSUFFICIENT_PRIVILEGE,
  '53400', // all replication slots are in use
  '0A000', // a feature this server lacks
  '42601', // a command this server does not know
  '42883', // a function this server does not know
]);

/**
 * Codes that, from a stream whose slot and settings were looked at just before, mean that the history it would
 * need is gone: slot dropped or invalidated (42704, 55000), WAL removed (58P01), publication dropped (42704).
 */
const SLOT_LOST_CODES: ReadonlySet<string> = new Set(['42704', '55000', '58P01']);

/** The same failure as a ConnectorError, classed by the server's code, else taken for a passing trouble. */
export function toConnectorError(error: unknown, doing: Doing): ConnectorError {
  if (error instanceof ConnectorError) return error;
  const code = sqlStateOf(error);
  const failure = failureOf(error, code, doing);
  const advice = failure === 'unsendable' && isOfSize(error, code) ? TOO_LARGE : serverAdvice(code);
  const suffix = code === null ? '' : ` (${code})${advice === null ? '' : `: ${advice}`}`;
  // The parser of connection strings puts the whole string, password included, into its errors.
  if (isBadUrl(error)) return new ConnectorError('unfit', 'the connection string of the target is malformed');
  const phrase = phraseOf(error, code, doing);
  // Postgres quotes values of rows in messages about data.
  const said = /^(22|23)/.test(code ?? '') ? 'it refused a value' : messageOf(error);
  return new ConnectorError(failure, `${phrase}: ${said}${suffix}`, error);
}

const TOO_LARGE =
  'a row is larger than Postgres can send, 1 GB as text, in which a byte of bytea takes two: make it smaller, or leave its table out of the cache';

/** A pool connects when it is asked for something, so whatever was to be done failed before it began. */
function isOfConnecting(error: unknown, code: string | null): boolean {
  if (code !== null) return /^(28|3D000|53300|57P03)/.test(code);
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  return (
    first instanceof Error && 'syscall' in first && ['connect', 'getaddrinfo'].includes(String(first.syscall))
  );
}

function phraseOf(error: unknown, code: string | null, doing: Doing): string {
  if (isOfConnecting(error, code)) return PHRASES.connect;
  return doing === 'administer' && code === null ? 'the target did not answer' : PHRASES[doing];
}

const PHRASES: Readonly<Record<Doing, string>> = {
  connect: 'could not connect to the target',
  administer: 'the target refused a command',
  stream: 'the stream of changes broke',
  snapshot: 'the copy of a table broke',
};

const NO_TEXT = '22021';
/** What a function raises that gives its error no code. */
const RAISED = 'P0001';

/** Somebody holds a lock longer than we wait. */
export function isLocked(error: unknown): boolean {
  return refusalState(error) === LOCK_NOT_AVAILABLE;
}

/** The table is gone, or its schema. */
export function isUndefined(error: unknown): boolean {
  return isNoTable(refusalState(error));
}

/** A right is missing, which may have been there a moment ago. */
export function isDenied(error: unknown): boolean {
  return refusalState(error) === INSUFFICIENT_PRIVILEGE;
}

/** A right is missing, or somebody's event trigger does not let it be done. */
export function isForbidden(error: unknown): boolean {
  return isDenied(error) || refusalState(error) === RAISED;
}

/** Another session holds the slot. */
export function isHeld(error: unknown): boolean {
  return refusalState(error) === '55006';
}

/** What should be dropped is not there. */
export function isGone(error: unknown): boolean {
  return refusalState(error) === '42704';
}

/** What should be made is there. */
export function isThereAlready(error: unknown): boolean {
  return refusalState(error) === '42710';
}

function failureOf(error: unknown, code: string | null, doing: Doing): ConnectorFailure {
  if (code === null) return 'retry';
  const isReading = doing === 'stream' || doing === 'snapshot';
  const isUnsendable = isOfSize(error, code) || isNoText(code) || isOfLibrary(error);
  return isReading && isUnsendable ? 'unsendable' : failureOfCode(code, doing);
}

/** What is sent is UTF-8: some encodings hold bytes or characters that cannot be told in it. */
function isNoText(code: string | null): boolean {
  return code === NO_TEXT || code === UNTRANSLATABLE_CHARACTER;
}

/** A buffer that would be larger than 1 GB has a code of its own, a single piece of memory has not. */
function isOfSize(error: unknown, code: string | null): boolean {
  return (
    code === '54000' || (code === 'XX000' && messageOf(error).startsWith('invalid memory alloc request size'))
  );
}

function failureOfCode(code: string, doing: Doing): ConnectorFailure {
  if (doing === 'stream' && SLOT_LOST_CODES.has(code)) return 'slot-lost';
  return UNFIT_CODES.has(code) ? 'unfit' : 'retry';
}

function isBadUrl(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_INVALID_URL';
}
