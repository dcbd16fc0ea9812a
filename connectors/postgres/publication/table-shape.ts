import { keptIn } from '../../../src/core/kept-in.ts';
import { schemasAndNames, type TableRef } from '../../../src/core/names.ts';
import type { TableShape } from '../../../src/core/rows/table-shape.ts';
import type { Query } from '../client.ts';
import { type Division, type PartitionLevel, partOf, unclaimed } from './partition-bounds.ts';

/** What the catalog rows to look at again belong to. */
export interface Followed {
  /** Tables, their partitions, and composite types. */
  readonly relations: readonly number[];
  readonly enums: readonly number[];
}

/** Nothing is followed. */
export const NOTHING: Followed = { relations: [], enums: [] };

/** A table by itself. */
interface TableRow {
  /** Null for one that does not exist. */
  readonly shape: Omit<TableShape, 'labels' | 'composites' | 'versions' | 'keys' | 'unclaimed'> | null;
  readonly oid: number;
  readonly has_parts: boolean;
  readonly has_made_types: boolean;
}

/** What a table has below it. */
interface PartsRow {
  readonly root: number;
  readonly oids: readonly number[];
  readonly files: TableShape['files'];
  readonly versions: NonNullable<TableShape['versions']>;
  /** By partition, from the root's own on. */
  readonly levels: Readonly<Record<string, readonly Bound[]>> | null;
  /** By the tables that have partitions. */
  readonly divisions: Readonly<Record<string, Division>>;
}

/** The types of a table's columns that somebody has made, with what they are made of. */
interface TypesRow {
  readonly root: number;
  readonly types: readonly number[];
  readonly labels: TableShape['labels'];
  readonly versions: NonNullable<TableShape['versions']>;
  readonly oids: readonly number[];
  readonly composites: TableShape['composites'];
}

/** Where a partition lies in its parent. */
interface Bound {
  readonly of: number;
  /** As pg_get_expr prints it. */
  readonly bound: string | null;
}

/**
 * The shapes in the order of the tables, null for one that does not exist; and what to watch for them to change. To be asked
 * in one snapshot: of partitions and of types that somebody has made only the tables tell that have some.
 */
export async function readShapes(
  query: Query,
  publication: string,
  tables: readonly TableRef[],
): Promise<{ readonly shapes: readonly (TableShape | null)[]; readonly followed: Followed }> {
  if (tables.length === 0) return { shapes: [], followed: NOTHING };
  const rows = await query<TableRow>(TABLES, [publication, ...schemasAndNames(tables)]);
  const divided = rows.filter((row) => row.has_parts);
  const typed = rows.filter((row) => row.has_made_types);
  const parts = await byRoot<PartsRow>(query, PARTS, divided);
  const types = await byRoot<TypesRow>(query, TYPES, typed);
  const own = rows.flatMap((row) => (row.shape === null ? [] : [row.oid]));
  const below = [...parts.values(), ...types.values()].flatMap(({ oids }) => oids);
  return {
    shapes: rows.map((row) => shapeOf(row, parts.get(row.oid), types.get(row.oid))),
    followed: {
      relations: [...new Set([...own, ...below])],
      enums: [...new Set([...types.values()].flatMap((row) => row.types))],
    },
  };
}

async function byRoot<Row extends { readonly root: number }>(
  query: Query,
  sql: string,
  tables: readonly TableRow[],
): Promise<ReadonlyMap<number, Row>> {
  const rows = tables.length === 0 ? [] : await query<Row>(sql, [tables.map(({ oid }) => oid)]);
  return new Map(rows.map((row) => [row.root, row]));
}

const NO_TYPES: Pick<TypesRow, 'labels' | 'composites' | 'versions'> = {
  labels: {},
  composites: {},
  versions: {},
};

function shapeOf(
  { shape: own }: TableRow,
  parts: PartsRow | undefined,
  { labels, composites, versions } = NO_TYPES,
): TableShape | null {
  if (own === null) return null;
  const shape = { ...own, labels, composites, versions };
  if (parts === undefined) return shape;
  return { ...shape, files: parts.files, versions: { ...parts.versions, ...versions }, ...keysOf(parts) };
}

