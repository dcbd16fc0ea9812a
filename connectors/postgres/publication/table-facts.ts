import { schemasAndNames, type TableRef } from '../../../src/core/names.ts';
import type { IndexColumn } from '../../../src/core/rows/index-column.ts';
import type { Query } from '../client.ts';

/** One column of a table on the target. */
export interface ColumnFacts {
  readonly name: string;
  /** Empty for an ordinary column, `s` for a stored and `v` for a virtual generated one. */
  readonly generated: string;
}

/** What decides whether a relation's changes name their rows. */
export interface IdentityFacts {
  readonly schema: string;
  readonly name: string;
  readonly kind: string;
  readonly persistence: string;
  readonly identity: string;
  /** Columns of the index the replica identity uses; for FULL those of the best unique index; null without one. */
  readonly key: readonly string[] | null;
  /** A unique index that could serve as replica identity. */
  readonly candidate: string | null;
  readonly has_primary_key: boolean;
  readonly has_usable_primary_key: boolean;
}

/** Everything the catalog of the target says about one table that matters for publishing it. */
export interface TableFacts extends IdentityFacts {
  readonly is_system: boolean;
  readonly has_children: boolean;
  /** The root of the partition tree the table is a part of, else null. */
  readonly root: TableRef | null;
  /** The table as whose rows the publication tells of this one's, a partition of it; else null. */
  readonly told_as: TableRef | null;
  readonly is_owner: boolean;
  readonly owner: string;
  readonly me: string;
  readonly may_read: boolean;
  readonly is_filtered_by_policy: boolean;
  readonly is_published: boolean;
  readonly columns: readonly ColumnFacts[];
  readonly indexes: readonly (readonly IndexColumn[])[];
  /** Leaf partitions. */
  readonly partitions: readonly IdentityFacts[];
}

/** Facts in the order of the tables; null for one that does not exist. */
export async function readTableFacts(
  query: Query,
  publication: string,
  tables: readonly TableRef[],
): Promise<readonly (TableFacts | null)[]> {
  if (tables.length === 0) return [];
  const rows = await query<{ facts: TableFacts | null }>(FACTS, [...schemasAndNames(tables), publication]);
  return rows.map((row) => row.facts);
}

/** The schemas that a publication `p` holds with all their tables; by what depends on it, since Postgres 14 has no table of them. */
const SCHEMAS_OF = `
  select s.refobjid from pg_depend d join pg_depend s on s.classid = d.classid and s.objid = d.objid
  where d.refclassid = 'pg_publication'::regclass and d.refobjid = p.oid and s.refclassid = 'pg_namespace'::regclass`;

