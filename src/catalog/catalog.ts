import type { Fallback } from '../core/fallback.ts';
import type { InconsistentObject } from '../core/inconsistent-object.ts';
import { type RoleName, type SourceName, type TableRef, tableKey } from '../core/names.ts';
import type { DatabaseIdentity } from '../core/postgres/database-identity.ts';
import type { ApiLimits } from './part/api-limits.ts';
import type { KafkaFeed } from './part/kafka-feed.ts';
import type { KeptOperations } from './part/kept-operations.ts';
import type { SelectPermission } from './part/select-permission.ts';
import type { Spelling } from './part/spelling.ts';

/** What planning must know of a Postgres type: how its values are written into JSON and compared. */
export interface ColumnType {
  readonly oid: number;
  /** Name without schema, e.g. `int4`, `text`, `_text`, `mood`. */
  readonly name: string;
  readonly schema: string;
  /** Safe to paste into SQL, type modifier included: `integer`, `numeric(10,2)`, `"My Schema".mood`. */
  readonly sql: string;
  readonly kind: 'base' | 'enum' | 'domain' | 'composite' | 'range' | 'array' | 'pseudo';
  /** pg_type.typcategory: N numeric, S string, D date/time, B boolean, A array, U user … */
  readonly category: string;
  /** Array types: the element. Domains: the base type. */
  readonly element: ColumnType | null;
  /** The GraphQL scalar's name in Hasura's scheme: `Int`, `String`, `timestamptz` … (an array's is its element's). */
  readonly scalar: string;
  /** The labels of an enum in the order its values sort by; left out for all other types. */
  readonly labels?: readonly string[];
  /** The types inside a composite type, or a range type that users made; left out for all other types. */
  readonly parts?: readonly ColumnType[];
  /** Set for a base type without an order. Of arrays of it, Postgres complains only when it compares two values. */
  readonly unordered?: true;
}

/** A column of a tracked table, or something that a plan reads as if it were one. */
export interface Column {
  /** The column's name; a computed field has one that no column of the table has. */
  readonly name: string;
  /** Its name in GraphQL: custom or the same. */
  readonly field: string;
  readonly type: ColumnType;
  readonly notNull: boolean;
  readonly generated: boolean;
  /** The GraphQL description: metadata comment, else the column's own, else null. */
  readonly description: string | null;
  /** Foreign key into an enum table: the name of that table's GraphQL enum. */
  readonly enumTable: TableRef | null;
  /** Its values are shown in upper case. */
  readonly upperCased: boolean;
  /** Set when its collation is nondeterministic: in its own database, and only there, different texts may be equal. */
  readonly loose?: true;
  /** Set when some other database has another locale, or even other characters: patterns may find other texts there. */
  readonly ownLocale?: 'letters' | 'characters';
  /** Set for a computed field: it is not stored, and only the table's own database can compute it. */
  readonly computed?: { readonly field: string; readonly call: FunctionCall };
  /** Set for what is no column of the table: the whole row as a text, or something that a call tells beside the row. */
  readonly beside?: 'row' | 'told';
}

/** Where a function's argument comes from, in the order of its definition. `name` is null where the definition has none. */
export type Slot =
  /** The row of the table that the field belongs to. */
  | { readonly kind: 'row'; readonly name: string | null }
  /** All session variables, as a JSON object. */
  | { readonly kind: 'session'; readonly name: string | null; readonly type: ColumnType }
  | GivenSlot;

/** An argument of the request: a member of the `args` object. */
export interface GivenSlot {
  readonly kind: 'given';
  readonly name: string | null;
  /** The member's name: the argument's, or `arg_1`, `arg_2` … for those without one. */
  readonly field: string;
  readonly type: ColumnType;
  readonly hasDefault: boolean;
  /** Set where it cannot be null. */
  readonly notNull?: true;
  readonly description?: string | null;
}

/** A piece of a statement: its text, or which of the arguments stands there. */
export type TextPart = { readonly text: string } | { readonly argument: number };

/** How a function is called. */
export interface Signature {
  readonly ref: TableRef;
  readonly slots: readonly Slot[];
  /** Set for a native query: instead of a function's call there is this statement, with all the arguments in it. */
  readonly statement?: readonly TextPart[];
  /** Postgres' `leakproof`: it reveals its arguments by nothing but its result, not even by errors. */
  readonly leakproof: boolean;
}

