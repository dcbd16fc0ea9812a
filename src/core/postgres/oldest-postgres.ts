/** The oldest `server_version_num` that a feed has at either end: before it the stream carries no messages, which freshness is proved by. */
export const OLDEST_POSTGRES = 140_000;

/** What is said of a server that is older. */
export function tooOld(end: 'source' | 'target', version: number): string {
  return `the ${end} is Postgres ${Math.trunc(version / 10_000)}: a cache needs 14 or newer at both ends`;
}

/**
 * By major version the first minor one whose stream tells of a table that was published while a transaction wrote to it: before, the
 * changes of all others could stay out of the stream too, for good.
 */
const FORGETS_BEFORE: ReadonlyMap<number, number> = new Map([
  [14, 18],
  [15, 13],
  [16, 9],
  [17, 5],
]);

/** Why no feed may read the stream of a target of this `server_version_num`; null when it may. */
export function unfitTarget(version: number): string | null {
  if (version < OLDEST_POSTGRES) return tooOld('target', version);
  const [major, minor] = [Math.trunc(version / 10_000), version % 10_000];
  const least = FORGETS_BEFORE.get(major) ?? 0;
  if (minor >= least) return null;
  const what = 'which may tell no more of a table that was published while somebody wrote to it';
  return `the target is Postgres ${major}.${minor}, ${what}: update it to ${major}.${least} or newer`;
}
