import type { SourceName, TableRef } from '../core/names.ts';
import type { DatabaseIdentity } from '../core/postgres/database-identity.ts';
import type { ColumnType, KnownTypes } from './catalog.ts';
import type { FoundFunction } from './introspect/found-functions.ts';

/** A column as the database describes it. */
export interface FoundColumn {
  readonly name: string;
  readonly type: ColumnType;
  readonly notNull: boolean;
  /** Computed from other columns; replication may leave it out. */
  readonly generated: boolean;
  readonly comment: string | null;
  /** See `Column.loose`. */
  readonly loose?: true;
  /** Of its collation, where that is not the database's. */
  readonly locale?: string;
}

/** Columns that identify a row: a primary key, or a unique index over plain columns of the whole table. */
export interface FoundKey {
  readonly columns: readonly string[];
  readonly primary: boolean;
  /** The index chosen by `replica identity using index`. */
  readonly replicaIdentity: boolean;
}

/** A foreign key of a table, its columns in the order of the constraint. */
export interface FoundForeignKey {
  readonly name: string;
  readonly columns: readonly string[];
  readonly references: TableRef;
  readonly referencedColumns: readonly string[];
  /** False for `not valid` ones: existing rows may break it. */
  readonly validated: boolean;
}

/** A table or view as the database describes it. */
export interface FoundTable {
  readonly ref: TableRef;
  readonly kind: 'table' | 'view' | 'materialized-view' | 'foreign-table' | 'partitioned-table';
  readonly comment: string | null;
  readonly columns: readonly FoundColumn[];
  readonly keys: readonly FoundKey[];
  /** Columns of every index that finds rows by plain values, keys among them. */
  readonly indexes: readonly (readonly string[])[];
  readonly foreignKeys: readonly FoundForeignKey[];
  /** pg_class.relreplident: default, nothing, full or index. */
  readonly replicaIdentity: 'd' | 'n' | 'f' | 'i';
  /** Written to the WAL at all: false for unlogged tables. */
  readonly logged: boolean;
  /** Our user may publish it, as its owner or a superuser, or an administrator has. */
  readonly publishable: boolean;
}

/** What our user may do in a database, and what the server is able to. */
export interface ServerFacts extends DatabaseIdentity {
  /** As in `server_version_num`: 180004. */
  readonly version: number;
  /** What a character is, which of them are letters, and which are one another's capitals. */
  readonly locale: string;
  readonly walLevel: string;
  readonly inRecovery: boolean;
  readonly mayReplicate: boolean;
  /** Make publications; or an administrator has made one for us. */
  readonly mayPublish: boolean;
  /** Make tables in schema `nearjoin`, and that schema where it is not there. */
  readonly mayCache: boolean;
}

/** A row of an enum table. */
export interface EnumValue {
  readonly value: string;
  readonly description: string | null;
}

/** The type of a column that a statement answers. */
export interface AnsweredType {
  readonly oid: number;
  readonly sql: string;
}

/** What a database says to native queries. */
export interface FoundQueries {
  /** By the name that metadata has for them; a name of no type is missing. */
  readonly queryTypes: ReadonlyMap<string, ColumnType>;
  /** By the text of their probes: the types of the columns in their order, or why the query does not fit. */
  readonly statements: ReadonlyMap<string, readonly AnsweredType[] | { readonly error: string }>;
}

/** Everything one database says about itself, read in one snapshot. */
export interface Introspection {
  readonly server: ServerFacts;
  /** By `tableKey`. */
  readonly tables: ReadonlyMap<string, FoundTable>;
  /** Those that were asked for and exist, by `tableKey` of their names; more than one where the name is overloaded. */
  readonly functions: ReadonlyMap<string, readonly FoundFunction[]>;
  readonly queries: FoundQueries;
  readonly types: KnownTypes;
  /** Rows of the tables that were asked for, by `tableKey`; an error text where they could not be read. */
  readonly enumValues: ReadonlyMap<string, readonly EnumValue[] | { readonly error: string }>;
  /** Changes when a table, column, key, extension, right or function that was asked for does. */
  readonly fingerprint: string;
}

/** A database that could not be asked. */
export interface Unavailable {
  readonly unavailable: string;
}

/** What came of asking a database. */
export type Found = Introspection | Unavailable;

/** Whether the database answered. */
export function isAvailable(found: Found): found is Introspection {
  return !('unavailable' in found);
}

/** What the databases answered, by source. */
export type Introspections = ReadonlyMap<SourceName, Found>;

/** Ends the locale of a database that knows no characters, only bytes. */
export const OF_BYTES = ' bytes';

/** Whether a character is a byte in a locale. */
export function isOfBytes(locale: string): boolean {
  return locale.endsWith(OF_BYTES);
}

/** The locales of those databases that answered. */
export function localesOf(all: Iterable<Found>): ReadonlySet<string> {
  return new Set([...all].flatMap((found) => (isAvailable(found) ? [found.server.locale] : [])));
}
