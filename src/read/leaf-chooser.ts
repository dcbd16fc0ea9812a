import type { FeedStatus } from '../cache/status/cache-table.ts';
import type { SourceName } from '../core/names.ts';
import { LAST_LSN } from '../core/position/lsn.ts';
import { chooseLeaf, UNKNOWN_LEAF } from './choose-leaves.ts';
import type { SourceGroup } from './compiled-plan.ts';
import type { Databases } from './databases.ts';
import { FitMemo } from './fit-memo.ts';
import type { Policy } from './freshness.ts';
import type { Lane } from './lanes.ts';
import type { ProbeBoard } from './probe-board.ts';
import type { StatusBoard } from './status-board.ts';

/** What leaves are chosen by. */
interface ChooserParts {
  readonly databases: Pick<Databases, 'identity'>;
  readonly board: StatusBoard;
  readonly probes: ProbeBoard;
}

/** Chooses the leaves of a request from the last reading of the status, what has been tried, and the probes. */
export class LeafChooser {
  readonly #databases: Pick<Databases, 'identity'>;
  readonly #board: StatusBoard;
  readonly #probes: ProbeBoard;
  readonly #fits = new FitMemo();

  constructor({ databases, board, probes }: ChooserParts) {
    this.#databases = databases;
    this.#board = board;
    this.#probes = probes;
  }

  /** Sets the lane's choice by what is known right now. */
  choose(lane: Lane, group: SourceGroup): void {
    const known = this.#board.peek(group.source);
    if (lane.forced !== null) {
      const reason = lane.forced.detail === 'slot-lost' ? 'miss' : 'stale';
      lane.choice = { route: 'live', reason, detail: lane.forced.detail, unmet: true };
      return;
    }
    if (known === null) {
      lane.choice = UNKNOWN_LEAF;
      return;
    }
    const feed = known.status.feeds.get(lane.use.target);
    lane.history = feed?.history ?? null;
    const identity = this.#databases.identity(lane.use.target);
    const fit = this.#fits.fit(group, lane.use, { feed, identity });
    const policy: Policy = lane.anyAge ? { ...lane.policy, fallback: 'stale' } : lane.policy;
    lane.choice = chooseLeaf(fit, policy, this.#hopeFor(group.source, feed), known.now);
  }

  /** How fresh the feed may be by now: any finished probe may have been applied since the status was read. */
  #hopeFor(source: SourceName, feed: FeedStatus | undefined): Pick<FeedStatus, 'state' | 'freshAsOf'> | null {
    if (feed === undefined) return null;
    const proved = this.#probes.latest(source, feed.target, LAST_LSN);
    const freshAsOf = proved === null ? feed.freshAsOf : Math.max(proved, feed.freshAsOf ?? proved);
    return { state: feed.state, freshAsOf };
  }
}
