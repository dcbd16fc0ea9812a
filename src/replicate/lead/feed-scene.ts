import type { Connector } from '../../../connectors/connector.ts';
import type { EarlyWork, FeedLease } from '../../cache/feed/row.ts';
import type { Queryable } from '../../cache/queryable.ts';
import type { Notifier } from '../../core/waiting/notifier.ts';
import type { Repeats } from '../../core/waiting/repeats.ts';
import type { FeedOptions } from '../feed-options.ts';
import { EarlyChoice } from '../follow/early-choice.ts';
import type { ProbePace } from '../follow/probe-pace.ts';
import { HoldableNames } from '../table/holdable-names.ts';
import { TableFailures } from '../table/table-failures.ts';
import { Standing } from './standing.ts';
import type { WantedNow } from './wanted-now.ts';

/** Numbers shown in the status. */
export interface Counters {
  transactionsApplied: number;
  changesApplied: number;
  /** What is being written of transactions in progress, as of a moment ago; null while nothing is. */
  early: EarlyWork | null;
}

/** Who leads a feed, and what its runs share with those of leaders before. */
interface Led {
  readonly options: FeedOptions;
  readonly lease: FeedLease;
  readonly leader: string;
  readonly connector: Connector;
  /** The session that holds the lease; it is not the one that writes changes. */
  readonly control: Queryable;
  readonly wanted: WantedNow;
  /** Notified when what is wanted, or what is there, should be looked at again. */
  readonly reconsider: Notifier;
  readonly repeats: Repeats;
  readonly probePace: ProbePace;
  readonly counters: Counters;
}

/** What the runs of one feed under one leader share. */
export interface FeedScene extends Led {
  readonly failures: TableFailures;
  readonly standing: Standing;
  readonly early: EarlyChoice;
  readonly names: HoldableNames;
  /** Partitions that rows came from before they were known: the next run looks for them in the tables first. */
  readonly sought: Set<number>;
  /** Orphans that could not be dropped, and that were logged. */
  readonly toldOrphans: Set<string>;
  /** Tables that stay published though they should not be, and that were logged. */
  readonly toldPublished: Set<string>;
  /** What a run wants done a few times a second while it streams; null while nothing streams. */
  tick: (() => Promise<void>) | null;
  /** The tables have been looked at since the target last showed a change of them: only then is freshness proved. */
  inOrder: boolean;
  /** The last run streamed for a while, so its failure is the first of a new series. */
  streamed: boolean;
}

/** A scene in which nothing has happened yet. */
export function beginScene(given: Led): FeedScene {
  const { clock, random, limits } = given.options;
  return {
    ...given,
    failures: new TableFailures(clock, random),
    standing: new Standing(given.connector, clock),
    early: new EarlyChoice(limits.early, clock),
    names: new HoldableNames(),
    sought: new Set(),
    toldOrphans: new Set(),
    toldPublished: new Set(),
    tick: null,
    inOrder: false,
    streamed: false,
  };
}
