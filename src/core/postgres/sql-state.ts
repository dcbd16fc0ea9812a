/**
 * The SQLSTATE of what a server of Postgres answered; null for any other error. Those of the system have codes too, of which some look
 * like one (`EPIPE`), but no severity.
 */
export function sqlStateOf(error: unknown): string | null {
  if (!(error instanceof Error) || !('severity' in error) || !('code' in error)) return null;
  return typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code) ? error.code : null;
}
