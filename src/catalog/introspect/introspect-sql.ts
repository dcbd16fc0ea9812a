import { OF_BYTES } from '../introspection.ts';
import { type FunctionRef, functionTypesSql, functionVersionsSql } from './found-functions.ts';

/**
 * Catalog queries. They run with `search_path = pg_catalog`, so that `format_type` qualifies everything else, and
 * answer JSON arrays: half the size of objects, which counts with thousands of tables.
 */

const RELATIONS = `
  select c.oid, c.relname, c.relkind, c.relreplident, c.relpersistence, c.relowner, n.nspname, c.xmin
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
   where c.relkind in ('r', 'v', 'm', 'f', 'p')
     and n.nspname not in ('pg_catalog', 'information_schema', 'nearjoin')
     and n.nspname not like 'pg\\_toast%' and n.nspname not like 'pg\\_temp\\_%'`;

/** Without the right to call it a statement that names `pg_control_system()` fails, whether it comes to the call or not. */
const SYSTEM_ID = `(select system_identifier::text from pg_control_system())`;

/** A provider and its locale as one text, the same for the same rules in every version and spelling. */
const localeOf = (provider: string, locale: string): string =>
  `replace(concat(${provider}, ' ', regexp_replace(lower(${locale}), '[.]utf-?8$', '.utf8')), ' posix', ' c')
     || case getdatabaseencoding() when 'SQL_ASCII' then '${OF_BYTES}' else '' end`;

/** What became of the names of these columns from version to version; the locale of ICU was once where libc's is. */
const DATABASE_LOCALE = `(
  select ${localeOf("coalesce(d.facts ->> 'datlocprovider', 'c')", "coalesce(d.facts ->> 'datlocale', d.facts ->> 'daticulocale', d.facts ->> 'datctype')")}
    from (select to_jsonb(p) as facts from pg_database p where p.datname = current_database()) d)`;
const COLLATION_LOCALE = `(
  select ${localeOf('l.collprovider', "coalesce(c.facts ->> 'colllocale', c.facts ->> 'colliculocale', l.collctype)")}
    from (select to_jsonb(l) as facts) c)`;

/** What feeds call their publications: an administrator may have made one for a role that may not. */
const OUR_PUBLICATIONS = String.raw`nearjoin\_%`;

const PUBLISHABLE = `(pg_has_role(c.relowner, 'usage') or (c.nspname, c.relname) in (
    select schemaname, tablename from pg_publication_tables where pubname like '${OUR_PUBLICATIONS}'))`;

const facts = (maySeeSystem: boolean): string => `
  json_build_object(
    'systemId', ${maySeeSystem ? SYSTEM_ID : 'null'},
    'database', current_database(),
    'version', current_setting('server_version_num')::int,
    'locale', ${DATABASE_LOCALE},
    'walLevel', current_setting('wal_level'),
    'inRecovery', pg_is_in_recovery(),
    'mayReplicate', r.rolsuper or r.rolreplication or coalesce(pg_has_role(to_regrole('rds_replication'), 'usage'), false),
    'mayPublish', has_database_privilege(current_database(), 'create')
      or exists (select from pg_publication where pubname like '${OUR_PUBLICATIONS}'),
    'mayCache', coalesce(
      has_schema_privilege(to_regnamespace('nearjoin')::oid, 'create'),
      has_database_privilege(current_database(), 'create')))`;

/** Whether our user may ask for the system identifier. */
export const MAY_SEE_SYSTEM_SQL = `select has_function_privilege('pg_control_system()', 'execute') as allowed`;

/** What the server is and what our user may do. */
export const serverSql = (maySeeSystem: boolean): string =>
  `select ${facts(maySeeSystem)} as answer from pg_roles r where r.rolname = current_user`;

/** One array per table: oid, schema, name, kind, comment, replica identity, persistence, whether our user may publish it or it is. */
export const TABLES_SQL = `
with relations as materialized (${RELATIONS})
select coalesce(json_agg(json_build_array(
         c.oid::int8, c.nspname, c.relname, c.relkind, d.description, c.relreplident, c.relpersistence,
         ${PUBLISHABLE}) order by c.nspname, c.relname), '[]') as answer
  from relations c
  left join pg_description d on d.objoid = c.oid and d.classoid = 'pg_class'::regclass and d.objsubid = 0`;

