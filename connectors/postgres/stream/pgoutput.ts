import { ConnectorError } from '../../connector.ts';

/** A message of the target's log, as against one that only says how far it is. */
export const WAL_DATA = 0x77;
/** What stands before the pgoutput message in one: its kind, and three numbers of eight bytes. */
export const WAL_HEADER_BYTES = 25;

/** Kinds of pgoutput messages that hold rows. */
export const INSERT = 0x49;
export const UPDATE = 0x55;
export const DELETE = 0x44;

/** What stands before the new row in them. */
export const NEW_ROW = 0x4e;

/** Kinds of cells. */
export const IS_NULL = 0x6e;
export const IS_UNCHANGED = 0x75;
export const IS_TEXT = 0x74;

/** The failure of a stream that holds what no stream may. */
export function malformed(what: string): ConnectorError {
  return new ConnectorError('retry', `the stream is malformed: it holds ${what}`);
}
