import { quoteIdentifier } from '../../core/postgres/quote-identifier.ts';
import type {
  LogicalField,
  LogicalModelMetadata,
  NativeQueryMetadata,
} from '../../metadata/model/native-queries.ts';
import type { SelectPermissionEntry } from '../../metadata/model/permissions.ts';
import type { SourceMetadata } from '../../metadata/model.ts';
import { codeParts } from '../../metadata/object/query-code.ts';
import type { ModelRef } from '../../metadata/object/query-objects.ts';

/** What only a database knows about native queries: the types that metadata names, and whether statements fit it. */
export interface AskedQueries {
  readonly types: readonly string[];
  /** Statements that find out which columns native queries answer, without reading any row. */
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

/** What rows of a native query are like, and whose that is. */
export interface Model {
  readonly ref: ModelRef;
  readonly fields: readonly LogicalField[];
  readonly permissions: readonly SelectPermissionEntry[];
  readonly description: string | null;
}

/** The logical model that a native query returns, or the one that it brings along; null where it is not there. */
export function modelOf(
  { name: source, logical_models: models = [] }: SourceMetadata,
  { returns, root_field_name: query, description }: NativeQueryMetadata,
): Model | null {
  if (typeof returns !== 'string') {
    const ref = { kind: 'native_query', source, name: query } as const;
    return { ...given(returns), ref, description: description ?? null };
  }
  const model = models.find(({ name }) => name === returns);
  if (model === undefined) return null;
  const ref = { kind: 'logical_model', source, name: returns } as const;
  return { ...given(model), ref, description: model.description ?? null };
}

function given({
  fields,
  select_permissions: permissions = [],
}: Pick<LogicalModelMetadata, 'fields' | 'select_permissions'>): Pick<Model, 'fields' | 'permissions'> {
  return { fields, permissions };
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
  const list = valuesIn(fields).map(({ name }) => `q.${quoteIdentifier(name)}`);
  return `select ${list.join(', ')} from (\n${spelled.join('')}\n) q limit 0`;
}

/** All that is asked about the native queries of a source. */
export function askedQueries(source: SourceMetadata): AskedQueries {
  const types = new Set<string>();
  const statements = new Set<string>();
  for (const entry of source.native_queries ?? []) {
    const fields = modelOf(source, entry)?.fields ?? [];
    for (const { type } of [...valuesIn(fields), ...Object.values(entry.arguments ?? {})]) types.add(type);
    const probe = probeOf(entry, fields);
    if (probe !== null) statements.add(probe);
  }
  return { types: [...types], statements: [...statements] };
}
