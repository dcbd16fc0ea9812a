import { must } from '../core/assert.ts';
import { NearjoinError } from '../core/errors.ts';
import { type SourceName, sameTable } from '../core/names.ts';
import type { HistoryName, Token } from '../core/position/token.ts';
import { type SourceTime, stalenessMs } from '../core/position/watermark.ts';
import type { PlanTable, RemoteUse } from '../plan/plan.ts';
import type { Leaf } from '../sql/place/leaf.ts';
import type { Policy, RouteDetail, TargetReport } from './freshness.ts';
import type { Label } from './labels.ts';
import type { LeafChoice, LiveChoice } from './leaf-choice.ts';

/** One target that a request reads, with what has been decided about it so far. */
export interface TargetRead {
  readonly use: RemoteUse;
  readonly policy: Policy;
  /** Set when the cache was tried and will not do: read live, and why. */
  forced: RouteDetail | null;
  /** Set when the target is down and old rows are better than none. */
  anyAge: boolean;
  /** Which history of the target the cache holds (see core/position/token.ts); null while that is unknown. */
  history: HistoryName | null;
  choice: LeafChoice;
}

/** Names the cache tables that were chosen: for the same name the statement is the same. */
export function leafKey(reads: readonly TargetRead[]): string {
  return reads
    .map(({ choice }) =>
      choice.route === 'cache' ? choice.tables.map((table) => table.relation).join(' ') : '',
    )
    .join('\n');
}

/** Leaves over the cache tables that were chosen. */
export function cacheLeaves(reads: readonly TargetRead[], source: SourceName): (table: PlanTable) => Leaf {
  // Read off now: a statement for several requests is printed later, when another choice may have been made.
  const held = reads.flatMap(({ choice }) => (choice.route === 'cache' ? choice.tables : []));
  return (table) => {
    if (table.source === source) return { kind: 'table' };
    const found = held.find((cache) => cache.target === table.source && sameTable(cache.table, table.ref));
    const { relation, columns } = must(found, `cache of ${table.ref.name}`);
    return { kind: 'cache', relation, columns };
  };
}

/**
 * Whether rows may be the answer despite their age: with the fallback `stale`, or while the target is down. A token must be
 * met in any case.
 */
export function mayServe(
  fault: RouteDetail,
  { policy, anyAge }: Pick<TargetRead, 'policy' | 'anyAge'>,
): boolean {
  return fault === 'lagging' && (anyAge || policy.fallback === 'stale');
}

/** How rows from a cache are reported. */
export function cacheReport(
  target: SourceName,
  { label, now, fault }: { label: Label; now: SourceTime; fault: RouteDetail | null },
): TargetReport {
  return {
    target,
    route: 'cache',
    reason: 'hit',
    detail: fault === null ? 'fresh' : 'stale-allowed',
    stalenessMs: label.freshAsOf === null ? null : stalenessMs(now, label.freshAsOf),
    position: label.position,
    history: label.history,
  };
}

/** How rows fetched live are reported. */
export function liveReport(
  target: SourceName,
  { route, reason, detail }: LiveChoice,
  reached: Token | null,
): TargetReport {
  const { position, history } = reached ?? { position: null, history: null };
  return { target, route, reason, detail, stalenessMs: 0, position, history };
}

const WHY: Partial<Record<RouteDetail, string>> = {
  lagging: 'its cache is older than asked for',
  paused: 'its feed is paused',
  'token-ahead': 'its cache does not contain the position asked for yet',
  copying: 'its cache is still being copied',
  'slot-lost': 'its cache must be rebuilt',
  'other-database': 'its cache is of another database',
  'status-unknown': 'the state of its cache is not known',
};

/** The error of a request that insists on freshness. */
export function notFresh(target: SourceName, detail: RouteDetail): NearjoinError {
  return new NearjoinError('not-fresh', `"${target}" is not fresh enough: ${WHY[detail] ?? detail}`);
}
