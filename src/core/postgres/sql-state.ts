/**
 * The SQLSTATE of what a server of Postgres answered; null for any other error. Those of the system have codes too, of which some look
 * like one (`EPIPE`), but no severity.
 */
export function sqlStateOf(error: unknown): string | null {
  if (!(error instanceof Error) || !('severity' in error) || !('code' in error)) return null;
  return typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code) ? error.code : null;
}

/** A right is missing. */
export const INSUFFICIENT_PRIVILEGE = '42501';
/** A lock did not come in time. */
export const LOCK_NOT_AVAILABLE = '55P03';
/** The encoding lacks a character. */
export const UNTRANSLATABLE_CHARACTER = '22P05';
/** Somebody, or a time limit, has cancelled the statement. */
export const QUERY_CANCELED = '57014';
/** A check inside the server failed. */
export const INTERNAL_ERROR = 'XX000';

const UNDEFINED_TABLE = '42P01';
const INVALID_SCHEMA_NAME = '3F000';

/** Whether a table, or its schema, is not there. */
export function isNoTable(state: string | null): boolean {
  return state === UNDEFINED_TABLE || state === INVALID_SCHEMA_NAME;
}

/**
 * The library of a type's functions cannot be loaded. A removed segment of WAL, or a relation's missing file, has the same code, and
 * messages are translated: the part of the server that reports it is not.
 */
export function isOfLibrary(error: unknown): boolean {
  return sqlStateOf(error) !== null && error instanceof Error && 'file' in error && error.file === 'dfmgr.c';
}
