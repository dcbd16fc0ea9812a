import { type SourceName, tableKey } from '../../core/names.ts';
import type { Metadata } from '../../metadata/model.ts';

import type { Source, Table } from '../catalog.ts';
import { baseType } from '../conditions/operators.ts';

/** The tables whose rows other services of a federation may ask for by key. */
export function entitiesIn(metadata: Metadata, sources: ReadonlyMap<SourceName, Source>): readonly Table[] {
  return metadata.sources.flatMap(({ name, tables }) =>
    tables.flatMap(({ table: ref, apollo_federation_config: config }) => {
      if (config?.enable === undefined) return [];
      const table = sources.get(name)?.tables.get(tableKey(ref));
      return table !== undefined && hasPlainKey(table) ? [table] : [];
    }),
  );
}

/** The keys asked for are sent to Postgres as an array per column, and an array cannot hold arrays. */
function hasPlainKey({ primaryKey }: Table): boolean {
  return primaryKey.length > 0 && primaryKey.every(({ type }) => baseType(type).kind !== 'array');
}
