import type { TableRef } from '../names.ts';
import type { Lsn } from '../position/lsn.ts';
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
  /** The partition that the change was made in, where the stream says so: with the first one after something about it changed. */
  readonly partition?: Relation;
}

/** One row event; every row's cells are aligned with `relation.columns`. */
export type Change =
  | { readonly kind: 'insert'; readonly relation: Relation; readonly after: Row }
  | {
      readonly kind: 'update';
      readonly relation: Relation;
      /** With what the old row has of the values that were not sent. */
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

/**
 * What a stream that was asked to be early tells of transactions still in progress: each comes in parts, between other
 * transactions, and counts for nothing until its commit comes. Its place among the others is that of its commit.
 */
export type EarlyItem =
  /** Changes of the transaction `xid`, made by its subtransaction `subxid`, which is itself where it has none. */
  | {
      readonly kind: 'early-part';
      readonly xid: number;
      readonly subxid: number;
      readonly changes: readonly Change[];
    }
  /** `commit` is where the record of its commit begins. */
  | ({ readonly kind: 'early-commit'; readonly xid: number; readonly commit: Lsn } & Commit)
  /** Everything that `subxid`, and subtransactions within it, have changed is undone; when it is `xid`, the whole transaction. */
  | { readonly kind: 'early-abort'; readonly xid: number; readonly subxid: number };

/** The part of a transaction in progress that an item brings. */
export type EarlyPart = Extract<EarlyItem, { readonly kind: 'early-part' }>;

/** The commit of a transaction that came in parts. */
export type EarlyCommit = Extract<EarlyItem, { readonly kind: 'early-commit' }>;

/** Everything a connector may yield. */
export type FeedItem = StreamItem | EarlyItem;

/** Whether the item tells of a transaction that came in parts. */
export function isEarly(item: FeedItem): item is EarlyItem {
  return item.kind === 'early-part' || item.kind === 'early-commit' || item.kind === 'early-abort';
}

/** Whether all of the items are of transactions that come as a whole. */
export function areWhole(items: readonly FeedItem[]): items is readonly StreamItem[] {
  return !items.some(isEarly);
}
