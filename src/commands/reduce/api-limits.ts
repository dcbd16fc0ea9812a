import type { ApiLimitsMetadata } from '../../metadata/model/api-limits.ts';
import type { Metadata } from '../../metadata/model.ts';

/** Sets all limits anew. */
export function setApiLimits(metadata: Metadata, limits: ApiLimitsMetadata): Metadata {
  return { ...metadata, api_limits: limits };
}

/** Forgets all limits. */
export function removeApiLimits({ api_limits: _, ...metadata }: Metadata): Metadata {
  return metadata;
}