const FACTS = `
  with recursive wanted as (
    select w.n, c.oid
    from unnest($1::text[], $2::text[]) with ordinality as w(schema, name, n)
    left join pg_namespace s on s.nspname = w.schema
    left join pg_class c on c.relnamespace = s.oid and c.relname = w.name
      and c.relkind in ('r', 'p', 'v', 'm', 'f')
  ),
  -- not pg_partition_tree, which waits for locks on the partitions
  tree (parent, oid) as (
    select w.oid, w.oid from wanted w join pg_class c on c.oid = w.oid and c.relkind = 'p'
    union all
    select t.parent, i.inhrelid from tree t join pg_inherits i on i.inhparent = t.oid
  ),
  leaf as (
    select t.parent, t.oid from tree t join pg_class c on c.oid = t.oid and c.relkind <> 'p'
  ),
  involved as (select oid from wanted where oid is not null union select oid from leaf),
  usable as (
    select
      i.indrelid,
      i.indexrelid,
      i.indisprimary,
      i.indisreplident,
      k.names,
      k.are_not_null
    from involved v
    join pg_index i on i.indrelid = v.oid
    cross join lateral (
      select
        jsonb_agg(a.attname order by p.n) as names,
        count(a.attname) = i.indnkeyatts and bool_and(a.attnotnull) as are_not_null
      from generate_series(0, i.indnkeyatts - 1) as p(n)
      left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[p.n] and a.attnum > 0
    ) k
    where i.indisunique and i.indimmediate and i.indisvalid and i.indpred is null and i.indexprs is null
  ),
  -- of one table's own, in one row: looking through all of them for each would take the square of their number
  keys as (
    select
      u.indrelid,
      (array_agg(u.names order by u.indisprimary desc, jsonb_array_length(u.names), u.indexrelid)
        filter (where u.are_not_null))[1] as best,
      (array_agg(u.indexrelid order by u.indisprimary desc, jsonb_array_length(u.names), u.indexrelid)
        filter (where u.are_not_null))[1] as candidate,
      (array_agg(u.names) filter (where u.are_not_null and u.indisprimary))[1] as by_primary_key,
      (array_agg(u.names) filter (where u.are_not_null and u.indisreplident))[1] as by_identity,
      bool_or(u.indisprimary) as has_primary_key
    from usable u
    group by u.indrelid
  ),
  identity as (
    select
      c.oid,
      jsonb_build_object(
        'schema', s.nspname,
        'name', c.relname,
        'kind', c.relkind,
        'persistence', c.relpersistence,
        'identity', c.relreplident,
        'key', case c.relreplident
          when 'f' then k.best when 'd' then k.by_primary_key when 'i' then k.by_identity end,
        'candidate', (select ic.relname from pg_class ic where ic.oid = k.candidate),
        'has_primary_key', exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary),
        'has_usable_primary_key', coalesce(k.has_primary_key, false)
      ) as facts
    from involved v
    join pg_class c on c.oid = v.oid
    join pg_namespace s on s.oid = c.relnamespace
    left join keys k on k.indrelid = c.oid
  ),
  parts as (
    select l.parent, jsonb_agg(lf.facts order by lf.facts ->> 'schema', lf.facts ->> 'name') as facts
    from leaf l
    join identity lf on lf.oid = l.oid
    group by l.parent
  )
  select case when c.oid is not null then f.facts || jsonb_build_object(
    'is_system', c.oid < 16384 or s.nspname = 'information_schema' or s.nspname like 'pg\\_%',
    'has_children', c.relkind <> 'p' and exists (select from pg_inherits h where h.inhparent = c.oid),
    'root', case when c.relispartition then (
      select jsonb_build_object('schema', rs.nspname, 'name', rc.relname)
      from pg_class rc
      join pg_namespace rs on rs.oid = rc.relnamespace
      where rc.oid = pg_partition_root(c.oid)::oid
    ) end,
    'told_as', case when c.relispartition then (
      select jsonb_build_object('schema', ws.nspname, 'name', w.relname)
      from pg_publication p
      cross join pg_partition_ancestors(c.oid) as a(oid)
      join pg_class w on w.oid = a.oid and w.oid <> c.oid
      join pg_namespace ws on ws.oid = w.relnamespace
      where p.pubname = $3 and p.pubviaroot and (p.puballtables or w.relnamespace in (${SCHEMAS_OF})
        or exists (select from pg_publication_rel r where r.prpubid = p.oid and r.prrelid = w.oid))
      limit 1
    ) end,
    'is_owner', pg_has_role(c.relowner, 'usage'),
    'owner', pg_get_userbyid(c.relowner),
    'me', current_user,
    'may_read', has_schema_privilege(s.oid, 'usage') and has_table_privilege(c.oid, 'select'),
    'is_filtered_by_policy', row_security_active(c.oid),
    'is_published', exists (
      select
      from pg_publication p
      left join pg_publication_rel r on r.prpubid = p.oid and r.prrelid = c.oid
      where p.pubname = $3 and (p.puballtables or r.oid is not null)
    ),
    'columns', (
      select coalesce(jsonb_agg(jsonb_build_object('name', a.attname, 'generated', a.attgenerated)
        order by a.attnum), '[]')
      from pg_attribute a
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    ),
    'indexes', (
      select coalesce(jsonb_agg(k.columns order by i.indexrelid), '[]')
      from pg_index i
      join pg_class ic on ic.oid = i.indexrelid
      join pg_am m on m.oid = ic.relam
      cross join lateral (
        select jsonb_agg(jsonb_build_object('name', a.attname, 'descending', i.indoption[p.n] & 1 = 1,
          'nullsFirst', i.indoption[p.n] & 2 = 2)
          || case m.amname when 'gist' then '{"spatial": true}' else '{}' end::jsonb order by p.n) as columns
        from generate_series(0, i.indnkeyatts - 1) as p(n)
        join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[p.n] and a.attnum > 0
      ) k
      where i.indrelid = c.oid and i.indisvalid and i.indpred is null and i.indexprs is null
        and (m.amname = 'btree' or (m.amname = 'gist' and i.indnkeyatts = 1 and exists (
          -- What an extension has for its own types is there wherever they are.
          select from pg_opclass o join pg_type t on t.oid = o.opcintype and t.typnamespace = o.opcnamespace
          where o.oid = i.indclass[0] and o.opcdefault and t.typnamespace <> 'pg_catalog'::regnamespace)))
    ),
    'partitions', coalesce(p.facts, '[]')
  ) end as facts
  from wanted w
  left join pg_class c on c.oid = w.oid
  left join pg_namespace s on s.oid = c.relnamespace
  left join identity f on f.oid = w.oid
  left join parts p on p.parent = w.oid
  order by w.n`;
