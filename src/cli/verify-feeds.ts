import type { Feed } from './replication.ts';

/** The parts of a feed that tell whether its comparison can go on. */
export type ComparedFeed = Pick<Feed, 'target' | 'state' | 'reason' | 'staleness_ms'>;

/** A feed may be retrying, or change its leader, for this long. */
const PATIENCE_MS = 30_000;

/** Why it is no use to wait longer for a comparison, which has made no progress for `unmovedMs`; null while it may go on. */
export function whyStuck(feed: ComparedFeed | undefined, unmovedMs: number): string | null {
  if (feed === undefined) return 'the feed is gone';
  const { target, state, reason, staleness_ms: stalenessMs } = feed;
  if (state === 'paused') return `the feed is paused; resume it: POST /v1/replication/${target}/resume`;
  if (unmovedMs < PATIENCE_MS) return null;
  if (state !== 'streaming')
    return `the feed does not stream (${state}${reason === null ? '' : `: ${reason}`}); it is compared when it does`;
  const isLed = stalenessMs !== null && stalenessMs < PATIENCE_MS;
  return isLed ? null : 'no replicator seems to lead the feed; it is compared when one does';
}
