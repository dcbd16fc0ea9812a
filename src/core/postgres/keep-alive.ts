/**
 * For connections that are kept: after five idle seconds the kernel asks whether the other side is still there. Firewalls and
 * address translators forget connections that say nothing for some minutes, and tell neither side; nor does a host that lost
 * its power.
 */
export const KEEP_ALIVE = { keepAlive: true, keepAliveInitialDelayMillis: 5_000 } as const;
