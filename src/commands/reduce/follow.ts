import type { Catalog } from '../../catalog/catalog.ts';
import { sameTable, type TableRef, tableKey } from '../../core/names.ts';
import type { LocalRelationshipMetadata } from '../../metadata/model/relationships.ts';
import type { Metadata } from '../../metadata/model.ts';
import type { TablePlace } from '../../metadata/object/edit.ts';

/** What the databases say of what metadata names. */
export type Databases = Pick<Catalog, 'sources'>;

/** The table that a relationship, or a computed field that is rows, leads to; null where nobody knows. */
export type Follow = (from: TablePlace, field: string) => TablePlace | null;

/** Follows fields by the metadata, and where it does not say (a foreign key, a function's rows) by what the databases say. */
export function followIn(metadata: Metadata, databases: Databases): Follow {
  return (from, name) => {
    const place = namedPlace(metadata, from, name);
    if (place !== null) return place;
    const table = databases.sources.get(from.source)?.tables.get(tableKey(from.table));
    const found = table?.relationships.get(name);
    if (found !== undefined) return { source: found.source, table: found.table };
    const returns = table?.computedFields.get(name)?.returns;
    return returns?.kind === 'table' ? { source: from.source, table: returns.table } : null;
  };
}

function namedPlace(metadata: Metadata, { source, table }: TablePlace, name: string): TablePlace | null {
  const tables = metadata.sources.find((found) => found.name === source)?.tables;
  const entry = tables?.find((found) => sameTable(found.table, table));
  if (entry === undefined) return null;
  const remote = named(entry.remote_relationships, name)?.definition.to_source;
  if (remote !== undefined) return { source: remote.source, table: remote.table };
  const local = named(entry.object_relationships, name) ?? named(entry.array_relationships, name);
  const right = local === undefined ? undefined : namedTable(local);
  return right === undefined ? null : { source, table: right };
}

function named<T extends { readonly name: string }>(
  entries: readonly T[] | undefined,
  name: string,
): T | undefined {
  return entries?.find((entry) => entry.name === name);
}

/** The other table of a local relationship where metadata names it; a plain foreign key column does not. */
export function namedTable(relationship: LocalRelationshipMetadata): TableRef | undefined {
  const { using } = relationship;
  if ('manual_configuration' in using) return using.manual_configuration.remote_table;
  const key = using.foreign_key_constraint_on;
  return typeof key === 'object' && 'table' in key ? key.table : undefined;
}
