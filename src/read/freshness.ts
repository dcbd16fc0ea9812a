import type { RemoteOptions } from '../catalog/catalog.ts';
import type { Fallback } from '../core/fallback.ts';
import type { SourceName } from '../core/names.ts';
import type { Lsn } from '../core/position/lsn.ts';
import type { HistoryName, Token } from '../core/position/token.ts';

/** What one request asks of freshness; what it leaves open the relationships and then the server decide. */
export interface FreshnessRequest {
  readonly noCache: boolean;
  readonly maxStalenessMs: number | null;
  readonly fallback: Fallback | null;
  /** Positions that the answer must contain. */
  readonly tokens: ReadonlyMap<SourceName, Token>;
}

/** The words of the `Cache-Status` header. */
export type RouteReason = 'hit' | 'stale' | 'miss' | 'request' | 'bypass';

/** Why in more detail, for metrics, explain and logs. */
export type RouteDetail =
  | 'fresh'
  | 'stale-allowed'
  | 'lagging'
  | 'token-ahead'
  | 'paused'
  | 'copying'
  | 'failed'
  | 'slot-lost'
  | 'other-database'
  | 'not-cached'
  | 'column-not-cached'
  | 'computed'
  | 'type-unknown'
  | 'status-unknown'
  | 'asked-for'
  | 'cache-off';

/** How one target's rows came into an answer. */
export interface TargetReport {
  readonly target: SourceName;
  readonly route: 'cache' | 'live';
  readonly reason: RouteReason;
  readonly detail: RouteDetail;
  /** Age of the rows on the source's clock; 0 when fetched live, null when unknown. */
  readonly stalenessMs: number | null;
  /** The answer contains everything the target committed up to here. */
  readonly position: Lsn | null;
  /** Whose position it is; null where the target did not tell. */
  readonly history: HistoryName | null;
}

/** What holds for one feed in one request. */
export interface Policy {
  readonly boundMs: number;
  readonly fallback: Fallback;
  readonly token: Token | null;
  readonly noCache: boolean;
  /** A relationship says never to cache. */
  readonly cacheOff: boolean;
  /** Serve what the cache has when the target is down: never to a request that insists on live rows. */
  readonly staleWhenDown: boolean;
}

const STRICTEST: readonly Fallback[] = ['error', 'wait', 'live', 'stale'];

/** Merges request, relationships and server defaults: the request wins, then the strictest of the relationships, each with its own or the server's. */
export function policyFor(
  target: SourceName,
  request: FreshnessRequest,
  options: readonly RemoteOptions[],
  defaults: { readonly maxStalenessMs: number; readonly fallback: Fallback },
): Policy {
  const bounds = options.map((option) => option.maxStalenessMs ?? defaults.maxStalenessMs);
  const asked = new Set(options.map((option) => option.fallback ?? defaults.fallback));
  return {
    boundMs: request.maxStalenessMs ?? (bounds.length === 0 ? defaults.maxStalenessMs : Math.min(...bounds)),
    fallback: request.fallback ?? STRICTEST.find((fallback) => asked.has(fallback)) ?? defaults.fallback,
    token: request.tokens.get(target) ?? null,
    noCache: request.noCache,
    cacheOff: options.some((option) => !option.cache),
    staleWhenDown:
      !request.noCache && options.length > 0 && options.every((option) => option.onTargetDown === 'stale'),
  };
}
