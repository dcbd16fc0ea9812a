/** Lists that metadata leaves out when they are empty. */
type ListKey =
  | 'other_sources'
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

/** The metadata, source or table with one of its lists changed, or without it when nothing is left in it. */
export function changeList<T extends object, K extends ListKey & keyof T>(
  owner: T,
  key: K,
  change: (entries: NonNullable<T[K]>) => NonNullable<T[K]> & readonly unknown[],
): T {
  const entries = change(owner[key] ?? ([] as unknown as NonNullable<T[K]>));
  if (entries.length > 0) return { ...owner, [key]: entries };
  const { [key]: _gone, ...rest } = owner;
  return rest as unknown as T;
}