/** What one call passes; `operand` is an index into `QueryPlan.params`. */
export type CallArgument = (
  | { readonly kind: 'row' }
  | { readonly kind: 'value'; readonly operand: number }
  | { readonly kind: 'null'; readonly type: ColumnType }
) & {
  /** Null for one that is passed by position; after an omitted one all are passed by name. */
  readonly name: string | null;
};

/** One call of a function. */
export interface FunctionCall extends Omit<Signature, 'slots'> {
  readonly args: readonly CallArgument[];
}

/** What is called, and the GraphQL type of what requests give. */
export interface Callable {
  readonly signature: Signature;
  readonly argsType: string;
}

/** A field that a function computes from a row of its table. */
export interface ComputedField extends Callable {
  readonly name: string;
  readonly description: string | null;
  readonly returns:
    | { readonly kind: 'scalar'; readonly type: ColumnType }
    /** Rows like those of a table of the same database; at most one where `set` is false. */
    | { readonly kind: 'table'; readonly table: TableRef; readonly set: boolean };
}

/** One pair of a relationship's condition: `left = right`. */
export interface JoinPair {
  readonly left: Column;
  readonly right: Column;
}

/** nearjoin's options of a remote relationship, defaults filled in. */
export interface RemoteOptions {
  readonly cache: boolean;
  /** Null means the server's default bound. */
  readonly maxStalenessMs: number | null;
  /** Null means the server's default fallback. */
  readonly fallback: Fallback | null;
  readonly onTargetDown: 'error' | 'stale';
  readonly follow: 'none' | 'object' | 'all';
}

/** A relationship of a tracked table, to a table of the same source or of another. */
export interface Relationship {
  readonly name: string;
  readonly kind: 'object' | 'array';
  readonly source: SourceName;
  readonly table: TableRef;
  readonly on: readonly JoinPair[];
  /** At most one right row can match: the mapped right columns contain a unique key. */
  readonly unique: boolean;
  /** An index of the right table finds rows by the mapped columns. */
  readonly indexed: boolean;
  /** Every left row has a match by a foreign key with not-null columns. */
  readonly total: boolean;
  readonly description: string | null;
  /** Set for `to_source` relationships, also when both sides are in one source. */
  readonly remote: RemoteOptions | null;
}

/** A name and its description where metadata may change both. */
export interface RootName {
  readonly name: string;
  readonly description: string | null;
}

/** A tracked table that exists, with everything in the metadata about it that is valid. */
export interface Table extends Pick<Column, 'ownLocale'> {
  readonly source: SourceName;
  readonly ref: TableRef;
  readonly spelling: Spelling;
  /** Type name in GraphQL, source customization applied: `user`, `tpref_user_tsuff`. */
  readonly typeName: string;
  /** `typeName` with the given ending inside the source's prefix and suffix: `tpref_user_bool_exp_tsuff`. */
  readonly derivedType: (ending: string) => string;
  /** What the types of its stream are called by: the source's `cursor_ordering`, and the table's name, never respelled. */
  readonly stream: { readonly ordering: string; readonly table: string };
  readonly description: string | null;
  readonly root: {
    readonly select: RootName;
    readonly selectByPk: RootName;
    readonly selectAggregate: RootName;
    readonly selectStream: RootName;
  };
  readonly columns: readonly Column[];
  readonly columnByField: ReadonlyMap<string, Column>;
  readonly columnByName: ReadonlyMap<string, Column>;
  /** Empty when there is none. */
  readonly primaryKey: readonly Column[];
  /** Sets of column names that are unique, primary key included. */
  readonly uniqueKeys: readonly (readonly string[])[];
  /** Columns of every index that finds rows by plain values, in the index's order. */
  readonly indexes: readonly (readonly string[])[];
  readonly relationships: ReadonlyMap<string, Relationship>;
  readonly computedFields: ReadonlyMap<string, ComputedField>;
  /** Null for a role whose permission does not hold: it sees nothing, whatever its parents see. */
  readonly permissions: ReadonlyMap<RoleName, SelectPermission | null>;
  /** Values as the database has them, when metadata says this table is an enum. */
  readonly enumValues: readonly { readonly value: string; readonly description: string | null }[] | null;
  /** Set where the rows are a native query's, and like its logical model: a database has no such table. */
  readonly query?: Callable & { readonly model: string };
}

