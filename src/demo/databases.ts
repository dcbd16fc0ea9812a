import { join } from 'node:path';
import pg from 'pg';
import { quoteIdentifier } from '../core/postgres/quote-identifier.ts';
import { type PostgresServer, startPostgres } from '../embedded/server.ts';

/** The demo's two servers; the metadata lives in a database of its own on the first. */
export interface DemoDatabases {
  readonly pg1: string;
  readonly pg2: string;
  readonly metadata: string;
  readonly version: number;
  /** Resolves with the name of a server that ended, asked for or not. */
  readonly ended: Promise<string>;
  stop(): Promise<void>;
}

/** Boots both servers at once and makes the databases that are missing; a failure leaves nothing running. */
export async function startDatabases(directory: string | null, signal: AbortSignal): Promise<DemoDatabases> {
  const settled = await Promise.allSettled(['pg1', 'pg2'].map((name) => boot(directory, name, signal)));
  const running = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const stop = async (): Promise<void> => {
    await Promise.all(running.map((server) => server.stop()));
  };
  try {
    const failed = settled.find((each) => each.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    const [first, second] = running;
    if (first === undefined || second === undefined) throw new Error('two servers were started');
    return {
      ...(await makeDatabases(first, second)),
      version: first.version,
      ended: firstEnded(first, second),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function boot(directory: string | null, name: string, signal: AbortSignal): Promise<PostgresServer> {
  return startPostgres({ signal, ...(directory === null ? {} : { directory: join(directory, name) }) });
}

async function makeDatabases(
  first: PostgresServer,
  second: PostgresServer,
): Promise<Pick<DemoDatabases, 'pg1' | 'pg2' | 'metadata'>> {
  await ensureDatabases(first, ['shop', 'nearjoin']);
  await ensureDatabases(second, ['accounts']);
  return { pg1: first.url('shop'), pg2: second.url('accounts'), metadata: first.url('nearjoin') };
}

async function ensureDatabases(server: PostgresServer, names: readonly string[]): Promise<void> {
  await withClient(server.url('postgres'), async (client) => {
    for (const name of names) {
      const found = await client.query('select 1 from pg_database where datname = $1', [name]);
      if (found.rowCount === 0) await client.query(`create database ${quoteIdentifier(name)}`);
    }
  });
}

function firstEnded(first: PostgresServer, second: PostgresServer): Promise<string> {
  return Promise.race([first.ended.then(() => 'pg1'), second.ended.then(() => 'pg2')]);
}

/** Runs the work on a connection of its own. */
export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  client.on('error', () => undefined); // a lost connection fails the query under way, which says so
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
