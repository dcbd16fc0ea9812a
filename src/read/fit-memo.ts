import type { FeedStatus } from '../cache/status/cache-table.ts';
import type { SourceName } from '../core/names.ts';
import type { DatabaseIdentity } from '../core/postgres/database-identity.ts';
import type { RemoteUse } from '../plan/plan.ts';
import { lacksTypes } from '../sql/place/held-as-text.ts';
import { type CacheFit, cacheFit, type HeldFit } from './choose-leaves.ts';
import type { SourceGroup } from './compiled-plan.ts';

interface Remembered {
  readonly feed: FeedStatus;
  readonly identity: DatabaseIdentity | null;
  readonly fit: CacheFit;
}

/** Compares a plan's tables and columns with a feed's once per reading of the status, not once per request. */
export class FitMemo {
  readonly #last = new WeakMap<SourceGroup, Map<SourceName, Remembered>>();

  /** As `cacheFit`. */
  fit(
    group: SourceGroup,
    use: RemoteUse,
    { feed, identity }: { readonly feed: FeedStatus | undefined; readonly identity: DatabaseIdentity | null },
  ): CacheFit {
    if (feed === undefined) return cacheFit(use, feed, identity);
    const known = this.#last.get(group) ?? new Map<SourceName, Remembered>();
    this.#last.set(group, known);
    const last = known.get(use.target);
    if (last?.feed === feed && last.identity === identity) return last.fit;
    const fit = decided(cacheFit(use, feed, identity), group, use);
    known.set(use.target, { feed, identity, fit });
    return fit;
  }
}

/** `undecided` when the source lacks a type that a condition of the plan needs. */
function decided(fit: HeldFit, group: SourceGroup, { target, tables }: RemoteUse): CacheFit {
  if (fit.kind !== 'usable') return fit;
  const isDoubtful = tables.some(({ columns }, i) => lacksTypes(columns, fit.tables[i]?.columns ?? []));
  return isDoubtful && !group.canDecide(target, fit.tables) ? { ...fit, kind: 'undecided' } : fit;
}
