import type { SourceName } from '../../core/names.ts';
import type { SelectPermissionEntry } from '../model/permissions.ts';
import type { SourceMetadata } from '../model.ts';
import { changeList } from './change-list.ts';

/** What has select permissions beside tables: a logical model, or a native query that defines its model itself. */
export interface ModelRef {
  readonly kind: 'logical_model' | 'native_query';
  readonly source: SourceName;
  readonly name: string;
}

/** A logical model, a native query or a permission of one. */
export type QueryObjectRef =
  | ModelRef
  | {
      readonly kind: 'model_permission';
      readonly source: SourceName;
      readonly of: ModelRef;
      /** The role. */
      readonly name: string;
    };

/** Whether an object is one of those. */
export function isQueryObject<T extends { readonly kind: string }>(
  object: T | QueryObjectRef,
): object is QueryObjectRef {
  return ['logical_model', 'native_query', 'model_permission'].includes(object.kind);
}

/** Hasura's name of such an object, its source spelled as given. */
export function queryObjectName(object: QueryObjectRef, source: string): string {
  if (object.kind !== 'model_permission') return `${object.kind} ${object.name} in source ${source}`;
  return `select_permission ${object.name} in ${queryObjectName(object.of, source)}`;
}

/** The logical models and native queries of a source, and their permissions. */
export function queryObjectsIn(source: SourceMetadata): readonly QueryObjectRef[] {
  const objects = (ref: ModelRef, permissions: readonly SelectPermissionEntry[]): QueryObjectRef[] => [
    ref,
    ...permissions.map(({ role }) => ({
      kind: 'model_permission' as const,
      source: source.name,
      of: ref,
      name: role,
    })),
  ];
  return [
    ...(source.logical_models ?? []).flatMap(({ name, select_permissions: permissions = [] }) =>
      objects({ kind: 'logical_model', source: source.name, name }, permissions),
    ),
    ...(source.native_queries ?? []).flatMap(({ root_field_name: name, returns }) => {
      const ref = { kind: 'native_query', source: source.name, name } as const;
      return objects(ref, typeof returns === 'string' ? [] : (returns.select_permissions ?? []));
    }),
  ];
}

/** The source without one of them and all that is inside it. */
export function withoutQueryObject(source: SourceMetadata, object: QueryObjectRef): SourceMetadata {
  switch (object.kind) {
    case 'logical_model':
      return changeList(source, 'logical_models', (models) =>
        models.filter(({ name }) => name !== object.name),
      );
    case 'native_query':
      return changeList(source, 'native_queries', (queries) =>
        queries.filter((entry) => entry.root_field_name !== object.name),
      );
    default:
      return changePermissions(source, object.of, (entries) =>
        entries.filter(({ role }) => role !== object.name),
      );
  }
}

/** The source with the permissions of one model replaced by what `change` makes of them. */
export function changePermissions(
  source: SourceMetadata,
  { kind, name }: ModelRef,
  change: (entries: readonly SelectPermissionEntry[]) => SelectPermissionEntry[],
): SourceMetadata {
  if (kind === 'logical_model') {
    return changeList(source, 'logical_models', (models) =>
      models.map((model) => (model.name === name ? changeList(model, 'select_permissions', change) : model)),
    );
  }
  return changeList(source, 'native_queries', (queries) =>
    queries.map((query) => {
      const { returns } = query;
      if (query.root_field_name !== name || typeof returns === 'string') return query;
      return { ...query, returns: changeList(returns, 'select_permissions', change) };
    }),
  );
}
