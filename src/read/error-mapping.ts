import { NearjoinError } from '../core/errors.ts';
import type { SourceName } from '../core/names.ts';
import {
  INSUFFICIENT_PRIVILEGE,
  INTERNAL_ERROR,
  QUERY_CANCELED,
  UNTRANSLATABLE_CHARACTER,
} from '../core/postgres/sql-state.ts';
import {
  ConnectionLost,
  isUndefined,
  PostgresError,
  RequestTooLarge,
  RowTooLarge,
  SessionsTaken,
} from './wire/failure.ts';

/** Which side of a relationship failed. */
export type Side = 'source' | 'target';

/**
 * An error that may come from a catalog that is out of date about these databases. If the catalog turns out to be current,
 * the error stands.
 */
export class StatementOutdated extends NearjoinError {
  readonly databases: readonly SourceName[];

  constructor(
    databases: readonly SourceName[],
    { code, message, cause, internal }: Pick<NearjoinError, 'code' | 'message' | 'cause' | 'internal'>,
  ) {
    super(code, message, { cause, internal });
    this.name = 'StatementOutdated';
    this.databases = databases;
  }
}

/**
 * As StatementOutdated for an error about a value: the value may be of a column whose type has changed, and the message would
 * quote it to somebody who never sent it.
 */
export function perhapsOutdated(error: unknown, databases: readonly SourceName[]): unknown {
  const isOfValue = error instanceof NearjoinError && error.code === 'data-exception';
  return isOfValue ? new StatementOutdated(databases, error) : error;
}

/** Turns what a database or the way to it reports into an error for clients; anything else stays what it is. */
export function readError(error: unknown, database: SourceName, side: Side): unknown {
  if (error instanceof NearjoinError) return error;
  if (error instanceof ConnectionLost) {
    const how = error instanceof SessionsTaken ? 'is busy with other answers' : 'does not answer';
    return new NearjoinError(`${side}-unavailable`, `database "${database}" ${how}`, { cause: error });
  }
  if (error instanceof RowTooLarge) {
    const message = `the answer of database "${database}" is longer than ${error.limit} bytes; ask for fewer rows or columns`;
    return new NearjoinError('result-too-large', message, { cause: error });
  }
  if (error instanceof RequestTooLarge)
    return new NearjoinError('query-too-complex', `query is too complex: ${error.message}`, { cause: error });
  return error instanceof PostgresError ? fromPostgres(error, database, side) : error;
}

const RAISED_BY_FUNCTION = 'exec_stmt_raise';
const INVALID_ESCAPE_SEQUENCE = '22025';
const FEATURE_NOT_SUPPORTED = '0A000';
const SYNTAX_ERROR = '42601';
/** The one limit that may be about a value, which its message quotes; the others are about depth, columns and arguments. */
const TOO_LARGE = '54000';

/** Errors about values keep their message; everything else is ours to look into. */
function fromPostgres(error: PostgresError, database: SourceName, side: Side): NearjoinError {
  const internal = { database, error: { message: error.message, status_code: error.state } };
  const aboutValues = ofValues(error, database, internal);
  if (aboutValues !== null) return aboutValues;
  // Whatever state a function chooses to raise, the database answers.
  if (error.routine === RAISED_BY_FUNCTION) return queryError(error, internal);
  if (error.state.startsWith('54')) {
    const words = error.state === TOO_LARGE ? '' : `: ${error.message}`;
    const message = `database "${database}" finds this too complex${words}; ask for fewer fields or conditions`;
    return new NearjoinError('query-too-complex', message, { cause: error, internal });
  }
  if (error.state === QUERY_CANCELED) {
    return new NearjoinError('timed-out', `database "${database}" took too long to answer`, {
      cause: error,
      internal,
    });
  }
  const trouble = troubleOf(error.state);
  if (trouble !== null) {
    const message = `database "${database}" ${trouble}`;
    return new NearjoinError(`${side}-unavailable`, message, { cause: error, internal });
  }
  const isOfStatement = error.state.startsWith('42') || ['3F000', INTERNAL_ERROR].includes(error.state);
  // A name that is wrong inside a function stays wrong when the query is planned again.
  if (isOfStatement && !error.isWithinFunction) return misfit(error, database, internal);
  return queryError(error, internal);
}

function queryError(cause: PostgresError, internal: unknown): NearjoinError {
  return new NearjoinError('unexpected', 'database query error', { cause, internal });
}

/** The error about a value of the request or of a row; null when it is about something else. */
function ofValues(cause: PostgresError, database: SourceName, internal: unknown): NearjoinError | null {
  const { state, message } = cause;
  if (state === INVALID_ESCAPE_SEQUENCE)
    return new NearjoinError('bad-request', message, { cause, internal });
  // For example a jsonpath that needs to know the time zone, or a pattern under a collation that takes no patterns.
  if (state === FEATURE_NOT_SUPPORTED)
    return new NearjoinError('not-supported', message, { cause, internal });
  // The message quotes the character, which may be in a row that nobody asked for.
  if (state === UNTRANSLATABLE_CHARACTER) {
    const told = `database "${database}" has an encoding that lacks a character of what this compares or shows`;
    return new NearjoinError('data-exception', told, { cause });
  }
  // Our own statements parse, so what does not parse is a value, such as a jsonpath or an lquery.
  const isOfValue = state.startsWith('22') || state === SYNTAX_ERROR;
  return isOfValue ? new NearjoinError('data-exception', message, { cause, internal }) : null;
}

function misfit(cause: PostgresError, database: SourceName, internal: unknown): StatementOutdated {
  if (!isUndefined(cause))
    return new StatementOutdated([database], {
      code: 'unexpected',
      message: 'database query error',
      cause,
      internal,
    });
  const message = `a table or column that this reads was changed in database "${database}" a moment ago; ask again`;
  return new StatementOutdated([database], { code: 'schema-changed', message, cause, internal });
}

/** What keeps the database from answering anything at all; null when it is something else. */
function troubleOf(state: string): string | null {
  if (/^(57P|08|53)/.test(state)) return 'cannot answer now';
  // Which right is missing only concerns those who run the server: the log says it.
  return state === INSUFFICIENT_PRIVILEGE ? 'denies the server a right that this needs' : null;
}

/** Whether a failure is for those who run the server to look into, although its code is not `unexpected`. */
export function isForOperators(error: NearjoinError): boolean {
  const { cause } = error;
  if (cause instanceof NearjoinError) return isForOperators(cause);
  return cause instanceof PostgresError && (cause.state === INSUFFICIENT_PRIVILEGE || isUndefined(cause));
}
