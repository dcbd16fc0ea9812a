import { z } from 'zod';

/** What `nearjoin verify` reads of one feed's status. */
export interface VerifiedFeed {
  readonly target: string;
  readonly source: string;
  readonly state: string;
  readonly reason: string | null;
  readonly staleness_ms: number | null;
  readonly tables: readonly { readonly schema: string; readonly name: string }[];
}

/** The answer of `GET /v1/replication`, as far as it is needed. */
export const feedList: z.ZodType<{ readonly feeds: readonly VerifiedFeed[] }> = z.object({
  feeds: z.array(
    z.object({
      target: z.string(),
      source: z.string(),
      state: z.string(),
      reason: z.string().nullable(),
      staleness_ms: z.number().nullable(),
      tables: z.array(z.object({ schema: z.string(), name: z.string() })),
    }),
  ),
});

/** A feed may be between two tries, or be taken over, for so long. */
const PATIENCE_MS = 30_000;

/** Why nothing comes of waiting for a feed's comparison, which has not moved for so long; null while something may. */
export function whyStuck(feed: VerifiedFeed | undefined, unmovedMs: number): string | null {
  if (feed === undefined) return 'the feed is gone';
  const { target, state, reason, staleness_ms: stalenessMs } = feed;
  if (state === 'paused') return `the feed is paused; resume it: POST /v1/replication/${target}/resume`;
  if (unmovedMs < PATIENCE_MS) return null;
  if (state !== 'streaming')
    return `the feed does not stream (${state}${reason === null ? '' : `: ${reason}`}); it is compared when it does`;
  const isLed = stalenessMs !== null && stalenessMs < PATIENCE_MS;
  return isLed ? null : 'no replicator seems to lead the feed; it is compared when one does';
}
