import { type CatalogWatch, openCatalogWatch } from '../catalog/watch.ts';
import { applyMetadata } from '../commands/run.ts';
import type { Config } from '../config.ts';
import { OutdatedQueries } from '../graphql/outdated-queries.ts';
import { type MetadataStore, openMetadataStore } from '../metadata/store.ts';
import type { Log } from '../ops/log.ts';
import type { Closing } from './closing.ts';
import { cannotStart } from './errors.ts';

/** The metadata, and the catalog that is kept up to date from it. */
export interface Control {
  readonly store: MetadataStore;
  readonly watch: CatalogWatch;
}

/** Opens the metadata database and the catalog, and applies the configured metadata directory. */
export async function openControl(
  config: Pick<
    Config,
    'metadataDir' | 'defaultNamingConvention' | 'inferFunctionPermissions' | 'enableApolloFederation'
  > & {
    readonly metadataDatabaseUrl: string;
    readonly stopping: AbortSignal;
  },
  log: Log,
  closing: Closing,
): Promise<Control> {
  const store = await openStore(config.metadataDatabaseUrl, log);
  closing.add('metadata store', () => store.close());
  const outdated = new OutdatedQueries();
  const watch = await openCatalogWatch({
    store,
    log,
    env: process.env,
    stopping: config.stopping,
    resolving: {
      naming: config.defaultNamingConvention,
      infersFunctionPermissions: config.inferFunctionPermissions,
      isFederated: config.enableApolloFederation,
      checkCollections: (catalog) => outdated.in(catalog),
    },
  });
  closing.add('catalog', () => watch.close());
  if (config.metadataDir !== null) await applyDirectory(config.metadataDir, { store, watch }, log);
  return { store, watch };
}

async function openStore(url: string, log: Log): Promise<MetadataStore> {
  try {
    return await openMetadataStore({ url, log });
  } catch (error) {
    throw cannotStart('the metadata database (NEARJOIN_METADATA_DATABASE_URL) cannot be used', error);
  }
}

async function applyDirectory(directory: string, { store, watch }: Control, log: Log): Promise<void> {
  try {
    const { readDirectory } = await import('../metadata/directory/read-directory.ts');
    const inconsistent = await applyMetadata(await readDirectory(directory), { store, watch });
    for (const { name, reason } of inconsistent) log.warn({ name, reason }, 'inconsistent metadata');
    log.info({ directory, inconsistent: inconsistent.length }, 'metadata directory applied');
  } catch (error) {
    throw cannotStart(`the metadata directory ${directory} (NEARJOIN_METADATA_DIR) cannot be applied`, error);
  }
}
