import type { Lsn } from './lsn.ts';
import type { TableRef } from './names.ts';
import type { Row } from './row.ts';

/** A column as the replication stream describes it. */
export interface RelationColumn {
  readonly name: string;
  readonly typeOid: number;
  readonly typeModifier: number;
  /** Part of the replica identity. */
  readonly isKey: boolean;
}

/** What a change's cells mean: the table as it was when the change was made. */
export interface Relation {
  readonly oid: number;
  readonly table: TableRef;
  /** pg_class.relreplident: default, nothing, full or index. */
  readonly replicaIdentity: 'd' | 'n' | 'f' | 'i';
  readonly columns: readonly RelationColumn[];
  /** Why a change's cells cannot be told, where they cannot. */
  readonly fault?: string;
}

/** One row event; every row's cells are aligned with `relation.columns`. */
export type Change =
  | { readonly kind: 'insert'; readonly relation: Relation; readonly after: Row }
  | {
      readonly kind: 'update';
      readonly relation: Relation;
      readonly after: Row;
      /** The old key (cells outside the key are null), sent only when the key changed or the identity is full. */
      readonly before: Row | null;
    }
  | { readonly kind: 'delete'; readonly relation: Relation; readonly before: Row }
  | { readonly kind: 'truncate'; readonly relations: readonly Relation[] };

/** A commit as the stream tells it, which names a history: another one has none that ends there and was made then. */
export interface Commit {
  readonly end: Lsn;
  /** On the target's clock, in microseconds. */
  readonly time: number;
}

/**
 * What a connector yields, in commit order. Changes come only between a begin and its commit.
 * `progress` says: every transaction whose commit ends at or before `position` has been yielded.
 */
export type StreamItem =
  /** `commit` is where the record of its commit begins. */
  | { readonly kind: 'begin'; readonly xid: number; readonly commit: Lsn }
  | Change
  | ({ readonly kind: 'commit' } & Commit)
  | { readonly kind: 'progress'; readonly position: Lsn };
