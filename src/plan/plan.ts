import type { Column, ColumnType, JoinPair, KnownTypes, RemoteOptions } from '../catalog/catalog.ts';
import type { Operator, Pattern } from '../catalog/conditions/operators.ts';
import type { PredicateFunctionName } from '../catalog/conditions/predicate-functions.ts';
import type { RoleName, SourceName, TableRef } from '../core/names.ts';
import type { RowsCall } from './rows-call.ts';
import type { Enumeration } from './value/encode.ts';

/**
 * What to read. Where each table is read from is left open, and a join says nothing of databases. A table whose `source` is
 * not the root field's source is a *remote table*: it is read from a cache or fetched live (see ADR 0002).
 */
export interface QueryPlan {
  readonly role: RoleName;
  readonly roots: readonly RootField[];
  /** Values of a request, in the order of their `Operand.index`. */
  readonly params: readonly Param[];
  /** The value after which a stream continues; a reading that finds rows moves it on. Null for everything that is no stream. */
  readonly cursor: Operand | null;
  /** Session variables the plan needs, lower case: missing ones are one error before anything runs. */
  readonly sessionVariables: readonly string[];
  /** Remote tables read anywhere in the plan, once per (root source, target). */
  readonly remotes: readonly RemoteUse[];
  /** How much memory the plan takes: its fields and conditions, long names and literals counting as several. */
  readonly nodes: number;
}

/** One feed that a plan depends on, and what the relationships that lead to it ask for. */
export interface RemoteUse {
  /** The root field's database, which holds the cache. */
  readonly source: SourceName;
  readonly target: SourceName;
  /** Target tables, with the columns the plan touches. */
  readonly tables: readonly { readonly table: TableRef; readonly columns: readonly Column[] }[];
  readonly options: readonly RemoteOptions[];
  /** The plan reads what only the target can compute. */
  readonly computes: boolean;
  /** The types that the root field's database can hold values as. */
  readonly known: KnownTypes;
}

export type RootField =
  /** `__typename` and `no_queries_available`: known when planning. */
  | { readonly kind: 'constant'; readonly key: string; readonly json: string }
  /** `__schema` and `__type`: answered from the role's schema by src/graphql. */
  | {
      readonly kind: 'introspection';
      readonly key: string;
      readonly index: number;
      /** Of `_service` the members that are asked for, null standing for the schema's text. */
      readonly service: readonly { readonly key: string; readonly json: string | null }[] | null;
    }
  | { readonly kind: 'list'; readonly key: string; readonly select: Select }
  /** `_by_pk`, or a function that returns one row: one row or null. */
  | { readonly kind: 'one'; readonly key: string; readonly select: Select }
  | { readonly kind: 'aggregate'; readonly key: string; readonly aggregate: Aggregate }
  /** `_stream`: the next rows by one column, which is what `cursor` speaks of. */
  | {
      readonly kind: 'stream';
      readonly key: string;
      readonly select: Select;
      readonly by: Column;
      readonly cursor: Operand;
    }
  /** `_entities`: a row or null for each key of a list. Roots of one response key stand next to each other and make one list. */
  | {
      readonly kind: 'entities';
      readonly key: string;
      readonly by: readonly { readonly column: Column; readonly values: Operand }[];
      readonly select: Select;
    }
  /** A source's namespace. */
  | { readonly kind: 'object'; readonly key: string; readonly fields: readonly RootField[] };

/** A table at one place of a plan. */
export interface PlanTable {
  /** Unique in the plan: names this occurrence for aliases and fetched rows. */
  readonly id: number;
  readonly source: SourceName;
  readonly ref: TableRef;
  /** Every column the plan reads at this place, join and filter columns included. */
  readonly columns: readonly Column[];
  /** The primary key (else a unique key), which ends every ordering of related rows. Empty for views. */
  readonly key: readonly Column[];
  /** The conditions of the role's permission, which are also part of the place's filter; none inside a row rule. */
  readonly permitted: readonly Predicate[];
  /** Computed columns whose cells are hidden from the role in some rows. */
  readonly guarded: readonly { readonly column: Column; readonly onlyIf: Predicate }[];
  /** Tells a row from others: the key if every database agrees on which of its values are equal, else the whole row as a text. */
  readonly identity: readonly Column[];
  /** Set when the rows are not the table's own but a function's: they have no key, and an order of their own. */
  readonly call?: RowsCall;
}

