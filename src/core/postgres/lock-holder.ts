/**
 * SQL for who holds a lock: the session of `pg_stat_activity` under this alias; a prepared transaction has none. Since when it
 * has been at it is hidden from a role that may not see what others' sessions do.
 */
export function lockHolderSql(alias: string): string {
  return `case when ${alias}.pid is null then 'a prepared transaction (see pg_prepared_xacts)' else concat(
    'session ', ${alias}.pid, ' (', concat_ws(', ', nullif(${alias}.application_name, ''), 'role ' || ${alias}.usename,
      to_char(${alias}.xact_start at time zone 'UTC', '"in a transaction since "YYYY-MM-DD"T"HH24:MI:SS"Z"')), ')') end`;
}
