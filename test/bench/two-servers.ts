import type { ChildProcess } from 'node:child_process';
import { type PostgresServer, startPostgres } from '../../src/embedded/server.ts';

/** Settings of servers that replicate to each other. */
export const REPLICATING = {
  shared_buffers: '1GB',
  max_wal_size: '8GB',
  checkpoint_timeout: '30min',
  // The embedded servers' own setting is 0: they have no subscriptions otherwise.
  max_logical_replication_workers: '8',
};

/** Tells a line of the report. */
export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Does the work with two servers, and ends them and the processes it has started, however it ends. */
export async function withTwoServers(
  settings: Readonly<Record<string, string>>,
  work: (
    servers: readonly [source: PostgresServer, target: PostgresServer],
    children: ChildProcess[],
  ) => Promise<void>,
): Promise<void> {
  const children: ChildProcess[] = [];
  const servers = await Promise.all([startPostgres({ settings }), startPostgres({ settings })]);
  try {
    await work(servers, children);
  } finally {
    for (const child of children) child.kill('SIGTERM');
    await Promise.all(servers.map((server) => server.stop()));
  }
}