/** A tracked function that returns rows of a tracked table of its database, or a native query. */
export interface TrackedFunction extends Callable {
  readonly source: SourceName;
  readonly ref: TableRef;
  readonly returns: TableRef;
  /**
   * The table that the function's rows are like. Nobody checks that they keep its constraints, so any column may be null, and no
   * key tells the rows apart.
   */
  readonly rows: Table;
  /** Any number of rows; else one. */
  readonly set: boolean;
  /** Functions that change data are known, and not offered. */
  readonly exposedAs: 'query' | 'mutation';
  /** Native queries are not aggregated. */
  readonly root: { readonly rows: RootName; readonly aggregate: RootName | null };
  /** Roles that may call it; null where everybody may who may read the table. */
  readonly roles: ReadonlySet<RoleName> | null;
}

/** The types a source database knows, as far as they can hold another database's values. */
export interface KnownTypes {
  /** Names in pg_catalog. */
  readonly builtIn: ReadonlySet<string>;
  /** Base types of extensions (citext, hstore, ltree …) by bare name, as SQL. */
  readonly extension: ReadonlyMap<string, string>;
}

/** Where the root fields of a source are. */
export interface Namespace {
  /** They go under this field when set; its type is `namespaceType`, in subscriptions `subscriptionNamespaceType`. */
  readonly namespace: string | null;
  readonly namespaceType: string | null;
  readonly subscriptionNamespaceType: string | null;
}

/** A registered database, with everything in its metadata that is valid. */
export interface Source extends Namespace {
  readonly name: SourceName;
  readonly tables: ReadonlyMap<string, Table>;
  /** Native queries as tables: what relationships lead to. */
  readonly queries: ReadonlyMap<string, Table>;
  /** By `tableKey` of their names, native queries among them. */
  readonly functions: ReadonlyMap<string, TrackedFunction>;
  readonly types: KnownTypes;
  /** How its changes come through Kafka; null when they come through a slot of ours. */
  readonly kafka: KafkaFeed | null;
  /** Which database it is; null while it does not answer. */
  readonly identity: DatabaseIdentity | null;
  /** Null while the database answers; else why it does not. Its tables are then missing from the catalog. */
  readonly unavailable: string | null;
}

/** A relationship that can never be answered from a cache, or only in part; it is answered live. */
export interface CacheWarning extends InconsistentObject {
  readonly source: SourceName;
  readonly target: SourceName;
  readonly table: TableRef;
}

/** A target table that a source database wants to hold a copy of. */
export interface WantedTable {
  /** The database that holds the copy. */
  readonly source: SourceName;
  readonly target: SourceName;
  readonly table: Table;
  /** Sets of column names reads will look rows up by; each gets an index. */
  readonly lookups: readonly (readonly string[])[];
  /** Why no copy can be looked up by a mapping that leads to the table; null when all can. */
  readonly mapping: string | null;
}

/** Everything metadata and the databases' own catalogs say together; frozen, replaced as a whole. */
export interface Catalog {
  readonly resourceVersion: number;
  /** Grows with every rebuild, also when only a database changed; part of every plan's cache key. */
  readonly generation: number;
  readonly sources: ReadonlyMap<SourceName, Source>;
  readonly inheritedRoles: ReadonlyMap<RoleName, readonly RoleName[]>;
  readonly introspectionDisabledFor: ReadonlySet<RoleName>;
  readonly limits: ApiLimits;
  /** Tables whose rows other services may ask for by key; null where this is no service of a federation. */
  readonly entities: readonly Table[] | null;
  readonly kept: KeptOperations;
  readonly inconsistent: readonly InconsistentObject[];
  /** Why tables are not cached; shown beside the inconsistent objects, although everything works. */
  readonly warnings: readonly CacheWarning[];
  readonly wanted: readonly WantedTable[];
}

/** Finds a tracked table, or a native query as one; undefined when it is unknown, untracked or its source is down. */
export function findTable(catalog: Catalog, source: SourceName, table: TableRef): Table | undefined {
  const found = catalog.sources.get(source);
  const key = tableKey(table);
  return found?.tables.get(key) ?? found?.queries.get(key);
}
