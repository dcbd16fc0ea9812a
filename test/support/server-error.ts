import pg from 'pg';

/** An error as `pg` gives what a server answered. */
export function serverError(
  code: string,
  message = 'the server says no',
  more: Partial<pg.DatabaseError> = {},
): pg.DatabaseError {
  return Object.assign(new pg.DatabaseError(message, message.length, 'error'), {
    severity: 'ERROR',
    code,
    ...more,
  });
}
