import { ADMIN, type RoleName } from '../../core/names.ts';
import type { ApiLimitsMetadata } from '../../metadata/model/api-limits.ts';

/** What the operations of one role may ask for; null where nothing is said. */
export interface RoleLimits {
  /** Fields with selections inside one another. */
  readonly depth: number | null;
  /** Fields with selections altogether. */
  readonly nodes: number | null;
  readonly seconds: number | null;
  readonly batch: number | null;
  readonly rate: RateLimit | null;
}

/** So many operations in any minute. */
export interface RateLimit {
  readonly perMinute: number;
  /** What tells clients of the role apart: their address, some session variables in lower case, or nothing. */
  readonly by: 'address' | readonly string[];
}

/** The limits of all roles; null where there are none, or where they are switched off. */
export type ApiLimits = Pick<
  ApiLimitsMetadata,
  'depth_limit' | 'node_limit' | 'time_limit' | 'batch_limit' | 'rate_limit'
> | null;

const NO_LIMITS: RoleLimits = { depth: null, nodes: null, seconds: null, batch: null, rate: null };

/** The limits that are in force. */
export function limitsIn(metadata: ApiLimitsMetadata | undefined): ApiLimits {
  if (metadata === undefined || metadata.disabled === true) return null;
  const { depth_limit, node_limit, time_limit, batch_limit, rate_limit } = metadata;
  const limits = { depth_limit, node_limit, time_limit, batch_limit, rate_limit };
  return Object.values(limits).some((limit) => limit !== undefined && limit !== null) ? limits : null;
}

/** A role's own limits, else those of all roles; none for the administrator. */
export function limitsOf(limits: ApiLimits, role: RoleName): RoleLimits {
  if (limits === null || role === ADMIN) return NO_LIMITS;
  const rate = own(limits.rate_limit, role);
  return {
    depth: own(limits.depth_limit, role),
    nodes: own(limits.node_limit, role),
    seconds: own(limits.time_limit, role),
    batch: own(limits.batch_limit, role),
    rate: rate === null ? null : { perMinute: rate.max_reqs_per_min, by: tellingApart(rate.unique_params) },
  };
}

interface Limit<T> {
  readonly global: T;
  readonly per_role?: Readonly<Record<string, T>> | undefined;
}

function own<T>(limit: Limit<T> | null | undefined, role: RoleName): T | null {
  if (limit === undefined || limit === null) return null;
  const { global, per_role: perRole = {} } = limit;
  return Object.hasOwn(perRole, role) ? (perRole[role] ?? global) : global;
}

function tellingApart(params: string | readonly string[] | null | undefined): RateLimit['by'] {
  if (typeof params === 'string') return 'address';
  return (params ?? []).map((name) => name.toLowerCase());
}
