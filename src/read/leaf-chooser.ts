import type { FeedStatus } from '../cache/status/cache-table.ts';
import { keptIn } from '../core/kept-in.ts';
import type { SourceName } from '../core/names.ts';
import { LAST_LSN } from '../core/position/lsn.ts';
import type { DatabaseIdentity } from '../core/postgres/database-identity.ts';
import type { RemoteUse } from '../plan/plan.ts';
import { lacksTypes } from '../sql/place/held-as-text.ts';
import { type CacheFit, cacheFit, type HeldFit } from './cache-fit.ts';
import type { Databases } from './databases.ts';
import type { Policy } from './freshness.ts';
import { chooseLeaf, type FeedHope, UNKNOWN_CACHE, unmet } from './leaf-choice.ts';
import type { ProbeBoard } from './probe-board.ts';
import type { SourceGroup } from './source-group.ts';
import type { StatusBoard } from './status-board.ts';
import type { TargetRead } from './target-read.ts';

/** What the choice is made from. */
interface ChooserParts {
  readonly databases: Pick<Databases, 'identity'>;
  readonly board: StatusBoard;
  readonly probes: ProbeBoard;
}

/** How a plan fitted a feed, as it was told of in one reading of the status. */
interface KnownFit {
  readonly feed: FeedStatus;
  readonly identity: DatabaseIdentity | null;
  readonly fit: CacheFit;
}

/** Chooses between cache and target from the last status that was read, the probes since then, and what has been tried already. */
export class LeafChooser {
  readonly #parts: ChooserParts;
  /** By target. */
  readonly #fits = new WeakMap<SourceGroup, Map<SourceName, KnownFit>>();

  constructor(parts: ChooserParts) {
    this.#parts = parts;
  }

  /** Sets `read.choice` by what is known right now. */
  choose(read: TargetRead, group: SourceGroup): void {
    const known = this.#parts.board.peek(group.source);
    if (read.forced !== null) {
      read.choice = unmet(read.forced === 'slot-lost' ? 'miss' : 'stale', read.forced);
      return;
    }
    if (known === null) {
      read.choice = UNKNOWN_CACHE;
      return;
    }
    const feed = known.status.feeds.get(read.use.target);
    read.history = feed?.history ?? null;
    const fit = this.#fit(group, read.use, feed);
    const policy: Policy = read.anyAge ? { ...read.policy, fallback: 'stale' } : read.policy;
    read.choice = chooseLeaf(fit, policy, this.#hopeFor(group.source, feed), known.now);
  }

  /** Compares a plan's tables and columns with a feed's once per reading of the status, not once per request. */
  #fit(group: SourceGroup, use: RemoteUse, feed: FeedStatus | undefined): CacheFit {
    const identity = this.#parts.databases.identity(use.target);
    if (feed === undefined) return cacheFit(use, feed, identity);
    const fits = keptIn(this.#fits, group, noFits);
    const last = fits.get(use.target);
    if (last?.feed === feed && last.identity === identity) return last.fit;
    const fit = decided(cacheFit(use, feed, identity), group, use);
    fits.set(use.target, { feed, identity, fit });
    return fit;
  }

  /** How fresh the feed may be at best: it may have applied every finished probe since the status was read. */
  #hopeFor(source: SourceName, feed: FeedStatus | undefined): FeedHope | null {
    if (feed === undefined) return null;
    const proved = this.#parts.probes.latest(source, feed.target, LAST_LSN);
    const freshAsOf = proved === null ? feed.freshAsOf : Math.max(proved, feed.freshAsOf ?? proved);
    return { state: feed.state, freshAsOf };
  }
}

function noFits(): Map<SourceName, KnownFit> {
  return new Map();
}

/** `undecided` when the source lacks a type that a condition of the plan needs. */
function decided(fit: HeldFit, group: SourceGroup, { target, tables }: RemoteUse): CacheFit {
  if (fit.kind !== 'usable') return fit;
  const isDoubtful = tables.some(({ columns }, i) => lacksTypes(columns, fit.tables[i]?.columns ?? []));
  return isDoubtful && !group.canDecide(target, fit.tables) ? { ...fit, kind: 'undecided' } : fit;
}
