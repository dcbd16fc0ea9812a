/** SQL for the moment in which a server was started, as a number of seconds with six digits behind the point. */
export const STARTED_AT = 'extract(epoch from pg_postmaster_start_time())::text';
