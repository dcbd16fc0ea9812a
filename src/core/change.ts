import type { Lsn } from './lsn.ts';
import type { TableRef } from './names.ts';

/** Stands for a large value the target did not send because the update left it alone; never the same as null. */
export const UNCHANGED: unique symbol = Symbol('unchanged');

/** One value in Postgres' text form, exactly as the target printed it. */
export type Cell = string | null | typeof UNCHANGED;

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
}

/** One row event; every cell list is aligned with `relation.columns`. */
export type Change =
  | { readonly kind: 'insert'; readonly relation: Relation; readonly after: readonly Cell[] }
  | {
      readonly kind: 'update';
      readonly relation: Relation;
      readonly after: readonly Cell[];
      /** The old key (cells outside the key are null), sent only when the key changed or the identity is full. */
      readonly before: readonly Cell[] | null;
    }
  | { readonly kind: 'delete'; readonly relation: Relation; readonly before: readonly Cell[] }
  | { readonly kind: 'truncate'; readonly relations: readonly Relation[] };

/**
 * What a connector yields, in commit order. Changes come only between a begin and its commit.
 * `progress` says: every transaction whose commit ends at or before `position` has been yielded.
 */
export type StreamItem =
  | { readonly kind: 'begin'; readonly xid: number }
  | Change
  | { readonly kind: 'commit'; readonly end: Lsn }
  | { readonly kind: 'progress'; readonly position: Lsn };
