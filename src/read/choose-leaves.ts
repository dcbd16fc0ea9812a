import type { CacheTable, FeedStatus } from '../cache/status/cache-table.ts';
import type { Column } from '../catalog/catalog.ts';
import { type SourceName, sameTable } from '../core/names.ts';
import { type SourceTime, stalenessMs } from '../core/position/watermark.ts';
import { type DatabaseIdentity, isOtherDatabase } from '../core/postgres/database-identity.ts';
import type { RemoteUse } from '../plan/plan.ts';
import type { Policy, RouteDetail, RouteReason } from './freshness.ts';

/** Why rows are read from the target. */
export interface LiveLeaf {
  readonly route: 'live';
  readonly reason: RouteReason;
  readonly detail: RouteDetail;
  /** A cache answer was wanted and is not to be had now: the fallback decides. */
  readonly unmet: boolean;
}

/** Where the rows of one feed's target are read from. */
export type LeafChoice = { readonly route: 'cache'; readonly tables: readonly CacheTable[] } | LiveLeaf;

/** The choice while nothing is known of a cache. */
export const UNKNOWN_LEAF: LiveLeaf = {
  route: 'live',
  reason: 'miss',
  detail: 'status-unknown',
  unmet: true,
};

/** Whether a cache answer was wanted and is not to be had, so that the fallback decides. */
export function isUnmet(choice: LeafChoice): choice is LiveLeaf {
  return choice.route === 'live' && choice.unmet;
}

/** Where a target's rows would be read from now. */
export interface Foreseen {
  readonly target: SourceName;
  readonly choice: LeafChoice;
}

/** Whether a cache holds the tables and columns that a plan reads; how old they are does not matter here. */
export type HeldFit =
  | { readonly kind: 'usable'; readonly tables: readonly CacheTable[] }
  | { readonly kind: 'unusable'; readonly detail: RouteDetail };

/** As `HeldFit`; `undecided` means that the source cannot evaluate a condition of the plan, since only the target has its type. */
export type CacheFit = HeldFit | { readonly kind: 'undecided'; readonly tables: readonly CacheTable[] };

/** Compares what a plan reads of a target with what the source holds of it. `target` is the database that the metadata names. */
export function cacheFit(
  use: RemoteUse,
  feed: FeedStatus | undefined,
  target: DatabaseIdentity | null,
): HeldFit {
  // No cache will ever hold it: only the target has the function.
  if (use.computes) return { kind: 'unusable', detail: 'computed' };
  if (feed === undefined) return { kind: 'unusable', detail: 'not-cached' };
  if (isOtherDatabase(feed.identity, target)) return { kind: 'unusable', detail: 'other-database' };
  const tables: CacheTable[] = [];
  for (const wanted of use.tables) {
    const held = feed.tables.find((candidate) => sameTable(candidate.table, wanted.table));
    if (held === undefined) return { kind: 'unusable', detail: 'not-cached' };
    const generation = readGeneration(held);
    const detail = fault(held, generation, wanted.columns);
    if (generation === null || detail !== null) return { kind: 'unusable', detail: detail ?? 'copying' };
    tables.push(generation);
  }
  if (feed.position === null) return { kind: 'unusable', detail: 'slot-lost' };
  return { kind: 'usable', tables };
}

/** The generation to read: the older one while a copy with more columns is made. */
function readGeneration(held: CacheTable): CacheTable | null {
  if (held.state.kind === 'ready') return held;
  return held.serving === null ? null : { ...held, ...held.serving };
}

function fault(
  { state }: CacheTable,
  generation: CacheTable | null,
  columns: readonly Column[],
): RouteDetail | null {
  const isHeld = generation !== null && columns.every(({ name }) => hasColumn(generation, name));
  if (isHeld) return null;
  if (state.kind === 'failed') return 'failed';
  return state.kind === 'ready' ? 'column-not-cached' : 'copying';
}

function hasColumn({ columns }: CacheTable, name: string): boolean {
  return columns.some((column) => column.name === name);
}

/** What we know of a feed may itself be this old: within it the cache is tried, and the watermark in its snapshot decides. */
const SLACK_MS = 1000;

/** Chooses between cache and target for one feed, before anything is read. */
export function chooseLeaf(
  fit: CacheFit,
  policy: Policy,
  feed: { readonly state: FeedStatus['state']; readonly freshAsOf: SourceTime | null } | null,
  now: SourceTime,
): LeafChoice {
  if (policy.noCache) return { route: 'live', reason: 'request', detail: 'asked-for', unmet: false };
  if (policy.cacheOff) return { route: 'live', reason: 'bypass', detail: 'cache-off', unmet: false };
  if (fit.kind === 'unusable') return withoutCache(fit.detail);
  if (fit.kind === 'undecided')
    return { route: 'live', reason: 'bypass', detail: 'type-unknown', unmet: false };
  if (policy.fallback === 'live' && isHopeless(policy, feed, now)) {
    return {
      route: 'live',
      reason: 'stale',
      detail: feed?.state === 'paused' ? 'paused' : 'lagging',
      unmet: true,
    };
  }
  return { route: 'cache', tables: fit.tables };
}

function withoutCache(detail: RouteDetail): LeafChoice {
  if (detail === 'computed') return { route: 'live', reason: 'bypass', detail, unmet: false };
  const never = detail === 'not-cached' || detail === 'column-not-cached' || detail === 'failed';
  return { route: 'live', reason: 'miss', detail, unmet: !never };
}

/** Whether the cache is surely too old, so that asking it first would only cost time. */
function isHopeless(
  policy: Policy,
  feed: { readonly freshAsOf: SourceTime | null } | null,
  now: SourceTime,
): boolean {
  if (policy.boundMs <= 0 || feed === null || feed.freshAsOf === null) return true;
  return stalenessMs(now, feed.freshAsOf) > policy.boundMs + SLACK_MS;
}
