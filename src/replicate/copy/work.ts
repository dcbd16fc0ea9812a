import { type Connector, hasFailed } from '../../../connectors/connector.ts';
import type { FeedLease } from '../../cache/feed/row.ts';
import type { Log } from '../../core/log.ts';
import type { Lsn } from '../../core/position/lsn.ts';
import { sqlStateOf } from '../../core/postgres/sql-state.ts';
import type { Clock } from '../../core/waiting/clock.ts';
import type { Turns } from '../../core/waiting/turns.ts';
import type { Exclusively } from '../exclusively.ts';
import type { CopyLimits } from '../feed-options.ts';
import type { Progress } from '../follow/progress.ts';
import type { Pace } from '../pace.ts';
import type { StepHook } from '../steps.ts';
import type { Sinks } from '../write/sink.ts';
import type { CopyMeans } from './means.ts';
import type { CopySessions } from './sessions.ts';
import type { Snapshots } from './snapshots.ts';

/** What copies of one run of a feed share. */
export interface CopierOptions {
  readonly lease: FeedLease;
  readonly means: CopyMeans;
  readonly connector: Connector;
  readonly exclusively: Exclusively;
  readonly sinks: Sinks;
  readonly progress: Progress;
  /** Resolves when the position is applied, which the target is asked for; or when the signal aborts. */
  readonly applied: (position: Lsn, signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
  /** How many tables are read at once. */
  readonly parallel: number;
  readonly limits: CopyLimits;
  readonly pace: Pace | null;
  /**
   * Whether an overlay is created when its copy begins, not with the first change: if that is refused, the copy fails and not
   * the stream.
   */
  readonly isOverlayMade: () => boolean;
  readonly log: Pick<Log, 'warn'>;
  readonly onStep?: StepHook | undefined;
}

/** All that the work on one table's copy needs. */
export interface CopyWork extends CopierOptions {
  readonly snapshots: Snapshots;
  readonly sessions: CopySessions;
  /** Turns to read from the target. */
  readonly reading: Turns;
  /** This copy's place among those that wait for their first turn. */
  readonly place: number;
  /** Turns to build the indexes of a large table. */
  readonly building: Turns;
  /** Ends with the feed's run. */
  readonly run: AbortSignal;
  /** Ends with the run, or when this copy is not wanted any more. */
  readonly stop: AbortSignal;
  /** Told of rows that went through. */
  readonly onRows: (rows: number) => void;
  /** From here on a later try can go on where this one ends. */
  readonly onKept: () => void;
}

/** What was copied so far is of no use: the copy must begin again. */
export class CopySpoilt extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'CopySpoilt';
  }
}

/**
 * Whether a copy that is made piece by piece can go on after this failure. Not when the source refuses what was to be
 * written, or has no room for it, or the target cannot send it: then what there is must go.
 */
export function isResumable(error: unknown): boolean {
  if (hasFailed(error, 'unsendable')) return false;
  return !(error instanceof CopySpoilt) && !/^(22|23|42|53|54)/.test(sqlStateOf(error) ?? '');
}
