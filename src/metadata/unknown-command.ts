import { MetadataError } from './metadata-error.ts';

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

/** Parts of Hasura that are not here, most of them because they change data or call out: they are named instead of called unknown. */
const UNSUPPORTED =
  /^(pg_)?((create|drop|redeliver|invoke)_.*(event_trigger|event|cron_trigger|scheduled_event|action|custom_types|action_permission)|(create|drop)_(insert|update|delete)_permission|set_custom_types|(add|update|remove|reload|introspect)_remote_schema.*|set_network_options|(track|untrack|get)_(native_query|logical_model|stored_procedure)|(set|remove)_api_limits|set_metrics_config|set_opentelemetry_.*|run_sql|dump_internal_state|get_viewdef|get_source_kind_capabilities)$/;

/** Refuses a command type that is not ours, in Hasura's words where it has some. */
export function refuseUnknown(type: string): never {
  if (UNSUPPORTED.test(type)) {
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
