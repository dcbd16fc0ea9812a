import { must } from '../core/assert.ts';
import { NearjoinError } from '../core/errors.ts';
import { type SourceName, sameTable } from '../core/names.ts';
import type { HistoryName, Token } from '../core/position/token.ts';
import { type SourceTime, stalenessMs } from '../core/position/watermark.ts';
import type { PlanTable, RemoteUse } from '../plan/plan.ts';
import type { Leaf } from '../sql/place/leaf.ts';
import type { LeafChoice, LiveLeaf } from './choose-leaves.ts';
import type { Policy, RouteDetail, TargetReport } from './freshness.ts';
import type { Label } from './labels.ts';

/** One feed of the request, with what has been decided about it so far. */
export interface Lane {
  readonly use: RemoteUse;
  readonly policy: Policy;
  /** Live whatever the cache says: it was tried and is not fresh enough. */
  forced: { readonly detail: RouteDetail } | null;
  /** The cache's rows are taken whatever their age. */
  anyAge: boolean;
  /** Which history of the target the cache held when it was chosen. */
  history: HistoryName | null;
  choice: LeafChoice;
}

/** Names the caches of a request: equal names are the same statement. */
export function leafKey(lanes: readonly Lane[]): string {
  return lanes
    .map(({ choice }) =>
      choice.route === 'cache' ? choice.tables.map((table) => table.relation).join(' ') : '',
    )
    .join('\n');
}

/** Leaves over the cache tables that were chosen. */
export function cacheLeaves(lanes: readonly Lane[], source: SourceName): (table: PlanTable) => Leaf {
  // As chosen now: a statement for several requests is printed later, when these lanes may have chosen otherwise.
  const held = lanes.flatMap(({ choice }) => (choice.route === 'cache' ? choice.tables : []));
  return (table) => {
    if (table.source === source) return { kind: 'table' };
    const found = held.find((cache) => cache.target === table.source && sameTable(cache.table, table.ref));
    const { relation, columns } = must(found, `cache of ${table.ref.name}`);
    return { kind: 'cache', relation, columns };
  };
}

/** Rows of any age are an answer with `stale`, and when the target is down and that is allowed; a token is a promise that neither undoes. */
export function mayServe(fault: RouteDetail, { policy, anyAge }: Pick<Lane, 'policy' | 'anyAge'>): boolean {
  return fault === 'lagging' && (anyAge || policy.fallback === 'stale');
}

/** What is said of rows from a cache. */
export function cacheReport(
  lane: Lane,
  { label, now, fault }: { label: Label; now: SourceTime; fault: RouteDetail | null },
): TargetReport {
  return {
    target: lane.use.target,
    route: 'cache',
    reason: 'hit',
    detail: fault === null && !lane.anyAge ? 'fresh' : 'stale-allowed',
    stalenessMs: label.freshAsOf === null ? null : stalenessMs(now, label.freshAsOf),
    position: label.position,
    history: label.history,
  };
}

/** What is said of rows fetched live. */
export function liveReport(
  target: SourceName,
  { route, reason, detail }: LiveLeaf,
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
