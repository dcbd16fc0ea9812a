import { MetadataError } from '../metadata/metadata-error.ts';

/** Hasura's databases by the prefix of their commands. */
const BACKENDS: ReadonlyMap<string, string> = new Map([
  ['pg', 'postgres'],
  ['postgres', 'postgres'],
  ['citus', 'citus'],
  ['cockroach', 'cockroach'],
  ['mssql', 'mssql'],
  ['bigquery', 'bigquery'],
  ['dataconnector', 'dataconnector'],
]);

/** Hasura's commands that are not supported, mostly because they change data or call other services: the refusal says so. */
const UNSUPPORTED: ReadonlySet<string> = new Set(
  `add_host_to_tls_allowlist drop_host_from_tls_allowlist set_network_options
  add_remote_schema update_remote_schema remove_remote_schema reload_remote_schema introspect_remote_schema
  add_remote_schema_permissions drop_remote_schema_permissions
  create_remote_schema_remote_relationship update_remote_schema_remote_relationship delete_remote_schema_remote_relationship
  create_action update_action drop_action create_action_permission drop_action_permission set_custom_types
  create_cron_trigger delete_cron_trigger get_cron_triggers
  create_scheduled_event delete_scheduled_event get_scheduled_events get_scheduled_event_invocations
  create_event_trigger delete_event_trigger invoke_event_trigger redeliver_event
  get_event_by_id get_event_logs get_event_invocation_logs
  cleanup_event_trigger_logs pause_event_trigger_cleanups resume_event_trigger_cleanups test_webhook_transform
  create_insert_permission create_update_permission create_delete_permission
  drop_insert_permission drop_update_permission drop_delete_permission
  get_stored_procedure track_stored_procedure untrack_stored_procedure
  get_source_trackables get_source_kind_capabilities dc_add_agent dc_delete_agent test_connection_template
  set_query_tags
  set_metrics_config remove_metrics_config set_opentelemetry_config set_opentelemetry_status
  dump_internal_state run_sql get_viewdef`.split(/\s+/),
);

/** Refuses a command type that is not ours, in Hasura's words where it has some. */
export function refuseUnknown(type: string): never {
  if (UNSUPPORTED.has(type.replace(/^(pg|postgres)_/, ''))) {
    throw new MetadataError('not-supported', `"${type}" is not supported: this server answers queries only`, {
      path: '$.type',
    });
  }
  throw new MetadataError('parse-failed', unknownText(type), { path: '$' });
}

function unknownText(type: string): string {
  const end = type.indexOf('_');
  const prefix = end < 0 ? type : type.slice(0, end);
  const backend = BACKENDS.get(prefix);
  if (backend !== undefined)
    return `unknown metadata command "${type.slice(prefix.length + 1)}" for backend ${backend}`;
  return `unknown metadata command "${type}"; "${prefix}" was not recognized as a valid backend name`;
}
