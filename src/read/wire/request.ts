import type { StopSignal } from '../../core/waiting/stop-signal.ts';
import type { PostgresError } from './failure.ts';

/** One row: cells in text form, undecoded. */
export type WireRow = readonly (Buffer | null)[];

/** How one statement is run. */
export interface RunOptions {
  readonly signal: StopSignal | null;
  /** Kept prepared under a name. Control statements and statements that are never repeated are not worth it. */
  readonly prepared: boolean;
  /** Hears when nothing that was asked before is worked at any more. */
  readonly onTurn?: () => void;
  /** Gets each row as it comes, and the answer then has none; more than once when the request is repeated. */
  readonly onRow?: (row: WireRow) => void;
}

/** A request of a session while it is not answered. */
export interface Pending {
  readonly text: string;
  /** Of its prepared statement; empty for none. */
  name: string;
  readonly rows: WireRow[];
  error: Error | null;
  settled: boolean;
  /** Cancel requests that the server had acted on when the request was queued: any other may still reach this one. */
  readonly cancelsBefore: number;
  cancelled: boolean;
  /** Its Parse is on the way and not confirmed. */
  parsing: boolean;
  /** Why the statement it shares with an earlier request could not be prepared. */
  parseError: PostgresError | null;
  readonly resolve: (rows: readonly WireRow[]) => void;
  readonly reject: (error: Error) => void;
  readonly options: RunOptions;
  onAbort: (() => void) | null;
}

/** From here on the request has its outcome, and nobody's change of mind matters. */
export function settle(entry: Pending): void {
  entry.settled = true;
  if (entry.onAbort !== null) entry.options.signal?.removeEventListener('abort', entry.onAbort);
}
