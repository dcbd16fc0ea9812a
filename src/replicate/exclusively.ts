import type { Queryable } from '../cache/queryable.ts';

/**
 * Work in a transaction of its own. `next` commits what has been done and begins another such transaction, with nothing of the
 * stream in between.
 */
export type ExclusiveWork<T> = (client: Queryable, next: () => Promise<void>) => Promise<T>;

/** Runs work between two transactions of the stream, under the feed's lease; it is rolled back when it fails. */
export type Exclusively = <T>(work: ExclusiveWork<T>) => Promise<T>;
