import { printTable } from '../../core/names.ts';
import { tidyTable } from '../../metadata/document/tidy.ts';
import { MetadataError } from '../../metadata/metadata-error.ts';
import type { Metadata, TableMetadata } from '../../metadata/model.ts';
import { changeSource, changeTable, findFunction, findTracked } from '../../metadata/object/edit.ts';
import { removeObject } from '../../metadata/object/objects.ts';
import type { ArgsOf } from '../command.ts';

/** Exposes a table or view; refuses one that already is. */
export function trackTable(metadata: Metadata, args: ArgsOf<'pg_track_table'>): Metadata {
  const { source, table, configuration, is_enum, apollo_federation_config } = args;
  if (findTracked(metadata, args) !== undefined) {
    throw new MetadataError('already-tracked', `view/table already tracked: "${printTable(table)}"`);
  }
  if (findFunction(metadata, { source, function: table }) !== undefined) {
    throw new MetadataError('not-supported', `function with name "${printTable(table)}" already exists`);
  }
  const entry: TableMetadata = tidyTable({
    table: { schema: table.schema, name: table.name },
    is_enum,
    configuration: configuration ?? undefined,
    apollo_federation_config,
  });
  return changeSource(metadata, source, (found) => ({ ...found, tables: [...found.tables, entry] }));
}

/** Hides a table; what points to it must have been dealt with by the caller. */
export function untrackTable(metadata: Metadata, args: ArgsOf<'pg_untrack_table'>): Metadata {
  if (findTracked(metadata, args) === undefined) {
    throw new MetadataError('already-untracked', `view/table already untracked: "${printTable(args.table)}"`);
  }
  return removeObject(metadata, { kind: 'table', source: args.source, table: args.table });
}

/** Replaces a table's names and comments as a whole. */
export function customizeTable(metadata: Metadata, args: ArgsOf<'pg_set_table_customization'>): Metadata {
  return changeTable(metadata, args, (table) => tidyTable({ ...table, configuration: args.configuration }));
}

/** Says whether a table's rows are the values of an enum. */
export function setTableIsEnum(metadata: Metadata, args: ArgsOf<'pg_set_table_is_enum'>): Metadata {
  return changeTable(metadata, args, (table) => tidyTable({ ...table, is_enum: args.is_enum }));
}

/** Says whether other services of a federation may ask for a table's rows. */
export function setFederation(metadata: Metadata, args: ArgsOf<'pg_set_apollo_federation_config'>): Metadata {
  const { apollo_federation_config } = args;
  return changeTable(metadata, args, (table) => tidyTable({ ...table, apollo_federation_config }));
}
