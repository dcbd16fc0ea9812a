import type { CacheTable, FeedStatus } from '../cache/status/cache-table.ts';
import type { SourceName } from '../core/names.ts';
import { type SourceTime, stalenessMs } from '../core/position/watermark.ts';
import type { CacheFit } from './cache-fit.ts';
import type { Policy, RouteDetail, RouteReason } from './freshness.ts';

/** Why rows are read from the target. */
export interface LiveChoice {
  readonly route: 'live';
  readonly reason: RouteReason;
  readonly detail: RouteDetail;
  /** A cache answer was wanted and is not to be had now: the fallback decides. */
  readonly unmet: boolean;
}

/** Where the rows of one feed's target are read from. */
export type LeafChoice = { readonly route: 'cache'; readonly tables: readonly CacheTable[] } | LiveChoice;

/** The choice while nothing is known of a cache. */
export const UNKNOWN_CACHE: LiveChoice = unmet('miss', 'status-unknown');

/** Whether a cache answer was wanted and is not to be had, so that the fallback decides. */
export function isUnmet(choice: LeafChoice): choice is LiveChoice {
  return choice.route === 'live' && choice.unmet;
}

/** Where a target's rows would be read from now. */
export interface Foreseen {
  readonly target: SourceName;
  readonly choice: LeafChoice;
}

/** What is known of a feed's freshness before anything is read. */
export type FeedHope = Pick<FeedStatus, 'state' | 'freshAsOf'>;

/** What we know of a feed may itself be this old: within it the cache is tried, and the watermark in its snapshot decides. */
const SLACK_MS = 1000;

/** Chooses between cache and target for one feed, before anything is read. */
export function chooseLeaf(
  fit: CacheFit,
  policy: Policy,
  feed: FeedHope | null,
  now: SourceTime,
): LeafChoice {
  if (policy.noCache) return live('request', 'asked-for');
  if (policy.cacheOff) return live('bypass', 'cache-off');
  if (fit.kind === 'unusable') return withoutCache(fit.detail);
  if (fit.kind === 'undecided') return live('bypass', 'type-unknown');
  if (policy.fallback === 'live' && isHopeless(policy, feed, now))
    return unmet('stale', feed?.state === 'paused' ? 'paused' : 'lagging');
  return { route: 'cache', tables: fit.tables };
}

function withoutCache(detail: RouteDetail): LiveChoice {
  if (detail === 'computed') return live('bypass', detail);
  const isNever = detail === 'not-cached' || detail === 'column-not-cached' || detail === 'failed';
  return isNever ? live('miss', detail) : unmet('miss', detail);
}

/** Live rows are what was asked for, or all that there can be: the fallback is not asked. */
function live(reason: RouteReason, detail: RouteDetail): LiveChoice {
  return { route: 'live', reason, detail, unmet: false };
}

/** Live rows in place of a cache answer that was wanted: whether that is an answer the fallback decides. */
export function unmet(reason: RouteReason, detail: RouteDetail): LiveChoice {
  return { route: 'live', reason, detail, unmet: true };
}

/** Whether the cache is surely too old, so that asking it first would only cost time. */
function isHopeless(policy: Policy, feed: FeedHope | null, now: SourceTime): boolean {
  if (policy.boundMs <= 0 || feed === null || feed.freshAsOf === null) return true;
  return stalenessMs(now, feed.freshAsOf) > policy.boundMs + SLACK_MS;
}
