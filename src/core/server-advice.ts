const ADVICE: Readonly<Record<string, string>> = {
  // Read-only: a standby is, and so is whoever was told to be.
  '25006':
    'the address leads to a standby, or default_transaction_read_only is on there for the role or the database',
  '53100': 'make room on its disk',
  '53300':
    'none is free: raise max_connections (for a stream max_wal_senders) there, or the limit of the role or database, or end what holds them',
  '53400': 'free one, or raise max_replication_slots there and restart it',
};

/** What an administrator of a server can do about an error that it reported, by its SQLSTATE; null when its own words say enough. */
export function serverAdvice(state: string | null | undefined): string | null {
  return ADVICE[state ?? ''] ?? null;
}
