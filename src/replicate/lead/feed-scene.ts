import type { Connector } from '../../../connectors/connector.ts';
import type { EarlyWork, FeedLease } from '../../cache/feed/row.ts';
import type { Queryable } from '../../cache/queryable.ts';
import type { Notifier } from '../../core/waiting/notifier.ts';
import type { Repeats } from '../../core/waiting/repeats.ts';
import type { FeedOptions } from '../feed-options.ts';
import { EarlyChoice } from '../follow/early-choice.ts';
import type { ProbePace } from '../follow/probe-pace.ts';
import { HoldableNames } from '../table/holdable-names.ts';
import type { Lingering } from '../table/linger.ts';
import { TableFailures } from '../table/table-failures.ts';
import type { Wanted } from '../table/wanted.ts';

/** Numbers shown in the status. */
export interface Counters {
  transactionsApplied: number;
  changesApplied: number;
  /** What the run that is streaming writes of transactions that go on, as it was a moment ago. */
  early: EarlyWork | null;
}

/** What the runs of one feed under one leader share. */
export interface FeedScene {
  readonly options: FeedOptions;
  readonly lease: FeedLease;
  readonly leader: string;
  readonly connector: Connector;
  /** A session beside the stream's: it holds the lease. */
  readonly control: Queryable;
  readonly wanted: () => Wanted;
  readonly lingering: () => readonly Lingering[];
  /** Somebody should look again at what is wanted and what is there. */
  readonly reconsider: Notifier;
  readonly failures: TableFailures;
  readonly repeats: Repeats;
  readonly probePace: ProbePace;
  readonly early: EarlyChoice;
  readonly names: HoldableNames;
  /** Partitions unknown when rows came from them, for which the run that is streaming has looked through the tables. */
  readonly sought: Set<number>;
  /** Tables of no use any more that something keeps, and that it was told of. */
  readonly toldKept: Set<string>;
  readonly counters: Counters;
  /** What the run that is streaming wants done a few times a second; null in between. */
  tick: (() => Promise<void>) | null;
  /** The feed's tables were looked at since the target last showed that something about them has changed. */
  inOrder: boolean;
  /** When the last run had been streaming for a while, its failure is the first of a new series. */
  streamed: boolean;
}

/** A scene in which nothing has happened yet. */
export function beginScene(
  given: Omit<
    FeedScene,
    'failures' | 'early' | 'names' | 'sought' | 'toldKept' | 'tick' | 'inOrder' | 'streamed'
  >,
): FeedScene {
  const { clock, random, limits } = given.options;
  return {
    ...given,
    failures: new TableFailures(clock, random),
    early: new EarlyChoice(limits.early, clock),
    names: new HoldableNames(),
    sought: new Set(),
    toldKept: new Set(),
    tick: null,
    inOrder: false,
    streamed: false,
  };
}
