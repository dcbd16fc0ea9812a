import type { FeedStatus } from '../cache/status/cache-table.ts';
import type { SourceName } from '../core/names.ts';
import { LAST_LSN } from '../core/position/lsn.ts';
import { chooseLeaf, UNKNOWN_LEAF } from './choose-leaves.ts';
import type { SourceGroup } from './compiled-plan.ts';
import type { Databases } from './databases.ts';
import { FitMemo } from './fit-memo.ts';
import type { Policy } from './freshness.ts';
import type { ProbeBoard } from './probe-board.ts';
import type { StatusBoard } from './status-board.ts';
import type { TargetRead } from './target-read.ts';

/** What the choice is made from. */
interface ChooserParts {
  readonly databases: Pick<Databases, 'identity'>;
  readonly board: StatusBoard;
  readonly probes: ProbeBoard;
}

/** Chooses between cache and target from the last status that was read, the probes since then, and what has been tried already. */
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

  /** Sets `read.choice` by what is known right now. */
  choose(read: TargetRead, group: SourceGroup): void {
    const known = this.#board.peek(group.source);
    if (read.forced !== null) {
      const reason = read.forced.detail === 'slot-lost' ? 'miss' : 'stale';
      read.choice = { route: 'live', reason, detail: read.forced.detail, unmet: true };
      return;
    }
    if (known === null) {
      read.choice = UNKNOWN_LEAF;
      return;
    }
    const feed = known.status.feeds.get(read.use.target);
    read.history = feed?.history ?? null;
    const identity = this.#databases.identity(read.use.target);
    const fit = this.#fits.fit(group, read.use, { feed, identity });
    const policy: Policy = read.anyAge ? { ...read.policy, fallback: 'stale' } : read.policy;
    read.choice = chooseLeaf(fit, policy, this.#hopeFor(group.source, feed), known.now);
  }

  /** How fresh the feed may be at best: every finished probe may have been applied since the status was read. */
  #hopeFor(source: SourceName, feed: FeedStatus | undefined): Pick<FeedStatus, 'state' | 'freshAsOf'> | null {
    if (feed === undefined) return null;
    const proved = this.#probes.latest(source, feed.target, LAST_LSN);
    const freshAsOf = proved === null ? feed.freshAsOf : Math.max(proved, feed.freshAsOf ?? proved);
    return { state: feed.state, freshAsOf };
  }
}