/** A column as a role sees it: for roles made of several a cell may read as null unless `onlyIf` holds. */
export interface Cell {
  readonly column: Column;
  readonly onlyIf: Predicate | null;
}

/** Rows of a table: filter and permission merged, ordered, cut, shaped. */
export interface Select {
  readonly from: PlanTable;
  readonly fields: readonly Field[];
  readonly where: Predicate;
  readonly orderBy: readonly OrderItem[];
  readonly distinctOn: readonly Cell[];
  /** A literal, merged with the permission's limit; null means all. With `withTies`, rows that tie with the last one come too. */
  readonly limit: number | null;
  readonly withTies?: true;
  readonly offset: Operand | null;
}

export interface Join {
  readonly name: string;
  readonly on: readonly JoinPair[];
  /** At most one right row matches. */
  readonly unique: boolean;
  /** In its own database, the right table has an index on the right columns. */
  readonly indexed: boolean;
}

/** A member of the JSON object of one row; `key` is the response key. Order is the response's. */
export type Field =
  | (Cell & { readonly kind: 'column'; readonly key: string; readonly jsonPath: Operand | null })
  | { readonly kind: 'constant'; readonly key: string; readonly json: string }
  | { readonly kind: 'object'; readonly key: string; readonly join: Join; readonly select: Select }
  | { readonly kind: 'array'; readonly key: string; readonly join: Join; readonly select: Select }
  | { readonly kind: 'aggregate'; readonly key: string; readonly join: Join; readonly aggregate: Aggregate };

/** `{ aggregate {…} nodes {…} }` over one set of rows; its arguments live in `rows`, whose `fields` are empty. */
export interface Aggregate {
  readonly rows: Select;
  readonly fields: readonly AggregateField[];
  /** The permission's limit: cuts `nodes`, never `aggregate`. */
  readonly nodesLimit: number | null;
}

export type AggregateField =
  | { readonly kind: 'constant'; readonly key: string; readonly json: string }
  | { readonly kind: 'nodes'; readonly key: string; readonly fields: readonly Field[] }
  | { readonly kind: 'values'; readonly key: string; readonly values: readonly AggregateValue[] };

export type AggregateValue =
  | { readonly kind: 'constant'; readonly key: string; readonly json: string }
  | {
      readonly kind: 'count';
      readonly key: string;
      readonly cells: readonly Cell[];
      readonly distinct: boolean;
    }
  /** `sum { a b }`: an object of one function over several columns. */
  | {
      readonly kind: 'function';
      readonly key: string;
      readonly function: AggregateFunction;
      readonly of: readonly (
        | (Cell & { readonly kind: 'column'; readonly key: string })
        | { readonly kind: 'constant'; readonly key: string; readonly json: string }
      )[];
    };

export type AggregateFunction =
  | 'sum'
  | 'avg'
  | 'min'
  | 'max'
  | 'stddev'
  | 'stddev_pop'
  | 'stddev_samp'
  | 'variance'
  | 'var_pop'
  | 'var_samp';

/**
 * One ordering of rows. A path leads over to-one joins, before `count` and `function` the last one is to-many;
 * every step filters by the step's own permission.
 */
export interface OrderItem {
  readonly path: readonly OrderStep[];
  readonly by:
    | (Cell & { readonly kind: 'column' })
    | { readonly kind: 'count' }
    | (Cell & { readonly kind: 'function'; readonly function: AggregateFunction });
  readonly direction: 'asc' | 'desc';
  readonly nulls: 'first' | 'last';
}

