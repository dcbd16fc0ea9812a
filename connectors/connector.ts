import type { Readable } from 'node:stream';
import type { TableRef } from '../src/core/names.ts';
import type { Lsn } from '../src/core/position/lsn.ts';
import { sqlStateOf } from '../src/core/postgres/sql-state.ts';
import type { Commit, FeedItem } from '../src/core/rows/change.ts';
import type { ComparedRows } from '../src/core/rows/compared-rows.ts';
import type { IndexColumn } from '../src/core/rows/index-column.ts';
import type { KeyPart } from '../src/core/rows/key-part.ts';
import type { PieceCursor } from '../src/core/rows/piece-cursor.ts';
import type { TableShape } from '../src/core/rows/table-shape.ts';

/** Which history a position belongs to: positions of different identities cannot be compared. */
export interface TargetIdentity {
  readonly systemId: string;
  readonly timeline: number;
  readonly database: string;
  /** When the server process began: while it is the same, nothing it has shown can have been taken back. */
  readonly startedAt: string;
  /** The timelines this one came from; a position up to `until` on one of them is a position on this one too. */
  readonly ancestors: readonly { readonly timeline: number; readonly until: Lsn }[];
}

/** Whether one table can feed a cache without harm to its owner. */
export type Publishable =
  | {
      readonly kind: 'yes';
      readonly table: TableRef;
      /** The replica identity's columns: they name a row in every update and delete, and are not null. */
      readonly key: readonly string[];
      /** Columns the stream carries (stored generated ones are missing before Postgres 18). */
      readonly columns: readonly string[];
      readonly shape: TableShape;
      /** Its ordinary b-tree indexes over plain columns: what is read fast there should be read fast in a copy. */
      readonly indexes: readonly (readonly IndexColumn[])[];
    }
  | {
      readonly kind: 'no';
      readonly table: TableRef;
      readonly reason: string;
      /** SQL an administrator could run to make it publishable; null when there is none. */
      readonly fix: string | null;
    };

/** How large a table is, without its rows being counted. */
export interface TableSize {
  readonly rowsEstimated: number;
  /** With large values; null when its rows cannot be read piece by piece. */
  readonly bytes: number | null;
}

/** The target's view of our slot. */
export type SlotHealth =
  | { readonly kind: 'missing' }
  | { readonly kind: 'lost'; readonly reason: string }
  /** It is being made, which waits for the target's running transactions; it holds back the log already. */
  | { readonly kind: 'unfinished'; readonly retainedWalBytes: number }
  | {
      readonly kind: 'usable';
      readonly confirmed: Lsn;
      readonly retainedWalBytes: number;
      /** Held back by snapshots that wait for the target's running transactions. */
      readonly retainedForCopies: number;
      readonly activePid: number | null;
      /** A standby kept it in step with the primary's slot, so it holds good after the standby's promotion. */
      readonly isSynced: boolean;
      /** Why the target keeps from its reader what it has, and what to do; null while it does not. */
      readonly heldBack: string | null;
    };

/** The newest position of a target, and whether its tables are as they were checked, also in what no change event tells of. */
export interface Observation {
  readonly position: Lsn;
  /** Everything about the tables last checked is as it was then. */
  readonly isAsChecked: boolean;
}

/** What was published, and what could not be and why. */
export interface Published {
  /** Tables that were not published before, or not all of their changes: the stream lacks some of what was made before. */
  readonly added: readonly TableRef[];
  readonly refused: readonly { readonly table: TableRef; readonly reason: string }[];
  /** Tables that should not be any more and are, since the role may not take them out; the reason says who may. */
  readonly stillPublished: readonly { readonly table: TableRef; readonly reason: string }[];
}

/** What a column is taken to be. */
export interface ExpectedType {
  readonly oid: number;
  /** With length and precision, as `format_type` prints it; null where only the number is compared. */
  readonly sql: string | null;
}

