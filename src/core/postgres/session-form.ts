/**
 * Settings of every session we open, on sources and targets alike, whatever the role, the database or the connection
 * string says. Values travel between servers as text: one that is printed under other settings than it is read under may
 * come out as another value. A month-first date style reads what clients send the same way everywhere, and `money` is
 * printed as in the C locale.
 */
export const SESSION_FORM: readonly (readonly [name: string, value: string])[] = [
  ['TimeZone', 'UTC'],
  ['DateStyle', 'ISO, MDY'],
  ['IntervalStyle', 'postgres'],
  ['extra_float_digits', '3'],
  ['bytea_output', 'hex'],
  ['lc_monetary', 'C'],
  // Without, `{NULL}` is an array of the text "NULL".
  ['array_nulls', 'on'],
  // A value that is no whole document is read too.
  ['xmloption', 'content'],
  ['standard_conforming_strings', 'on'],
  ['quote_all_identifiers', 'off'],
  ['transform_null_equals', 'off'],
  // A serializable statement of ours could make a user's own transaction fail, and would keep waiting for safe snapshots.
  ['default_transaction_isolation', 'read committed'],
  ['default_transaction_deferrable', 'off'],
  ['jit', 'off'],
];

/**
 * One statement for sessions that read catalogs and tables of ours only, and may lie idle for long: nobody's table or
 * function stands in for one of Postgres.
 */
export const CATALOG_SESSION: string = settingsStatement([
  ...SESSION_FORM,
  ['search_path', 'pg_catalog'],
  ['idle_session_timeout', '0'],
]);

/** One statement that applies settings, the last of a name, leaving out those that the server's version does not have. Values hold no quotes. */
export function settingsStatement(settings: readonly (readonly [name: string, value: string])[]): string {
  const values = [...new Map(settings)].map(([name, value]) => `('${name}', '${value}')`).join(', ');
  return (
    'select pg_catalog.set_config(wanted.name, wanted.value, false) ' +
    `from (values ${values}) as wanted(name, value) ` +
    'where pg_catalog.current_setting(wanted.name, true) is not null'
  );
}
