import type { Snapshot } from '../catalog/watch.ts';
import { keptIn } from '../core/kept-in.ts';
import type { FeedTable, WantedFeed } from '../ops/replication.ts';

/** The feeds metadata asks for, also those of databases that do not answer and so are missing from the catalog. */
export function wantedFeeds({
  catalog,
  metadata,
}: Pick<Snapshot, 'metadata'> & {
  readonly catalog: Pick<Snapshot['catalog'], 'wanted'>;
}): readonly WantedFeed[] {
  const feeds = new Map<string, WantedFeed & { readonly tables: FeedTable[] }>();
  const connectors = new Map(
    metadata.sources.map(({ name, configuration }) => [
      name,
      configuration.nearjoin?.connector ?? 'postgres',
    ]),
  );
  const add = (source: string, target: string, tables: readonly FeedTable[]): void => {
    const key = JSON.stringify([source, target]);
    const connector = connectors.get(target) ?? 'postgres';
    keptIn(feeds, key, () => ({ source, target, connector, tables: [] })).tables.push(...tables);
  };
  for (const { source, target, table, mapping } of catalog.wanted)
    add(source, target, [{ table: table.ref, mapping }]);
  for (const { name, tables } of metadata.sources) {
    for (const { definition } of tables.flatMap((table) => table.remote_relationships ?? [])) {
      const to = definition.to_source;
      if (to === undefined || to.source === name || to.nearjoin?.cache === false) continue;
      if (connectors.has(to.source)) add(name, to.source, []);
    }
  }
  return [...feeds.values()];
}
