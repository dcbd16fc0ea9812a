/**
 * SQL for who holds a lock: the session of `pg_stat_activity` `a`; a prepared transaction has none. Since when it
 * has been at it is hidden from a role that may not see what others' sessions do.
 */
export const LOCK_HOLDER_SQL: string = `case when a.pid is null then 'a prepared transaction (see pg_prepared_xacts)' else concat(
    'session ', a.pid, ' (', concat_ws(', ', nullif(a.application_name, ''), 'role ' || a.usename,
      to_char(a.xact_start at time zone 'UTC', '"in a transaction since "YYYY-MM-DD"T"HH24:MI:SS"Z"')), ')') end`;
