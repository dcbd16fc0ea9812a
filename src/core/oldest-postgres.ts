/** The oldest `server_version_num` that a feed has at either end: before it the stream carries no messages, which freshness is proved by. */
export const OLDEST_POSTGRES = 140_000;

/** What is said of a server that is older. */
export function tooOld(end: 'source' | 'target', version: number): string {
  return `the ${end} is Postgres ${Math.trunc(version / 10_000)}: a cache needs 14 or newer at both ends`;
}