export interface OrderStep {
  readonly join: Join;
  readonly to: PlanTable;
  readonly where: Predicate;
}

export type Predicate =
  | { readonly kind: 'true' }
  | { readonly kind: 'false' }
  /** Neither true nor false; nor is its negation. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'and'; readonly of: readonly Predicate[] }
  | { readonly kind: 'or'; readonly of: readonly Predicate[] }
  | { readonly kind: 'not'; readonly of: Predicate }
  /** Unknown counts as false: `(…) is true`. */
  | { readonly kind: 'is-true'; readonly of: Predicate }
  | { readonly kind: 'is-null'; readonly column: Column; readonly negated: boolean }
  | ColumnComparison
  /** Column with column, of the same row or of one around it: in a rule, the row that the rule is about. */
  | {
      readonly kind: 'compare-columns';
      readonly column: Column;
      readonly operator: Operator;
      readonly other: { readonly table: number; readonly column: Column };
    }
  /** Some related row exists that satisfies `where`; the related table's permission is merged in. */
  | { readonly kind: 'exists'; readonly join: Join; readonly to: PlanTable; readonly where: Predicate }
  /** Some row of the table satisfies `where`, correlated only through compare-columns. */
  | { readonly kind: 'exists-table'; readonly to: PlanTable; readonly where: Predicate }
  /** An aggregate over related rows, compared; `where` leaves out rows with a hidden cell among `columns`. */
  | {
      readonly kind: 'exists-aggregate';
      readonly join: Join;
      readonly to: PlanTable;
      readonly where: Predicate;
      readonly function: PredicateFunctionName;
      readonly columns: readonly Column[];
      readonly distinct: boolean;
      readonly test: Test;
    };

/** What a condition asks of one value. */
export type Test = { readonly kind: 'is-null'; readonly negated: boolean } | Comparison;

/** A comparison with values of the request. */
export interface Comparison {
  readonly kind: 'compare';
  readonly operator: Operator;
  readonly value: Operand;
  /** Further arguments of an operator that is a function, in the function's order. */
  readonly also: readonly Operand[];
  /** The type that the left side is cast to first; null for no cast. */
  readonly cast: ColumnType | null;
}

/** A comparison of a column's cell. */
export interface ColumnComparison extends Comparison {
  readonly column: Column;
}

/** A value known only when a request runs. Index into `QueryPlan.params`. */
export interface Operand {
  readonly kind: 'param';
  readonly index: number;
}

/** Where a parameter's value comes from and what Postgres type it is bound as. */
export interface Param {
  readonly from: /** A literal, already in Postgres' text form. */
    | { readonly kind: 'value'; readonly value: string }
    | { readonly kind: 'variable'; readonly path: readonly (string | number)[] }
    /** A literal list or object with variables inside. */
    | { readonly kind: 'composed'; readonly value: unknown }
    | { readonly kind: 'session'; readonly name: string }
    /** One member of a run of representations: the variable, the run's number, the member. */
    | { readonly kind: 'representations'; readonly path: readonly [string, number, string] }
    /** A list in a permission rule with session variables among its elements. */
    | {
        readonly kind: 'session-list';
        readonly of: readonly ({ readonly text: string } | { readonly session: string })[];
      }
    /** All session variables as a JSON object, for functions. */
    | { readonly kind: 'whole-session' };
  readonly type: ColumnType;
  /** Bound as an array of `type` (`_in`, `_has_keys_any` …). */
  readonly list: boolean;
  /** A list of very many values. */
  readonly long?: boolean;
  /** How the value is read: by its type, as an `offset`, or as a path into JSON (a list of texts then). */
  readonly form: 'typed' | 'offset' | 'json-path';
  /** The language its text must be valid in, checked in every request; null for none. */
  readonly pattern: Pattern | null;
  /** A reference into an enum table: the values that are allowed. */
  readonly enumeration: Enumeration | null;
  /** Where the value stands in the request, for error paths. */
  readonly path: string;
}
