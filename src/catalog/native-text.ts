import pg from 'pg';
import type { SourceMetadata } from '../metadata/model.ts';
import { codeParts } from '../metadata/query-code.ts';
import type { LogicalField, NativeQueryMetadata } from '../metadata/query-model.ts';

/** What of native queries only a database knows: the types that metadata names, and whether statements fit it. */
export interface AskedQueries {
  readonly types: readonly string[];
  /** Each says what a native query answers and reads nothing: nothing is given to it, and nothing taken. */
  readonly statements: readonly string[];
}

/** No native query is there. */
export const NOTHING_ASKED: AskedQueries = { types: [], statements: [] };

/** The fields that are values: the rest is what relationships lead to. */
export function valuesIn(
  fields: readonly LogicalField[],
): readonly (Omit<LogicalField, 'type'> & { readonly type: string; readonly nullable: boolean })[] {
  return fields.flatMap(({ type, ...field }) =>
    typeof type === 'object' && 'scalar' in type && typeof type.scalar === 'string'
      ? [{ ...field, type: type.scalar, nullable: type.nullable }]
      : [],
  );
}

/** The fields of what a native query returns; undefined where its logical model is not there. */
export function fieldsOf(
  source: Pick<SourceMetadata, 'logical_models'>,
  { returns }: NativeQueryMetadata,
): readonly LogicalField[] | undefined {
  if (typeof returns !== 'string') return returns.fields;
  return source.logical_models?.find(({ name }) => name === returns)?.fields;
}

/** How a database is asked whether the query answers those fields; null while its text cannot be taken apart. */
export function probeOf(entry: NativeQueryMetadata, fields: readonly LogicalField[]): string | null {
  const parts = codeParts(entry.code);
  if (parts === null) return null;
  const declared = new Map(Object.entries(entry.arguments ?? {}));
  const spelled = parts.map((part) => {
    if ('text' in part) return part.text;
    return `(null::${declared.get(part.argument)?.type ?? 'unknown'})`;
  });
  const list = valuesIn(fields).map(({ name }) => `q.${pg.escapeIdentifier(name)}`);
  return `select ${list.join(', ')} from (\n${spelled.join('')}\n) q limit 0`;
}

/** All that is asked about the native queries of a source. */
export function askedQueries(source: SourceMetadata): AskedQueries {
  const types = new Set<string>();
  const statements = new Set<string>();
  for (const entry of source.native_queries ?? []) {
    const fields = fieldsOf(source, entry) ?? [];
    for (const { type } of [...valuesIn(fields), ...Object.values(entry.arguments ?? {})]) types.add(type);
    const probe = probeOf(entry, fields);
    if (probe !== null) statements.add(probe);
  }
  return { types: [...types], statements: [...statements] };
}
