import { INSUFFICIENT_PRIVILEGE } from './sql-state.ts';

const ADVICE: Readonly<Record<string, string>> = {
  '22021': 'its bytes are no text there: a database with encoding SQL_ASCII lets any bytes in',
  '22P05': 'its encoding lacks a character: only a database with encoding UTF8 holds all',
  // Read-only: a standby is, and so is whoever was told to be.
  '25006':
    'the address leads to a standby, or default_transaction_read_only is on there for the role or the database',
  '53100': 'make room on its disk',
  '53300':
    'none is free: raise max_connections (for a stream max_wal_senders) there, or the limit of the role or database, or end what holds them',
  '53400':
    'free what is used up, or raise what limits it there (max_replication_slots and a restart, or temp_file_limit)',
};

/** All that nearjoin makes in a source belongs to the role that made it, until somebody gives it to another. */
const OWNERSHIP =
  'the role of the source must own schema nearjoin and all that is in it ("reassign owned by … to …", "alter … owner to …"), and may create in its default_tablespace';

/** The same where the server holds a source, and what was to be done concerns schema nearjoin. */
export function sourceAdvice(state: string | null): string | null {
  return state === INSUFFICIENT_PRIVILEGE ? OWNERSHIP : serverAdvice(state);
}

/** What an administrator of a server can do about an error that it reported, by its SQLSTATE; null when its own words say enough. */
export function serverAdvice(state: string | null): string | null {
  return ADVICE[state ?? ''] ?? null;
}
