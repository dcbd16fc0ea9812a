import type { TableRef } from '../core/names.ts';
import type { SourceMetadata } from './model.ts';

/** The functions of its database that a source's metadata names. */
export function namedFunctions(source: SourceMetadata): readonly TableRef[] {
  return source.tables.flatMap((table) =>
    (table.computed_fields ?? []).map(({ definition }) => definition.function),
  );
}
