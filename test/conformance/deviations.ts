const NULL_ARRAY = 'an array relationship with a null join column is []';
const REMOTE_INPUTS = 'remote relationships are part of bool_exp and order_by';

/** Cases answered differently on purpose; docs/compatibility.md has the reasons. */
export const DEVIATIONS: ReadonlyMap<string, string> = new Map([
  ['remote_array_relationship/permission_only_allowed_rows', NULL_ARRAY],
  ['remote_array_relationship/related_data_non_null_and_null', NULL_ARRAY],
  ['remote_array_relationship/related_data_null', NULL_ARRAY],
  ['remote_object_relationship/graphql_schema', REMOTE_INPUTS],
  ['remote_permission_predicate/nested_remote_predicate_rejected', 'permission rules may walk remote relationships to any depth'],
]);
