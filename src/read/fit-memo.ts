import type { FeedStatus } from '../cache/cache-table.ts';
import type { SourceName } from '../core/names.ts';
import type { RemoteUse } from '../plan/plan.ts';
import { type CacheFit, cacheFit } from './choose-leaves.ts';
import type { SourceGroup } from './compiled-plan.ts';

/** Compares a plan's tables and columns with a feed's once per reading of the status, not once per request. */
export class FitMemo {
  readonly #last = new WeakMap<
    SourceGroup,
    Map<SourceName, { readonly feed: FeedStatus; readonly fit: CacheFit }>
  >();

  /** As `cacheFit`. */
  fit(group: SourceGroup, use: RemoteUse, feed: FeedStatus | undefined): CacheFit {
    if (feed === undefined) return cacheFit(use, feed);
    const known = this.#last.get(group) ?? new Map<SourceName, { feed: FeedStatus; fit: CacheFit }>();
    this.#last.set(group, known);
    const last = known.get(use.target);
    if (last?.feed === feed) return last.fit;
    const fit = cacheFit(use, feed);
    known.set(use.target, { feed, fit });
    return fit;
  }
}