/** What is read of a table: the named columns in the given order. */
export interface TableColumns {
  readonly table: TableRef;
  readonly columns: readonly string[];
  /** Aligned with `columns`: where one has another type nothing is read, and the failure is `outdated`. */
  readonly types?: readonly ExpectedType[];
  /** Rows come in COPY's binary format, which takes less work on both servers; without it as text. */
  readonly isBinary?: boolean;
  /** A `copy` is of the rows in one of them only. */
  readonly parts?: readonly KeyPart[];
}

/** Rows in one of COPY's formats, as bytes. */
export interface RowStream extends Readable {
  /** About so many were read until now: what counts in the end is the number the writing server says. */
  readonly rowsRead: number;
}

/** A piece of a table, and where the next one begins. */
export interface Piece {
  readonly rows: RowStream;
  readonly cursor: PieceCursor;
}

/**
 * A consistent read of target tables, exact at one position: a row is in it exactly when its commit's end <= `at`.
 * Several reads may be open at once.
 */
export interface Snapshot {
  readonly at: Lsn;
  copy(from: TableColumns): Promise<RowStream>;
  /**
   * The next piece, of about so many bytes; without a cursor the first. A row that nobody changes between the first
   * piece and the last is in exactly one of them, whatever snapshots they were read from; one that is changed may be in
   * several or in none. Null when the table was rewritten since the first piece, or since the snapshot was taken: then
   * that does not hold.
   */
  piece(from: TableColumns, cursor: PieceCursor | null, bytes: number): Promise<Piece | null>;
  /** The rows that have one of the keys; values are text, in the order of the columns. */
  rows(
    from: TableColumns,
    key: readonly string[],
    keys: readonly (readonly string[])[],
  ): Promise<readonly (readonly (string | null)[])[]>;
  /** Reads single rows as they are in the snapshot; throws when a table was truncated or rewritten since. */
  compare(): Promise<Comparison>;
  close(): Promise<void>;
}

/** A table whose rows are to be compared with a copy's; `isBytes` is for columns of type bytea. */
export interface WantedRows {
  readonly table: TableRef;
  readonly columns: readonly { readonly name: string; readonly isBytes: boolean }[];
  readonly key: readonly string[];
}

/** A connection that reads rows of the target for comparison; its failures are ConnectorErrors. */
export interface Comparison {
  rows(wanted: WantedRows): Promise<ComparedRows>;
  close(): void;
}

/** An open stream of changes. Reading it is what pulls: nothing is buffered beyond a few socket reads. */
export interface ChangeStream {
  /**
   * Yields lists of items in commit order; ends only by throwing a ConnectorError, or cleanly on abort.
   * A list may end in the middle of a transaction.
   */
  readonly items: AsyncIterable<readonly FeedItem[]>;
  /** Large transactions come in parts before they commit. */
  readonly isEarly: boolean;
  /** Tells the target that everything up to this commit end is durable here. Never call it before it is. */
  acknowledge(upTo: Lsn): void;
  /** Asks the target to say how far it has sent; the answer arrives as a `progress` item. */
  requestProgress(): void;
  /**
   * While the reader writes much, nothing is needed at once: messages may gather for a moment, so that one read takes many.
   * When it has written, what has gathered comes without delay.
   */
  gather(isWriting: boolean): void;
  /** Ends the stream, and the reader's wait for more of it. */
  close(): void;
}