/** One array per column: table oid, name, type oid, type as SQL, not null, generated, comment, loose, locale of its own. */
export const COLUMNS_SQL = `
with relations as materialized (${RELATIONS})
select coalesce(json_agg(json_build_array(
         a.attrelid::int8, a.attname, a.atttypid::int8, format_type(a.atttypid, a.atttypmod), a.attnotnull,
         a.attgenerated <> '', d.description,
         not coalesce(l.collisdeterministic, true),
         case when l.collprovider <> 'd' then ${COLLATION_LOCALE} end) order by a.attrelid, a.attnum), '[]') as answer
  from relations c
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  left join pg_description d on d.objoid = c.oid and d.classoid = 'pg_class'::regclass and d.objsubid = a.attnum
  left join pg_collation l on l.oid = a.attcollation`;

/** One array per index that can find rows by the values of plain columns: table oid, unique, primary, replica identity, column names. */
export const INDEXES_SQL = `
with relations as materialized (${RELATIONS})
select coalesce(json_agg(json_build_array(
         i.indrelid::int8, i.indisunique, i.indisprimary, i.indisreplident,
         (select json_agg(a.attname order by k.place)
            from unnest(i.indkey::int2[]) with ordinality as k(number, place)
            join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number
           where k.place <= i.indnkeyatts)) order by i.indrelid, not i.indisprimary, i.indexrelid), '[]') as answer
  from relations c
  join pg_index i on i.indrelid = c.oid
  join pg_class ic on ic.oid = i.indexrelid
  join pg_am m on m.oid = ic.relam and m.amname in ('btree', 'hash')
 where i.indisvalid and i.indislive and i.indpred is null and i.indexprs is null`;

/**
 * One array per foreign key: table oid, name, columns, schema, name and columns of the other side, validated.
 * A key to a partitioned table has a shadow per partition, which is left out.
 */
export const FOREIGN_KEYS_SQL = `
with relations as materialized (${RELATIONS})
select coalesce(json_agg(json_build_array(
         f.conrelid::int8, f.conname,
         (select json_agg(a.attname order by k.place) from unnest(f.conkey) with ordinality as k(number, place)
            join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.number),
         n.nspname, t.relname,
         (select json_agg(a.attname order by k.place) from unnest(f.confkey) with ordinality as k(number, place)
            join pg_attribute a on a.attrelid = f.confrelid and a.attnum = k.number),
         f.convalidated) order by f.conrelid, f.conname), '[]') as answer
  from relations c
  join pg_constraint f on f.conrelid = c.oid and f.contype = 'f'
  join pg_class t on t.oid = f.confrelid
  join pg_namespace n on n.oid = t.relnamespace
 where not exists (select from pg_constraint p where p.oid = f.conparentid and p.conrelid = f.conrelid)`;

/** What a composite type or range `t` that somebody has made holds. */
const PARTS_OF_TYPE = `
  select r.rngsubtype from pg_range r where t.oid >= 16384 and t.oid in (r.rngtypid, r.rngmultitypid)
  union all
  select a.atttypid from pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped`;

/** Whether a base type `t` has an order: its own, or that of a type whose values are stored alike. */
const HAS_ORDER = `exists (
  select from pg_opclass o join pg_am m on m.oid = o.opcmethod and m.amname = 'btree'
   where o.opcdefault and (o.opcintype = t.oid or exists (
     select from pg_cast c
      where c.castsource = t.oid and c.casttarget = o.opcintype and c.castmethod = 'b' and c.castcontext = 'i')))`;

/**
 * One array per type in use, by columns or by those functions, what it is made of included: oid, name, schema, kind, category,
 * element, base, SQL, labels, parts, whether it has an order. They begin as an array, of which Postgres expects few rows: for
 * what it would expect of the columns the recursion clears a table of 8 MB before it begins.
 */
