/** What may be done when a cache is older than the bound of a request. */
export const FALLBACKS = ['live', 'wait', 'stale', 'error'] as const;

/** `live`: fetch the rows; `wait`: until the cache has caught up; `stale`: answer from it as it is; `error`: refuse. */
export type Fallback = (typeof FALLBACKS)[number];