/** What a target offers a feed: a stream of its transactions, a snapshot, an acknowledgement. */
export interface Connector {
  readonly kind: 'postgres' | 'kafka';
  /** Identity and fitness of the target; throws a ConnectorError that says what an administrator must change. */
  identify(): Promise<TargetIdentity>;
  /** Why what a new connection leads to is not what was identified; null when it is, or no connection can be made. */
  strayed(): Promise<ConnectorError | null>;
  /** Nothing is read for now: connections may lead to whatever the address stands for, until it is identified again. */
  forgetIdentity(): void;
  /** A text that changes when what made the target unfit may have been put right. Cheap. */
  standing(): Promise<string>;
  /** Checks tables one by one, without changing anything; `observe` watches these from now on. */
  check(tables: readonly TableRef[]): Promise<readonly Publishable[]>;
  /** How large tables are that are to be copied, in their order. */
  sizes(tables: readonly TableRef[]): Promise<readonly TableSize[]>;
  /** Cheap enough to be asked many times a second. */
  observe(): Promise<Observation>;
  /**
   * Makes the publication hold exactly these tables; waits for no lock longer than a few seconds, and publishes none
   * that would make its owner's writes fail. Cheap to repeat when nothing differs.
   */
  publish(tables: readonly TableRef[]): Promise<Published>;
  /** Takes tables out of the publication that make their owners' writes fail by now; says which. Cheap to repeat. */
  protect(): Promise<readonly TableRef[]>;
  /**
   * Creates our slot and returns the position it starts at; drops one of the same name first. Waits for transactions
   * running on the target to end, however long they take; the signal ends the wait.
   */
  createSlot(signal: AbortSignal): Promise<Lsn>;
  slotHealth(): Promise<SlotHealth>;
  /** Drops our slot and publication; ending a walsender that still holds the slot. */
  drop(): Promise<void>;
  /** The newest position written on the target (its insert position). */
  position(): Promise<Lsn>;
  /** Commits a tiny transaction on the target so that its log is flushed past the current position. */
  forceFlush(): Promise<void>;
  /**
   * Streams everything whose commit ends after the position. Fails with `slot-lost` unless the target's history up to
   * there is the one in which `last` was the last commit that a stream told of, null being none since the slot was made.
   * Asked to be early, it sends large transactions in parts before they commit, where it can.
   */
  open(after: Lsn, last: Commit | null, signal: AbortSignal, isEarly?: boolean): Promise<ChangeStream>;
  /** Resolves when every transaction has ended that runs on the target now, however long that takes. */
  outlast(signal: AbortSignal): Promise<void>;
  /**
   * Takes a snapshot, ready to be read by so many at once, as a rule one. When this resolves, every session of the target sees
   * what the snapshot shows.
   */
  snapshot(signal: AbortSignal, readers?: number): Promise<Snapshot>;
  /**
   * Resolves when every session of the target sees these transactions of the stream: one may be in the log, and come,
   * before. Cheap when they do already; throws a ConnectorError when it takes long.
   */
  shown(xids: readonly number[], signal: AbortSignal): Promise<void>;
  /** Reads rows as they are at the moment of each statement. */
  compare(signal: AbortSignal): Promise<Comparison>;
  /** The name of our slot, for status texts. */
  readonly slot: string;
  close(): Promise<void>;
}

/** What a feed should do about a connector's failure. */
export type ConnectorFailure =
  /** Passing: network, restart, slot still active; retry with back-off. */
  | 'retry'
  /** The slot is gone or invalidated: everything must be copied again. */
  | 'slot-lost'
  /** The target cannot feed us until somebody changes it (wal_level, rights). */
  | 'unfit'
  /** A table is not what the catalog says: that must be read again. */
  | 'outdated'
  /** The target cannot send a row, however often it is asked: it is too large, or holds bytes that are no text. */
  | 'unsendable';

/** A failure of the target or of the way to it, classed where it is understood. */
export class ConnectorError extends Error {
  readonly failure: ConnectorFailure;

  constructor(failure: ConnectorFailure, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'ConnectorError';
    this.failure = failure;
  }
}

/** Whether an error is a failure of the target, and of this kind. */
export function hasFailed(error: unknown, failure: ConnectorFailure): error is ConnectorError {
  return error instanceof ConnectorError && error.failure === failure;
}

/** The SQLSTATE of the server's refusal, also where it is the cause of a failure of the target; null where no server refused. */
export function refusalState(error: unknown): string | null {
  return sqlStateOf(error instanceof ConnectorError ? error.cause : error);
}
