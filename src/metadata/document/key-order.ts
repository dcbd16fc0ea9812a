import { isRecord } from '../../core/json/is-record.ts';

/** Keys that come first, in this order, each with the order inside of it; all others follow, sorted. */
export interface KeyOrder {
  readonly [key: string]: KeyOrder;
}

const SORTED: KeyOrder = {};

/** The keys that come first, where nothing inside of them has an order of its own. */
export function keys(...names: readonly string[]): KeyOrder {
  return Object.fromEntries(names.map((name) => [name, SORTED]));
}

function permission(...members: readonly string[]): KeyOrder {
  return { role: SORTED, permission: keys(...members), comment: SORTED };
}

const LOCAL_RELATIONSHIP = keys('name', 'using', 'comment');

/** Of a table's entry. */
export const TABLE_ORDER: KeyOrder = {
  ...keys('table', 'is_enum', 'configuration'),
  object_relationships: LOCAL_RELATIONSHIP,
  array_relationships: LOCAL_RELATIONSHIP,
  computed_fields: keys('name', 'definition', 'comment'),
  remote_relationships: SORTED,
  insert_permissions: permission('check', 'set', 'columns', 'backend_only', 'validate_input'),
  select_permissions: permission(
    'columns',
    'computed_fields',
    'filter',
    'limit',
    'allow_aggregations',
    'query_root_fields',
    'subscription_root_fields',
  ),
  update_permissions: permission('columns', 'filter', 'check', 'set', 'backend_only', 'validate_input'),
  delete_permissions: permission('filter', 'backend_only', 'validate_input'),
  event_triggers: keys('name', 'definition', 'retry_conf', 'webhook', 'webhook_from_env', 'headers'),
  ...keys('apollo_federation_config', 'logical_model'),
};

const SOURCE_ORDER: KeyOrder = {
  ...keys('name', 'kind'),
  tables: TABLE_ORDER,
  functions: keys('function', 'configuration', 'permissions', 'comment'),
  ...keys('native_queries', 'stored_procedures', 'logical_models', 'configuration'),
  ...keys('query_tags', 'customization', 'health_check'),
};

const ACTION_ORDER: KeyOrder = {
  name: SORTED,
  definition: {
    ...keys('handler', 'output_type', 'forward_client_headers', 'ignored_client_headers', 'headers'),
    arguments: keys('name', 'type', 'description'),
    ...keys('request_transform', 'response_transform', 'type', 'kind', 'timeout'),
  },
  comment: SORTED,
  permissions: keys('role', 'comment'),
};

const TYPE_FIELDS = keys('name', 'type', 'arguments', 'description');

const CUSTOM_TYPES_ORDER: KeyOrder = {
  input_objects: { name: SORTED, fields: TYPE_FIELDS, description: SORTED },
  objects: { name: SORTED, fields: TYPE_FIELDS, description: SORTED, relationships: SORTED },
  scalars: keys('name', 'description'),
  enums: keys('name', 'values', 'description'),
};

const REMOTE_SCHEMA_ORDER: KeyOrder = {
  name: SORTED,
  definition: keys('url', 'url_from_env', 'timeout_seconds', 'customization', 'headers'),
  comment: SORTED,
  permissions: keys('role', 'definition', 'comment'),
  remote_relationships: SORTED,
};

/** Of a whole document. */
export const DOCUMENT_ORDER: KeyOrder = {
  version: SORTED,
  sources: SOURCE_ORDER,
  other_sources: SOURCE_ORDER,
  remote_schemas: REMOTE_SCHEMA_ORDER,
  query_collections: keys('name', 'definition', 'comment'),
  allowlist: SORTED,
  actions: ACTION_ORDER,
  custom_types: CUSTOM_TYPES_ORDER,
  cron_triggers: keys(
    'name',
    'webhook',
    'schedule',
    'include_in_metadata',
    'payload',
    'retry_conf',
    'headers',
  ),
  ...keys('rest_endpoints', 'api_limits', 'metrics_config'),
  inherited_roles: keys('role_name', 'role_set'),
  ...keys('graphql_schema_introspection', 'network', 'backend_configs'),
  opentelemetry: keys('status', 'data_types', 'exporter_otlp', 'batch_span_processor'),
};

/**
 * The value with its keys in the order of Hasura's export. The stock command line sends all keys sorted: without this, an export after
 * `apply` would change every line of a directory.
 */
export function inKeyOrder<T>(value: T, order: KeyOrder): T {
  if (Array.isArray(value)) return value.map((item: unknown) => inKeyOrder(item, order)) as T;
  if (!isRecord(value)) return value;
  const first = Object.entries(order).filter(([key]) => Object.hasOwn(value, key));
  const others = Object.keys(value)
    .filter((key) => !Object.hasOwn(order, key))
    .sort()
    .map((key) => [key, SORTED] as const);
  return Object.fromEntries(
    [...first, ...others].map(([key, inside]) => [key, inKeyOrder(value[key], inside)]),
  ) as T;
}
