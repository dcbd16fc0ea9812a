import pg from 'pg';
import type { SourceName } from '../../core/names.ts';
import { LOCK_HOLDER_SQL } from '../../core/postgres/lock-holder.ts';
import { quoteIdentifier } from '../../core/postgres/quote-identifier.ts';
import type { IndexColumn } from '../../core/rows/index-column.ts';
import { inCache, inStage } from '../names.ts';
import { keptStatement } from '../queryable.ts';
import type { StoredColumn } from './stored.ts';

/** What a physical cache table is made of. */
export interface CacheShape {
  readonly relation: string;
  readonly columns: readonly StoredColumn[];
  readonly key: readonly string[];
}

/** Room for the next version of a row beside it. */
export const STORAGE = '(fillfactor = 90)';

/** The comment of a copy says whose it is: its name is cut where it is long, and may begin like another target's. */
const COPY_OF = 'a copy that nearjoin keeps of target ';

/** Makes an empty cache table without any index: the copy fills it faster so. */
export function createTableSql({
  target,
  relation,
  columns,
  key,
}: CacheShape & { readonly target: SourceName }): string {
  // Else making the index over it the primary key reads the whole table to see that no key is null.
  const list = columns.map(
    ({ name, type }) => `${quoteIdentifier(name)} ${type}${key.includes(name) ? ' not null' : ''}`,
  );
  return `create table ${inCache(relation)} (${list.join(', ')}) with ${STORAGE};
    comment on table ${inCache(relation)} is ${pg.escapeLiteral(COPY_OF + target)}`;
}

/** What reads of a cache table want to be fast. */
export interface WantedIndexes {
  /** Sets of columns that rows are looked up by. */
  readonly lookups: readonly (readonly string[])[];
  /** The indexes of the table on its target. */
  readonly mirrored: readonly (readonly IndexColumn[])[];
}

/** The statements that follow a copy: the key, and every wanted index that is neither there nor served by another. */
export function indexSql(
  shape: CacheShape,
  wanted: WantedIndexes,
  existing: readonly (readonly string[])[],
): readonly string[] {
  const key = `create unique index on ${inCache(shape.relation)} (${identifiers(shape.key)})`;
  return [
    ...(hasKey(shape, existing) ? [] : [key]),
    ...missingIndexes(shape, wanted, [shape.key, ...existing]).map((columns) =>
      createIndexSql(shape.relation, columns),
    ),
  ];
}

/** Makes the key of a table that nobody else sees yet: the table is locked meanwhile. */
export function primaryKeySql({ relation, key }: Pick<CacheShape, 'relation' | 'key'>): string {
  return `alter table ${inCache(relation)} add primary key (${identifiers(key)})`;
}

/** Whether the index that names the rows is among the others. */
export function hasKey({ key }: Pick<CacheShape, 'key'>, existing: readonly (readonly string[])[]): boolean {
  return existing.some((index) => index.length === key.length && beginsWith(index, key));
}

/** Makes one index. */
export function createIndexSql(relation: string, columns: readonly IndexColumn[]): string {
  const [first] = columns;
  if (first?.spatial === true)
    return `create index on ${inCache(relation)} using gist (${quoteIdentifier(first.name)})`;
  const list = columns.map(({ name, descending, nullsFirst }) => {
    return `${quoteIdentifier(name)}${descending ? ' desc' : ''} nulls ${nullsFirst ? 'first' : 'last'}`;
  });
  return `create index on ${inCache(relation)} (${list.join(', ')})`;
}

/**
 * The wanted indexes that are not there. One that finds rows by a mapping goes on with the key: lists of related
 * rows end their order with it, so the first rows of each are read from the index as they come.
 */
export function missingIndexes(
  shape: Pick<CacheShape, 'columns' | 'key'>,
  { lookups, mirrored }: WantedIndexes,
  existing: readonly (readonly string[])[],
): readonly (readonly IndexColumn[])[] {
  const held = new Map(shape.columns.map(({ name, type }) => [name, type]));
  // A spatial index over a column that is held as text is impossible.
  const possible = mirrored.filter((index) =>
    index.every(({ name, spatial }) => held.has(name) && !(spatial === true && held.get(name) === 'text')),
  );
  const copies = possible.filter((index) => {
    const isThere = existing.some((one) => beginsWith(one, namesOf(index)));
    return !isThere && !possible.some((other) => other.length > index.length && goesOn(other, index));
  });
  const served = [...existing, ...copies.filter((index) => !isSpatial(index)).map(namesOf)];
  const missing = missingLookups(shape, lookups, served).map((lookup) => lookup.map(ascending));
  return [...copies, ...missing].map((index) => {
    const isLookup =
      !isSpatial(index) &&
      lookups.some((lookup) => lookup.length === index.length && serves(namesOf(index), lookup));
    return isLookup ? withKey(index, shape.key) : index;
  });
}

function namesOf(index: readonly IndexColumn[]): readonly string[] {
  return index.map(({ name }) => name);
}

function isSpatial(index: readonly IndexColumn[]): boolean {
  return index[0]?.spatial === true;
}

/** Whether an index begins with another one, so that it serves wherever that would. */
function goesOn(index: readonly IndexColumn[], other: readonly IndexColumn[]): boolean {
  return other.every((column, place) => {
    const own = index[place];
    return (
      own?.name === column.name &&
      own.spatial === column.spatial &&
      own.descending === column.descending &&
      own.nullsFirst === column.nullsFirst
    );
  });
}

