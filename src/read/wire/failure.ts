import { INTERNAL_ERROR, QUERY_CANCELED } from '../../core/postgres/sql-state.ts';
import { orStopped } from '../../core/waiting/or-stopped.ts';
import type { StopSignal } from '../../core/waiting/stop-signal.ts';

/** An error that Postgres reported. The message may quote values: it goes to administrators, not to clients, unless its class is harmless. */
export class PostgresError extends Error {
  /** SQLSTATE. */
  readonly state: string;
  /** The server's function that raised it: the same in every language. */
  readonly routine: string;
  /** The statement that it is about is one that a function makes. */
  readonly isWithinFunction: boolean;
  /** Ended by a cancel request that was meant for another request of the same session. */
  readonly bystander: boolean;

  constructor(fields: ReadonlyMap<string, string>, bystander: boolean) {
    super(fields.get('M') ?? 'database error');
    this.name = 'PostgresError';
    this.state = fields.get('C') ?? 'XX000';
    this.routine = fields.get('R') ?? '';
    this.isWithinFunction = fields.has('q');
    this.bystander = bystander;
  }
}

/** The connection could not be made or broke while a request was on it. */
export class ConnectionLost extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'ConnectionLost';
  }
}

/** There is no session to ask on: it would be no better at once. */
class NoSession extends ConnectionLost {}

/** The server does not work for the session any more, and its network did not tell. */
export class Unserved extends Error {
  constructor() {
    super('the server does not work for the session any more');
    this.name = 'Unserved';
  }
}

/** No connection could be made. */
export class NotConnected extends NoSession {
  constructor(cause: unknown) {
    super('no connection to the database', cause);
    this.name = 'NotConnected';
  }
}

/** Every session that could be lent was held by others for as long as one may wait. */
export class SessionsTaken extends NoSession {
  constructor() {
    super('every session for transactions is taken');
    this.name = 'SessionsTaken';
  }
}

/** Its values are more than a message to Postgres holds; nothing of the request was sent. */
export class RequestTooLarge extends Error {
  constructor(what: string) {
    super(what);
    this.name = 'RequestTooLarge';
  }
}

/** A row was longer than the limit. */
export class RowTooLarge extends Error {
  readonly limit: number;

  constructor(bytes: number, limit: number) {
    super(`a row of ${bytes} bytes is over the limit of ${limit}`);
    this.name = 'RowTooLarge';
    this.limit = limit;
  }
}

/** Whether to run the same statement once more, which is safe since our statements only read. */
export function isWorthRepeating(error: unknown): boolean {
  if (error instanceof ConnectionLost) return !(error instanceof NoSession);
  if (!(error instanceof PostgresError)) return false;
  const isOutlived = error.state === '0A000' && error.routine === 'RevalidateCachedQuery';
  return isOutlived || ['26000', INTERNAL_ERROR].includes(error.state) || isBystander(error);
}

/** Ended by a cancel request that was meant for another request of the same session. */
export function isBystander(error: unknown): boolean {
  return error instanceof PostgresError && error.state === QUERY_CANCELED && error.bystander;
}

/** Sent on a session that its server knew nothing of: the next one may be no better. */
export function isUnserved(error: unknown): boolean {
  return error instanceof ConnectionLost && error.cause instanceof Unserved;
}

/** A relation, a schema, a type, or a column is not there. */
export function isUndefined(error: unknown): boolean {
  return error instanceof PostgresError && ['42P01', '3F000', '42703', '42704'].includes(error.state);
}

/** The files of a relation are not there, are damaged, or are on a disk that fails. */
export function isUnreadable(error: unknown): boolean {
  return error instanceof PostgresError && /^(58|XX00[12])/.test(error.state);
}

/** Whether a connection that broke is behind an error. */
export function isConnectionLost(error: unknown): boolean {
  if (error instanceof ConnectionLost) return !(error instanceof NoSession);
  return error instanceof Error && isConnectionLost(error.cause);
}

/**
 * The prepared statement is gone, its result is of other types than before, or it may be of rows that have other columns by now: the
 * server does not prepare one anew for what a function returns, and fails a check of its own.
 */
export function isStale(error: PostgresError): boolean {
  return ['26000', '0A000', INTERNAL_ERROR].includes(error.state);
}

/** Waits for a session that is being opened only until the signal aborts. */
export function unlessStopped<T>(opening: Promise<T>, signal: StopSignal | null): Promise<T> {
  return signal === null ? opening : orStopped(opening, signal, () => abortError(signal));
}

/** What a request fails with whose signal aborted. */
export function abortError(signal: StopSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error('aborted');
}
