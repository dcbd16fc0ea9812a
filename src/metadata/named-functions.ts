import type { TableRef } from '../core/names.ts';
import type { SourceMetadata } from './model.ts';

/** The functions of its database that a source's metadata names. */
export function namedFunctions(source: SourceMetadata): readonly TableRef[] {
  const computing = source.tables.flatMap((table) =>
    (table.computed_fields ?? []).map(({ definition }) => definition.function),
  );
  return [...computing, ...(source.functions ?? []).map((entry) => entry.function)];
}