function withKey(index: readonly IndexColumn[], key: readonly string[]): readonly IndexColumn[] {
  const names = namesOf(index);
  return [...index, ...key.filter((name) => !names.includes(name)).map(ascending)];
}

function beginsWith(index: readonly string[], columns: readonly string[]): boolean {
  return columns.every((column, place) => index[place] === column);
}

function ascending(name: string): IndexColumn {
  return { name, descending: false, nullsFirst: false };
}

/** The lookups that no index serves: one serves when it begins with the lookup's columns, in any order. */
function missingLookups(
  shape: Pick<CacheShape, 'columns'>,
  lookups: readonly (readonly string[])[],
  indexes: readonly (readonly string[])[],
): readonly (readonly string[])[] {
  const held = new Set(shape.columns.map((column) => column.name));
  const missing: (readonly string[])[] = [];
  for (const lookup of lookups) {
    const possible = lookup.length > 0 && lookup.every((column) => held.has(column));
    if (possible && ![...indexes, ...missing].some((index) => serves(index, lookup))) missing.push(lookup);
  }
  return missing;
}

function serves(index: readonly string[], lookup: readonly string[]): boolean {
  const first = new Set(index.slice(0, lookup.length));
  return lookup.every((column) => first.has(column));
}

/**
 * Makes the table that gathers the net changes during a copy, unless it is there: columns c1, c2 … for the cached ones,
 * `missing` lists those the target did not send, of a `deleted` row none. A row is `astray` when the copy may hold another
 * row under its key, and was `asked` for when the target was to say what is missing and the row has had its key since.
 */
export function createOverlaySql(overlay: string, { columns, key }: CacheShape): string {
  const list = columns.map(({ type }, index) => `c${index + 1} ${type}`).join(', ');
  const keys = columns.flatMap(({ name }, index) => (key.includes(name) ? [`c${index + 1}`] : []));
  return `create table if not exists ${inCache(overlay)} (${list}, deleted boolean not null default false,
    missing int[] not null default '{}', astray boolean not null default false,
    asked boolean not null default false, primary key (${keys.join(', ')})) with ${STORAGE}`;
}

/** Drops a relation of ours if it is there, and what the session has staged for it. */
export function dropTableSql(relation: string): string {
  return `drop table if exists ${inCache(relation)}, ${inStage(relation)}`;
}

/** A copy or overlay that nothing refers to any more. */
export interface Orphan {
  readonly relation: string;
  /** It is the target's own, and not of one that is gone or not known. */
  readonly isOwn: boolean;
  /** Who has a lock on it; null when nobody does. */
  readonly holders: string | null;
  /** What of somebody's depends on it, as the statement that takes it away where there is one. */
  readonly keepers: string | null;
}

/**
 * Finds what a leader that died or was replaced has left: the orphans of the target $1, and those that are no feed's. Copies and
 * overlays are known by the endings of their names, so that an older nearjoin leaves alone what a newer one keeps in the schema.
 * Whose an orphan is, its comment says; an overlay has none, and belongs to the target with the longest name that its own begins
 * with.
 */
export const ORPHANS_SQL = keptStatement(`
  with held as (
    select l.relation, string_agg(distinct ${LOCK_HOLDER_SQL}, ', ') as holders
    from pg_locks l join pg_database d on d.oid = l.database left join pg_stat_activity a on a.pid = l.pid
    where d.datname = current_database() and l.locktype = 'relation' and l.mode <> 'SIReadLock'
    group by l.relation
  )
  select c.relname as relation, w.owner is not null and w.owner = $1 as "isOwn",
    h.holders, (
    select string_agg(distinct case
      when view.oid is not null then format('drop %s %s;', case view.relkind when 'm' then 'materialized view' else 'view' end, view.oid::regclass)
      when rule.conname is not null then format('alter table %s drop constraint %I;', rule.conrelid::regclass, rule.conname)
      else (select concat(what.type, ' ', what.identity) from pg_identify_object(d.classid, d.objid, d.objsubid) what) end, ' ')
    from pg_depend d
    left join pg_rewrite r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
    left join pg_class view on view.relkind in ('v', 'm')
      and view.oid = coalesce(r.ev_class, case d.classid when 'pg_class'::regclass then d.objid end)
    left join pg_constraint rule on d.classid = 'pg_constraint'::regclass and rule.oid = d.objid and rule.conrelid <> 0
    where d.deptype = 'n' and coalesce(r.ev_class, rule.conrelid) is distinct from c.oid
      and (d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid or d.refclassid = 'pg_type'::regclass and d.refobjid = c.reltype)
    ) as keepers
  from pg_class c
  left join held h on h.relation = c.oid
  cross join lateral (select coalesce(
    substring(obj_description(c.oid, 'pg_class') from '^${COPY_OF}(.*)$'),
    (select f.target from nearjoin.feed f where starts_with(c.relname::text, f.target || '__')
      order by length(f.target) desc limit 1)) as owner) w
  where c.relnamespace = 'nearjoin'::regnamespace and c.relkind = 'r'
    and c.relname ~ '__[go][0-9]+$'
    and not exists (select from nearjoin.cache_table t where c.relname in (t.relation, t.overlay, t.serving ->> 'relation'))
    and not exists (select from nearjoin.feed f where f.target = w.owner and f.target <> $1)`);

/** A list of identifiers for SQL. */
export function identifiers(names: readonly string[]): string {
  return names.map(quoteIdentifier).join(', ');
}
