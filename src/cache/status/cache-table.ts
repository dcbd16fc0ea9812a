import type { SourceName, TableRef } from '../../core/names.ts';
import type { Lsn } from '../../core/position/lsn.ts';
import type { HistoryName } from '../../core/position/token.ts';
import type { SourceTime } from '../../core/position/watermark.ts';
import type { DatabaseIdentity } from '../../core/postgres/database-identity.ts';

/** How far one cache table is. Only `ready` tables are read; a physical table that was ready is never refilled, it is replaced. */
export type TableState =
  | { readonly kind: 'pending' }
  | { readonly kind: 'copying' }
  | { readonly kind: 'catching-up' }
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly reason: string };

/** One target table's copy in the source database. */
export interface CacheTable {
  readonly target: SourceName;
  readonly table: TableRef;
  /** The physical table's name inside schema `nearjoin`; a new one for every generation of the copy. */
  readonly relation: string;
  /** Column names it holds, in order: the target's names. `type` is pasted into SQL (the source's type, perhaps text). */
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly state: TableState;
  /** An older copy with fewer columns, kept up and read while this one is made; null mostly. */
  readonly serving: Pick<CacheTable, 'relation' | 'columns'> | null;
  /** What happens to it just now, or why nothing does; null when the state says it all. */
  readonly doing: string | null;
  readonly rowsCopied: number;
  readonly rowsEstimated: number | null;
}

export type FeedState = 'starting' | 'streaming' | 'paused' | 'retrying' | 'failed';

/** What a source database says of one feed. */
export interface FeedStatus {
  readonly target: SourceName;
  readonly connector: 'postgres' | 'kafka';
  readonly state: FeedState;
  readonly reason: string | null;
  /** When its leader said so, or that it still leads; once a second. */
  readonly heardAt: SourceTime;
  readonly slot: string | null;
  readonly lastError: string | null;
  /** Null while the cache is unusable: never copied, slot lost, or history forked. */
  readonly position: Lsn | null;
  readonly freshAsOf: SourceTime | null;
  /** Whose rows these are; null before the first contact. */
  readonly identity: DatabaseIdentity | null;
  /** The history its positions belong to; null before the first contact. */
  readonly history: HistoryName | null;
  readonly targetPosition: Lsn | null;
  readonly retainedWalBytes: number | null;
  readonly transactionsApplied: number;
  readonly changesApplied: number;
  /** Transactions that are written before they commit; null while there are none. */
  readonly early: {
    readonly transactions: number;
    readonly changes: number;
    /** When the first of them was begun here. */
    readonly since: SourceTime;
  } | null;
  /** When every table was last compared with the target, in seconds since 1970, and how many rows still differed then. */
  readonly verifiedAt: number | null;
  readonly rowsDiffering: number | null;
  readonly tables: readonly CacheTable[];
}

/** Everything schema `nearjoin` of one source database says, read in one snapshot with that database's time. */
export interface CacheStatus {
  readonly now: SourceTime;
  /** The metadata database by whose metadata they are kept; null when that is not known. */
  readonly owner: string | null;
  readonly feeds: ReadonlyMap<SourceName, FeedStatus>;
  /** Why this program can follow no feed there; null when it can. */
  readonly barred: string | null;
}
