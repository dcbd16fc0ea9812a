import { type Sql, sql } from './sql.ts';

/**
 * A database's position in its own log. Read in or after the statement whose snapshot shows some rows, it is no less
 * than what they show: whoever reads at this position later sees at least as much.
 */
export const positionSql: Sql = sql`case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end::text`;
