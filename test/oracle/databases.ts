import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { ddlOf } from './database-of.ts';
import { viewsOf } from './sql-of.ts';
import { databasesOf, type World } from './world.ts';

/** The databases of a world, and one that has the tables of all. */
export interface WorldDatabases {
  readonly databases: Readonly<Record<string, TestDatabase>>;
  readonly all: TestDatabase;
}

/** Makes them, without rows. */
export async function makeDatabases(world: World): Promise<WorldDatabases> {
  const own = (name: string) => world.tables.filter((table) => table.database === name);
  const made = databasesOf(world).map(
    async (name, i) =>
      [name, await createDatabase(i === 0 ? 'source' : 'target', ddlOf(world, own(name), false))] as const,
  );
  const [all, ...rest] = await Promise.all([
    createDatabase('source', [...ddlOf(world, world.tables, true), ...viewsOf(world)]),
    ...made,
  ]);
  return { all, databases: Object.fromEntries(rest) };
}
