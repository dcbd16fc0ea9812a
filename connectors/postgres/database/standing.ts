import type { AdminPool } from '../client.ts';

/** A text that changes when a target may have become fit for a feed that it was not fit for. */
export async function readStanding(admin: AdminPool, publication: string): Promise<string> {
  const { standing } = await admin.row<{ standing: string }>(STANDING, [publication]);
  return standing;
}

/** Settings, the role's rights, and the publication; all that `identify`, slots and publications are refused for. */
const STANDING = `
  select concat_ws(' ',
    pg_postmaster_start_time(), pg_is_in_recovery(), current_setting('wal_level'),
    (select count(*) < current_setting('max_replication_slots')::int from pg_replication_slots),
    (select concat(r.rolsuper, r.rolreplication, r.rolbypassrls) from pg_roles r where r.rolname = current_user),
    (select concat(count(*), ':', sum(m.xmin::text::bigint)) from pg_auth_members m),
    (select d.xmin from pg_database d where d.datname = current_database()),
    (select concat(p.oid, ':', p.xmin) from pg_publication p where p.pubname = $1),
    (select concat(count(*), ':', sum(n.xmin::text::bigint)) from pg_namespace n where n.nspname not like 'pg\\_%')
  ) as standing`;
