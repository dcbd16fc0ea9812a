import { type TableRef, tableKey } from '../../core/names.ts';
import type { SourceMetadata } from '../model.ts';

/** The functions of its database that a source's metadata names, each once: one may compute several fields, and be tracked too. */
export function namedFunctions(source: SourceMetadata): readonly TableRef[] {
  const computing = source.tables.flatMap((table) =>
    (table.computed_fields ?? []).map(({ definition }) => definition.function),
  );
  const all = [...computing, ...(source.functions ?? []).map((entry) => entry.function)];
  return [...new Map(all.map((ref) => [tableKey(ref), ref])).values()];
}
