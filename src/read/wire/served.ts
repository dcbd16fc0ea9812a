import pg from 'pg';
import { clientConfig } from '../../core/postgres/client-config.ts';
import { STARTED_AT } from '../../core/postgres/started-at.ts';
import { systemClock } from '../../core/waiting/clock.ts';
import { endClient } from '../../core/waiting/end-client.ts';

/** Which process of which server works for a session. */
export interface ServerProcess {
  readonly pid: string;
  /** When its server was started: another time is another server. */
  readonly startedAt: string;
  readonly isPrimary: boolean;
}

/** The select list that gives a `ServerProcess`. */
export const SERVER_PROCESS = `
  pg_backend_pid()::text as pid, ${STARTED_AT} as "startedAt",
  not pg_is_in_recovery() as "isPrimary"`;

// One address leads to one primary; behind it there may be several standbys, and one knows nothing of another's sessions.
const IS_SERVED = `
  select case when ${STARTED_AT} = $2
    then exists (select from pg_stat_activity where pid = $1::int and coalesce(state, '') not like 'idle%')
    else pg_is_in_recovery() or not $3::boolean end as served`;

/** What was sent as the session's answer may still be on its way. */
const ONCE_MORE_AFTER_MS = 1_000;

/**
 * Whether the server is at work for a session that waits for its answer, as far as that can be told: asked over another
 * connection, since one whose network is gone says nothing. True where the server refuses to say; throws where none answers.
 */
export async function isServed(url: string, process: ServerProcess, timeoutMs: number): Promise<boolean> {
  const client = new pg.Client({
    ...clientConfig(url),
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
    application_name: 'nearjoin',
  });
  client.on('error', () => undefined);
  const ask = async (): Promise<boolean> => {
    const { pid, startedAt, isPrimary } = process;
    const { rows } = await client.query<{ served: boolean }>(IS_SERVED, [pid, startedAt, isPrimary]);
    return rows[0]?.served !== false;
  };
  try {
    await client.connect();
    if (await ask()) return true;
    await systemClock.delay(ONCE_MORE_AFTER_MS);
    return await ask();
  } catch (error) {
    if (error instanceof pg.DatabaseError) return true;
    throw error;
  } finally {
    void endClient(client);
  }
}
