import pg from 'pg';
import { NearjoinError } from '../core/errors.ts';
import { clientConfig } from '../core/postgres/client-config.ts';
import { rowOf } from './queryable.ts';

const SHARED =
  'a proxy on the way to the database gives sessions of the server away between transactions: settings, locks and temporary tables would be lost or others’; name the database itself, or let the proxy pool sessions (PgBouncer: pool_mode = session)';

/** For all that the second session is there for. */
const OTHER_MS = 5_000;

/** A session of the server that one client has. */
export interface OwnSession {
  /** The server's number for it. */
  readonly pid: number;
  /** A proxy is on the way. */
  readonly isProxied: boolean;
}

/**
 * Refuses a session that a proxy shares among clients: it must stay with one server process while another client works. That is
 * tried only when a proxy is there, which shows in a session number that is not the server's.
 */
export async function refuseSharedSession(client: pg.Client, url: string): Promise<OwnSession> {
  const pid = await serverProcess(client);
  if (pid === (client as pg.Client & { readonly processID: number | null }).processID)
    return { pid, isProxied: false };
  const other = new pg.Client(clientConfig(url));
  other.on('error', () => undefined);
  const late = setTimeout(() => other.connection.stream.destroy(), OTHER_MS);
  try {
    await other.connect();
    await other.query('begin');
    await serverProcess(other); // has a server process of its own from here on
    if ((await serverProcess(client)) !== pid) throw new NearjoinError('invalid-configuration', SHARED);
  } catch (error) {
    // A proxy without a second session to give gives them to one client each.
    if (error instanceof NearjoinError) throw error;
  } finally {
    await other.end().catch(() => undefined);
    clearTimeout(late);
  }
  return { pid, isProxied: true };
}

async function serverProcess(client: pg.Client): Promise<number> {
  return (await rowOf<{ pid: number }>(client, 'select pg_backend_pid() as pid')).pid;
}
