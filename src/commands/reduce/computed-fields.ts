import { tidyComputedField } from '../../metadata/document/tidy.ts';
import { MetadataError } from '../../metadata/metadata-error.ts';
import type { ComputedFieldMetadata, Metadata } from '../../metadata/model.ts';
import { changeList } from '../../metadata/object/change-list.ts';
import { changeTable, requireTable } from '../../metadata/object/edit.ts';
import { removeObject } from '../../metadata/object/objects.ts';
import type { ArgsOf } from '../command.ts';

/** Adds a computed field; as in Hasura one of the same name is defined anew. */
export function addComputedField(metadata: Metadata, args: ArgsOf<'pg_add_computed_field'>): Metadata {
  const { name, definition, comment } = args;
  const entry: ComputedFieldMetadata = tidyComputedField({ name, definition, comment });
  requireTable(metadata, args, '$.args.table');
  return changeTable(metadata, args, (table) =>
    changeList(table, 'computed_fields', (entries) => {
      const isKnown = entries.some((found) => found.name === name);
      return isKnown ? entries.map((found) => (found.name === name ? entry : found)) : [...entries, entry];
    }),
  );
}

/** Removes a computed field; permissions that use it must have been dealt with by the caller. */
export function dropComputedField(metadata: Metadata, args: ArgsOf<'pg_drop_computed_field'>): Metadata {
  const { source, table, name } = args;
  const fields = requireTable(metadata, args, '$.args.table').computed_fields ?? [];
  if (!fields.some((field) => field.name === name)) {
    const message = `computed field "${name}" does not exist`;
    throw new MetadataError('not-exists', message, { path: '$.args.name' });
  }
  return removeObject(metadata, { kind: 'computed_field', source, table, name });
}
