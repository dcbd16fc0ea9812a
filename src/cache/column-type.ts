import type { ColumnType } from '../catalog/catalog.ts';
import { isArrayType } from '../core/travel-type.ts';
import { type Queryable, rowsOf } from './queryable.ts';

/** The types a source database knows, as far as they can hold another database's values. */
export interface KnownTypes {
  /** Names in pg_catalog. */
  readonly builtIn: ReadonlySet<string>;
  /** Base types of extensions (citext, hstore, ltree …) by bare name, as SQL. */
  readonly extension: ReadonlyMap<string, string>;
}

// Their text names objects of the target database, which the source would not find.
const NAMES_OBJECTS = new Set(
  `regproc regprocedure regoper regoperator regclass regtype regrole regnamespace regconfig regdictionary
   regcollation aclitem`.split(/\s+/),
);

const KNOWN_TYPES = `
  select n.nspname = 'pg_catalog' as "builtIn", t.typname as name, format('%I.%I', n.nspname, t.typname) as sql
  from pg_type t
  join pg_namespace n on n.oid = t.typnamespace
  where t.typtype in ('b', 'r', 'm')
    and (n.nspname = 'pg_catalog' or exists (
      select from pg_depend d where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e'))`;

/** Asks a source database which types it has. */
export async function knownTypes(client: Queryable): Promise<KnownTypes> {
  const rows = await rowsOf<{ builtIn: boolean; name: string; sql: string }>(client, KNOWN_TYPES);
  return {
    builtIn: new Set(rows.filter((row) => row.builtIn).map((row) => row.name)),
    extension: new Map(rows.filter((row) => !row.builtIn).map((row) => [row.name, row.sql])),
  };
}

/** The type a cached column gets on the source: the same where that has one meaning on both sides, else text. */
export function cacheType(type: ColumnType, known: KnownTypes): string {
  switch (type.kind) {
    case 'domain':
      return type.element === null ? 'text' : cacheType(type.element, known);
    case 'array':
      return arrayType(type, known);
    case 'base':
    case 'range':
      return isSame(type, known) ? type.sql : fromExtension(type, known);
    case 'enum':
    case 'composite':
    case 'pseudo':
      return 'text';
  }
}

function arrayType(type: ColumnType, known: KnownTypes): string {
  if (type.element === null) return isSame(type, known) ? type.sql : 'text';
  const kept = (type.element.kind === 'base' || type.element.kind === 'range') && isSame(type.element, known);
  if (kept) return type.sql;
  const element = cacheType(type.element, known);
  // Arrays of a domain over arrays are not arrays of more dimensions.
  return isArrayType(element) ? 'text[]' : `${element}[]`;
}

function isSame(type: ColumnType, known: KnownTypes): boolean {
  return type.schema === 'pg_catalog' && known.builtIn.has(type.name) && !NAMES_OBJECTS.has(type.name);
}

function fromExtension(type: ColumnType, known: KnownTypes): string {
  const same = known.extension.get(type.name);
  if (same === undefined || type.kind !== 'base') return 'text';
  return same + (/\([^()"]*\)$/.exec(type.sql)?.[0] ?? '');
}
