import { inject } from 'vitest';
import type { TestDatabase } from './postgres.ts';
import { startTarget } from './servers.ts';
import { databaseAt } from './standby.ts';

/**
 * A database on a server of its own, which ends with it: where a measure of retained log is so small that tests of other
 * files, who use the same server, would fill it.
 */
export async function databaseApart(): Promise<TestDatabase> {
  const server = await startTarget({ within: inject('scratch') });
  const database = databaseAt(server);
  return {
    ...database,
    drop: async () => {
      await database.drop();
      await server.stop();
    },
  };
}
