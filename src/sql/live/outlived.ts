/**
 * Asks a session whether a table that it has read was changed after its snapshot: emptied (`truncate`), rewritten, created,
 * renamed, or a column renamed. Such a snapshot finds no rows there, or other values than are meant. The session holds a
 * lock on whatever it has read, so none of this can happen after the question. `pg_class` and `pg_attribute` show the
 * snapshot's rows, the functions show what is now. Relations without a file of their own have file 0, and columns that
 * nobody has changed have no `xmax`.
 */
export const ASK_OUTLIVED = `select exists (
  select from pg_locks l left join (pg_class c join pg_namespace n on n.oid = c.relnamespace) on c.oid = l.relation
  where l.pid = pg_backend_pid() and l.locktype = 'relation' and (
    c.oid is null
    or c.relkind in ('r', 'm') and c.relfilenode <> 0 and c.relfilenode <> pg_relation_filenode(c.oid)
    or c.relkind in ('r', 'p', 'v', 'm', 'f') and c.relpersistence <> 't' and c.oid >= 16384 and (
      not exists (
        select from pg_identify_object('pg_class'::regclass, c.oid, 0) i
        where i.name = pg_catalog.quote_ident(c.relname) and i.schema = pg_catalog.quote_ident(n.nspname))
      or exists (
        select from pg_attribute a, pg_identify_object('pg_class'::regclass, c.oid, a.attnum) i
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.xmax <> '0'
          and i.identity is distinct from pg_catalog.format('%I.%I.%I', n.nspname, c.relname, a.attname)))))`;