export const typesSql = (functions: readonly FunctionRef[]): string => `
with recursive relations as materialized (${RELATIONS}),
${usedTypes(`select unnest(array(
   select a.atttypid from relations c
     join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
   union ${functionTypesSql(functions)}))`)}`;

/** The same of some types. */
export const typesOfSql = (oids: readonly number[]): string => `
with recursive ${usedTypes(`select unnest('{${oids.join()}}'::oid[])`)}`;

const usedTypes = (begun: string): string => `
used(oid) as (
  (${begun})
  union
  select part.oid from used join pg_type t on t.oid = used.oid,
         lateral (select t.typelem union all select t.typbasetype union all ${PARTS_OF_TYPE}) as part(oid)
   where part.oid <> 0)
select coalesce(json_agg(json_build_array(
         t.oid::int8, t.typname, n.nspname, t.typtype, t.typcategory,
         case when e.typarray = t.oid then e.oid::int8 else 0 end, t.typbasetype::int8,
         format_type(t.oid, -1), format_type(t.typbasetype, t.typtypmod),
         (select json_agg(l.enumlabel order by l.enumsortorder) from pg_enum l where l.enumtypid = t.oid),
         (select json_agg(part.oid::int8) from (${PARTS_OF_TYPE}) as part(oid)),
         ${HAS_ORDER})), '[]') as answer
  from used
  join pg_type t on t.oid = used.oid
  left join pg_type e on e.oid = t.typelem
  join pg_namespace n on n.oid = t.typnamespace`;

/** One array per type that values of other databases may be held as: built in, name, SQL. */
export const KNOWN_TYPES_SQL = `
select json_agg(json_build_array(n.nspname = 'pg_catalog', t.typname, format('%I.%I', n.nspname, t.typname))) as answer
  from pg_type t
  join pg_namespace n on n.oid = t.typnamespace
 where t.typtype in ('b', 'r', 'm')
   and (n.nspname = 'pg_catalog' or exists (
     select from pg_depend d where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e'))`;

const hashed = (what: string): string =>
  `select count(*)::text || ':' || coalesce(sum(hashtextextended(${what}, 0)::numeric), 0)::text`;

/**
 * A short text that changes with any table, column, key, type, enum, comment, extension or right, with those functions, and with the name
 * of a schema: row identities of the catalog, whose `xmin` moves with every change of definition but not with vacuum or analyze.
 */
export const fingerprintSql = (functions: readonly FunctionRef[], maySeeSystem: boolean): string => `
with relations as materialized (${RELATIONS})
select to_json(md5(concat_ws(' ',
  (${hashed(`concat_ws(' ', c.oid, c.nspname, c.xmin, ${PUBLISHABLE})`)} from relations c),
  (${hashed("a.attrelid::text || ' ' || a.attnum::text || ' ' || a.xmin::text")}
     from relations c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0),
  (${hashed("i.indexrelid::text || ' ' || i.xmin::text")} from relations c join pg_index i on i.indrelid = c.oid),
  (${hashed("f.oid::text || ' ' || f.xmin::text")} from relations c join pg_constraint f on f.conrelid = c.oid),
  (${hashed("d.objoid::text || ' ' || d.objsubid::text || ' ' || d.xmin::text")}
     from relations c join pg_description d on d.objoid = c.oid and d.classoid = 'pg_class'::regclass),
  (${hashed("l.oid::text || ' ' || l.xmin::text")} from pg_enum l),
  (${hashed("concat_ws(' ', t.oid, n.nspname, t.xmin, k.xmin)")}
     from pg_type t join pg_namespace n on n.oid = t.typnamespace
     left join pg_class k on k.oid = t.typrelid
    where t.oid >= 16384 and t.typcategory <> 'A' and coalesce(k.relkind, 'c') = 'c'),
  (${hashed("e.oid::text || ' ' || e.xmin::text")} from pg_extension e),
  (${hashed('f.id')} from (${functionVersionsSql(functions)}) f),
  (select (${facts(maySeeSystem)})::text from pg_roles r where r.rolname = current_user)))) as answer`;
