import { type TableRef, tableKey } from '../../core/names.ts';
import type { SourceMetadata } from '../../metadata/model.ts';
import type { Introspection } from '../introspection.ts';
import type { FunctionRef } from './found-functions.ts';
import { type AskedQueries, askedQueries } from './native-text.ts';

/** What metadata asks of a database besides its tables. */
export interface Asked {
  /** Tables whose rows are GraphQL enum values. */
  readonly enumTables: readonly TableRef[];
  /** A database may have thousands of them: only those that are named are read. */
  readonly functions: readonly FunctionRef[];
  readonly queries: AskedQueries;
}

/** What a source's metadata asks. */
export function askedOf(source: SourceMetadata): Asked {
  return {
    enumTables: source.tables.filter((table) => table.is_enum === true).map(({ table }) => table),
    functions: functionsIn(source),
    queries: askedQueries(source),
  };
}

/** Each once: a function may compute several fields, and be tracked too. */
function functionsIn({ tables, functions = [] }: SourceMetadata): readonly FunctionRef[] {
  const computing = tables.flatMap((table) =>
    (table.computed_fields ?? []).map(({ definition }) => definition.function),
  );
  const all = [...computing, ...functions.map((entry) => entry.function)];
  return [...new Map(all.map((ref) => [tableKey(ref), ref])).values()];
}

/** Whether all that is wanted was asked. Every type of a native query is part of its statement. */
export function covers(asked: Asked, wanted: Asked): boolean {
  const texts = new Set(asked.queries.statements);
  return (
    holdsAll(asked.enumTables, wanted.enumTables) &&
    holdsAll(asked.functions, wanted.functions) &&
    wanted.queries.statements.every((text) => texts.has(text))
  );
}

function holdsAll(names: readonly TableRef[], wanted: readonly TableRef[]): boolean {
  const known = new Set(names.map(tableKey));
  return wanted.every((name) => known.has(tableKey(name)));
}

/** Whether a reading answers all that is asked. */
export function answersAll(reading: Introspection, { enumTables, functions, queries }: Asked): boolean {
  return (
    enumTables.every((table) => reading.enumValues.has(tableKey(table))) &&
    functions.every((name) => reading.functions.has(tableKey(name))) &&
    queries.statements.every((text) => reading.queries.statements.has(text))
  );
}

/** What was asked for and found: two readings with one fingerprint may differ in that. */
export function askedText({ enumValues, functions, queries }: Introspection): string {
  return JSON.stringify(
    [enumValues, functions, queries.queryTypes, queries.statements].map((map) => [...map]),
  );
}
