import type { Feed } from './replication.ts';

/** What of a feed tells whether its comparison goes on. */
export type ComparedFeed = Pick<Feed, 'target' | 'state' | 'reason' | 'staleness_ms'>;

/** A feed may be between two tries, or be taken over, for so long. */
const PATIENCE_MS = 30_000;

/** Why nothing comes of waiting for a feed's comparison, which has not moved for so long; null while something may. */
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
