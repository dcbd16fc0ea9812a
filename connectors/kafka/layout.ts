import { schemasAndNames, type TableRef } from '../../src/core/names.ts';
import type { Query } from '../postgres/client.ts';
import { type Kind, kindOf } from './values.ts';

/** A column that Debezium tells without loss. */
export interface ColumnLayout {
  readonly name: string;
  readonly typeOid: number;
  readonly typeModifier: number;
  readonly kind: Kind;
  readonly isKey: boolean;
  /** It may be null, and has a default. */
  readonly hasDefault?: boolean;
}

/** A table's columns, as the target's catalog has them. */
export interface TableLayout {
  readonly table: TableRef;
  readonly oid: number;
  readonly columns: readonly ColumnLayout[];
}

/** One column in the catalog; of a domain `base` is the type that it is over. */
interface ColumnRow {
  readonly name: string;
  readonly type_oid: number;
  readonly modifier: number;
  readonly base: string;
  readonly is_enum: boolean;
  readonly has_default: boolean;
}

interface LayoutRow {
  readonly oid: number | null;
  readonly columns: readonly ColumnRow[];
  readonly is_published: boolean;
  readonly is_partitioned: boolean;
}

/** What the target says of the publication that Debezium's slot is read with. */
export interface Captured {
  readonly publication: string;
  readonly exists: boolean;
  readonly isWhole: boolean;
  readonly isViaRoot: boolean;
  readonly tables: readonly {
    readonly isPublished: boolean;
    readonly isPartitioned: boolean;
    readonly oid: number;
    readonly columns: readonly (Omit<ColumnLayout, 'kind' | 'isKey'> & { readonly kind: Kind | null })[];
  }[];
}

/** Reads what Debezium publishes, and each table's columns. */
export async function readCaptured(
  query: Query,
  publication: string,
  tables: readonly TableRef[],
): Promise<Captured> {
  const [found] = await query<{ is_whole: boolean; is_via_root: boolean }>(
    `select pubinsert and pubupdate and pubdelete and pubtruncate as is_whole, pubviaroot as is_via_root
     from pg_publication where pubname = $1`,
    [publication],
  );
  const names = [publication, ...schemasAndNames(tables)];
  const rows = tables.length === 0 ? [] : await query<LayoutRow>(LAYOUTS, names);
  return {
    publication,
    exists: found !== undefined,
    isWhole: found?.is_whole === true,
    isViaRoot: found?.is_via_root === true,
    tables: rows.map((row) => ({
      isPublished: row.is_published,
      isPartitioned: row.is_partitioned,
      oid: row.oid ?? 0,
      columns: row.columns.map((column) => ({
        name: column.name,
        typeOid: column.type_oid,
        typeModifier: column.modifier,
        kind: kindOf({ name: column.base, isEnum: column.is_enum }),
        hasDefault: column.has_default,
      })),
    })),
  };
}

/** A table with a row filter or a column list counts as not published. Publications of all tables, or of a schema, have neither. */
const LAYOUTS = `
  with recursive wanted as (
    select w.n, c.oid, c.relkind
    from unnest($2::text[], $3::text[]) with ordinality as w(schema, name, n)
    left join pg_namespace s on s.nspname = w.schema
    left join pg_class c on c.relnamespace = s.oid and c.relname = w.name and c.relkind in ('r', 'p')
  ), made_of (oid, base) as (
    select distinct a.atttypid, a.atttypid
    from wanted w join pg_attribute a on a.attrelid = w.oid and a.attnum > 0 and not a.attisdropped
    union all
    select m.oid, t.typbasetype from made_of m join pg_type t on t.oid = m.base and t.typtype = 'd'
  ), base as (
    select m.oid, t.typname, t.typtype from made_of m join pg_type t on t.oid = m.base and t.typtype <> 'd'
  )
  select
    w.oid::bigint::float8 as oid,
    coalesce(w.relkind = 'p', false) as is_partitioned,
    exists (
      select
      from pg_publication p
      left join pg_publication_rel r on r.prpubid = p.oid and r.prrelid = w.oid
      where p.pubname = $1
        and case when r.oid is null
          then p.puballtables or exists (
            select from pg_publication_tables v
            where v.pubname = p.pubname and format('%I.%I', v.schemaname, v.tablename)::regclass = w.oid
          )
          else to_jsonb(r) ->> 'prqual' is null and to_jsonb(r) ->> 'prattrs' is null
        end
    ) as is_published,
    (
      select coalesce(jsonb_agg(jsonb_build_object('name', a.attname, 'type_oid', a.atttypid::bigint,
        'modifier', a.atttypmod, 'base', b.typname, 'is_enum', b.typtype = 'e',
        'has_default', a.atthasdef and not a.attnotnull) order by a.attnum), '[]')
      from pg_attribute a
      join base b on b.oid = a.atttypid
      where a.attrelid = w.oid and a.attnum > 0 and not a.attisdropped
    ) as columns
  from wanted w
  order by w.n`;