function keysOf({ levels, divisions }: PartsRow): Pick<TableShape, 'keys' | 'unclaimed'> {
  if (levels === null) return {};
  const bounds = new Map<number, (string | null)[]>();
  for (const { of, bound } of Object.values(levels).flatMap((path) => path.slice(-1)))
    keptIn(bounds, of, () => []).push(bound);
  const levelOf = ({ of, bound }: Bound): PartitionLevel => {
    const division = divisions[of] ?? { strategy: null, columns: [] };
    return { ...division, bound, beside: bounds.get(of) ?? [] };
  };
  const keys = Object.entries(levels).flatMap(([partition, path]) => {
    const part = partOf(path.map(levelOf));
    return part === null ? [] : [[partition, part] as const];
  });
  const tables = Object.entries(divisions).map(([table, division]) => ({
    path: (levels[table] ?? []).map(levelOf),
    division,
    bounds: bounds.get(Number(table)) ?? [],
  }));
  return { keys: Object.fromEntries(keys), unclaimed: unclaimed(tables) };
}

const TABLES = `
  select
    case when c.oid is not null then jsonb_build_object(
      'publication', (
        select concat_ws(' ', p.oid, p.xmin, r.oid)
        from pg_publication p
        left join pg_publication_rel r on r.prpubid = p.oid and r.prrelid = c.oid
        where p.pubname = $1 and (p.puballtables or r.oid is not null)
      ),
      'relation', c.oid::bigint,
      'columns', coalesce(a.columns, '{}'),
      'written', coalesce(a.written, '{}'),
      'isPartitioned', c.relkind = 'p',
      'files', jsonb_build_object(c.oid::text, c.relfilenode::bigint)
    ) end as shape,
    c.oid,
    coalesce(c.relhassubclass or c.relkind = 'p', false) as has_parts,
    coalesce(a.has_made_types, false) as has_made_types
  from unnest($2::text[], $3::text[]) with ordinality as w(schema, name, n)
  left join pg_namespace s on s.nspname = w.schema
  left join pg_class c on c.relnamespace = s.oid and c.relname = w.name and c.relkind in ('r', 'p')
  left join lateral (
    select jsonb_object_agg(a.attname, a.attnum) as columns, jsonb_object_agg(a.attname, a.xmin::text) as written,
      bool_or(a.atttypid >= 16384) as has_made_types
    from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  ) a on true
  order by w.n`;

/** A partition that is being detached concurrently is out already. */
const PARTS = `
  with recursive tree (root, oid, attached, levels) as (
    select oid, oid, null, '[]'::jsonb from unnest($1::oid[]) as wanted(oid)
    union all
    select tree.root, i.inhrelid, i.xmin::text, tree.levels || jsonb_build_object(
      -- Constants only. With the partition named there would be none of one that is dropped since the statement's snapshot.
      'of', tree.oid::bigint, 'bound', pg_get_expr(part.relpartbound, 0))
    from tree
    join pg_inherits i on i.inhparent = tree.oid
    join pg_class part on part.oid = i.inhrelid
    where not i.inhdetachpending
  ),
  -- of each table in one row: looking through all of them for each would take the square of their number
  parts as (
    select tree.root, array_agg(f.oid::bigint) as oids,
      coalesce(jsonb_object_agg(f.oid::text, f.relfilenode::bigint) filter (where f.relkind <> 'p'), '{}') as files,
      jsonb_object_agg('partition ' || f.oid, tree.attached) filter (where tree.attached is not null) as versions,
      jsonb_object_agg(f.oid::text, tree.levels) filter (where tree.attached is not null) as levels
    from tree join pg_class f on f.oid = tree.oid
    group by tree.root
  ), divisions as (
    select tree.root, jsonb_object_agg(d.partrelid::text, jsonb_build_object('strategy', d.partstrat, 'columns', (
      select jsonb_agg(jsonb_build_object(
        'name', a.attname, 'type', (
          with recursive under (oid, base) as (
            select t.oid, t.typbasetype union all select b.oid, b.typbasetype from under join pg_type b on b.oid = under.base
          )
          select oid::bigint from under where base = 0
        ), 'domain', case when t.typtype = 'd' then t.oid::bigint end, 'isEnum', t.typtype = 'e',
        'isUsual', exists (select from pg_opclass o where o.oid = d.partclass[k.at - 1] and o.opcdefault) and not exists (
          select from pg_collation l where l.oid = d.partcollation[k.at - 1] and not l.collisdeterministic)
        ) order by k.at)
      from unnest(d.partattrs) with ordinality as k(attnum, at)
      left join pg_attribute a on a.attrelid = d.partrelid and a.attnum = k.attnum and a.attnum > 0
      left join pg_type t on t.oid = a.atttypid
    ))) as divisions
    from tree join pg_partitioned_table d on d.partrelid = tree.oid
    group by tree.root
  )
  select f.root, f.oids::float8[] as oids, f.files, coalesce(f.versions, '{}') as versions, f.levels, coalesce(d.divisions, '{}') as divisions
  from parts f left join divisions d on d.root = f.root`;

