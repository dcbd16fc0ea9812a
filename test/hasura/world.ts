import { type CatalogWatch, openCatalogWatch } from '../../src/catalog/watch.ts';
import { type MetadataAnswer, runMetadata } from '../../src/commands/run.ts';
import { type MetadataStore, openMetadataStore } from '../../src/metadata/store.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import type { Setup } from './cases.ts';

/** Databases of a group with a metadata API over them. */
export interface World {
  readonly store: MetadataStore;
  readonly watch: CatalogWatch;
  /** Of the group's database `default`. */
  readonly url: string;
  metadata(body: unknown, headers?: Readonly<Record<string, string>>): Promise<MetadataAnswer>;
  /** Runs SQL in the group's only database. */
  sql(statement: string): Promise<void>;
  close(): Promise<void>;
}

/** Makes a group's databases; its metadata calls are left to the caller. */
export async function openWorld(setup: Pick<Setup, 'sql' | 'databases'>): Promise<World> {
  const statements = Object.entries(setup.databases ?? { default: setup.sql ?? [] });
  const databases = new Map<string, TestDatabase>();
  for (const [name, list] of statements) databases.set(name, await createDatabase('source', list));
  const home = await createDatabase('source');
  const log = { info: () => undefined, warn: () => undefined };
  const store = await openMetadataStore({ url: home.url, log });
  const fallback = databases.get('default');
  if (fallback !== undefined) await store.save(withDefault(fallback.url), 1);
  const watch = await openCatalogWatch({ store, log, env: {} });
  return {
    store,
    watch,
    url: fallback?.url ?? '',
    metadata: (body, headers = {}) => {
      const session = { isAdmin: (headers['X-Hasura-Role'] ?? 'admin') === 'admin' };
      return runMetadata(withUrls(body, databases), { store, watch, session });
    },
    sql: async (statement) => {
      await databases.get('default')?.query(statement);
    },
    close: async () => {
      await watch.close();
      await store.close();
      for (const database of [home, ...databases.values()]) await database.drop();
    },
  };
}

function withDefault(url: string): Parameters<MetadataStore['save']>[0] {
  const configuration = { connection_info: { database_url: url } };
  return { version: 3, sources: [{ name: 'default', kind: 'postgres', tables: [], configuration }] };
}

function withUrls(body: unknown, databases: ReadonlyMap<string, TestDatabase>): unknown {
  const text = JSON.stringify(body).replaceAll(
    /@@DB:(\w+)@@/g,
    (_all, name: string) => databases.get(name)?.url ?? '',
  );
  return JSON.parse(text);
}
