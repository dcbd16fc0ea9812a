type ListKey =
  | 'inherited_roles'
  | 'query_collections'
  | 'allowlist'
  | 'rest_endpoints'
  | 'functions'
  | 'logical_models'
  | 'native_queries'
  | 'object_relationships'
  | 'array_relationships'
  | 'remote_relationships'
  | 'computed_fields'
  | 'select_permissions';

/** The metadata, source or table with one of its lists replaced, or without it when the list is empty. */
export function withList<T extends object, K extends ListKey & keyof T>(
  owner: T,
  key: K,
  entries: NonNullable<T[K]> & readonly unknown[],
): T {
  if (entries.length > 0) return { ...owner, [key]: entries };
  const { [key]: _gone, ...rest } = owner;
  return rest as unknown as T;
}