const TYPES = `
  with recursive used (root, type) as (
    select distinct a.attrelid, a.atttypid
    from pg_attribute a
    where a.attrelid = any($1::oid[]) and a.attnum > 0 and not a.attisdropped and a.atttypid >= 16384
    union
    select used.root, part.type
    from used
    join pg_type t on t.oid = used.type
    cross join lateral (
      select t.typelem union all select t.typbasetype
      union all select r.rngsubtype from pg_range r where t.oid in (r.rngtypid, r.rngmultitypid)
      union all select a.atttypid from pg_attribute a
        where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
    ) part (type)
    where part.type >= 16384
  ), composite as (
    select used.root, t.typrelid as oid from used join pg_type t on t.oid = used.type where t.typrelid <> 0
  ), labels as (
    select used.root, jsonb_object_agg(e.oid::text, e.enumlabel) as labels,
      jsonb_object_agg('label ' || e.oid, e.xmin::text) as versions
    from used join pg_enum e on e.enumtypid = used.type
    group by used.root
  ), composites as (
    -- with those that are dropped, which tell of an attribute that was there for a moment
    select k.root, array_agg(k.oid::bigint) as oids, jsonb_object_agg(k.oid::text, (
      select string_agg(concat(a.attnum, ' ', a.atttypid), ',' order by a.attnum)
      from pg_attribute a where a.attrelid = k.oid and a.attnum > 0
    )) as composites
    from composite k
    group by k.root
  ), types as (
    select used.root, array_agg(used.type::bigint) as types from used group by used.root
  )
  select t.root, t.types::float8[] as types, coalesce(k.oids, '{}')::float8[] as oids,
    coalesce(l.labels, '{}') as labels, coalesce(l.versions, '{}') as versions, coalesce(k.composites, '{}') as composites
  from types t
  left join labels l on l.root = t.root
  left join composites k on k.root = t.root`;

/**
 * The newest position, and a text that changes whenever anything does that a shape or the judgement of a table is made
 * of. Catalog rows are never changed in place but for statistics, so their number and the sum of the transactions that
 * wrote them tell.
 */
export async function readMark(
  query: Query,
  publication: string,
  { relations, enums }: Followed,
): Promise<{ readonly position: string; readonly mark: string }> {
  const [row] = await query<{ position: string; mark: string }>(
    MARK,
    [publication, relations, enums],
    'nearjoin_mark',
  );
  return row ?? { position: '0/0', mark: '' };
}

const MARK = `
  select pg_current_wal_insert_lsn()::text as position, concat_ws(' ',
    (select concat(oid, ':', xmin) from pg_publication where pubname = $1),
    -- Its tables, and its schemas, of which Postgres 14 has no table.
    (select concat(count(*), ':', sum(d.xmin::text::bigint)) from pg_publication p
      join pg_depend d on d.refclassid = 'pg_publication'::regclass and d.refobjid = p.oid where p.pubname = $1),
    (select concat(count(*), ':', sum(c.xmin::text::bigint)) from pg_class c where c.oid = any($2::oid[])),
    (select concat(count(*), ':', sum(n.xmin::text::bigint)) from pg_namespace n
      where n.oid in (select c.relnamespace from pg_class c where c.oid = any($2::oid[]))),
    (select concat(count(*), ':', sum(m.xmin::text::bigint)) from pg_auth_members m),
    (select concat(r.rolsuper, r.rolbypassrls) from pg_roles r where r.rolname = current_user),
    (select concat(count(*), ':', sum(a.xmin::text::bigint)) from pg_attribute a
      where a.attrelid = any($2::oid[]) and a.attnum > 0),
    (select concat(count(*), ':', sum(i.xmin::text::bigint)) from pg_index i where i.indrelid = any($2::oid[])),
    (select concat(count(*), ':', sum(h.xmin::text::bigint)) from pg_inherits h where h.inhparent = any($2::oid[])),
    (select concat(count(*), ':', sum(e.xmin::text::bigint)) from pg_enum e where e.enumtypid = any($3::oid[]))
  ) as mark`;
