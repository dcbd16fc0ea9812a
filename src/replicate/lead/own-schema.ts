import type { Queryable } from '../../cache/queryable.ts';
import { migrate } from '../../cache/schema/migrate.ts';
import { claimSchema, ownedByOther } from '../../cache/schema/owner.ts';
import { type Notifier, restUnless } from '../../core/waiting/notifier.ts';
import type { FeedOptions } from '../feed-options.ts';

const POLL_MS = 1_000;
const RESTORED = 'schema nearjoin was set up anew: parts of it were gone';
const LEFT_ALONE = 'a source is left alone';

/** Somebody who competes for a feed. */
export interface Competitor extends Pick<FeedOptions, 'source' | 'installation' | 'clock' | 'log'> {
  readonly isWanted: () => boolean;
  /** What is wanted has changed. */
  readonly wake: Notifier;
}

/**
 * Sets schema `nearjoin` up in the source, and waits until its copies are kept for the competitor's installation. Gives the id
 * that names the slots; null when the signal aborts, or nothing is wanted before.
 */
export async function ownSchema(
  client: Queryable,
  { source, installation, clock, log, isWanted, wake }: Competitor,
  signal: AbortSignal,
): Promise<string | null> {
  const { id, restored } = await migrate(client);
  if (restored.length > 0) log.warn({ restored }, RESTORED);
  if (installation === null) return id;
  let told: string | null = null;
  while (!signal.aborted) {
    const owner = await claimSchema(client, installation);
    if (owner === null) return id;
    if (owner !== told) log.warn({ reason: ownedByOther(source, owner, installation) }, LEFT_ALONE);
    if (!isWanted()) return null;
    told = owner;
    await restUnless(wake, { clock, ms: POLL_MS }, signal);
  }
  return null;
}
