import { type Connector, ConnectorError } from '../../../connectors/connector.ts';
import { readCacheStatus } from '../../cache/status/status.ts';
import { logOfFeed } from '../../core/log.ts';
import type { SourceName } from '../../core/names.ts';
import { isOtherDatabase } from '../../core/postgres/database-identity.ts';
import { Backoff } from '../backoff.ts';
import { say } from '../say.ts';
import { askSource } from '../session.ts';
import { isDatabaseGone, type RemovalOptions } from './feed-removal.ts';
import { SlotWatch } from './slot-watch.ts';
import { isRead, Unread } from './unread.ts';
import { withConnector } from './with-connector.ts';

/** What leaving targets needs. */
export interface LeavingOptions extends Pick<RemovalOptions, 'clock' | 'limits' | 'log'> {
  readonly connect: (url: string, name: string) => Connector;
  readonly random: () => number;
}

/** A feed's target as it was until its address was changed. */
interface LeftTarget {
  readonly source: SourceName;
  readonly target: SourceName;
  readonly sourceUrl: string;
  readonly targetUrl: string;
  readonly slot: string;
}

/** A feed that was stopped. */
interface Stopped extends Omit<LeftTarget, 'targetUrl' | 'slot'> {
  readonly targetUrl: string | null;
  readonly kafka: object | null;
  readonly slot: string | null;
}

/** What the tries to leave a target share. */
interface Visit {
  readonly connector: Connector;
  readonly unread: Unread;
  readonly patience: { untilMs: number };
  readonly signal: AbortSignal;
}

interface Leaving extends LeftTarget {
  readonly stopping: AbortController;
  readonly done: Promise<void>;
}

/**
 * When a target's address is changed and leads to another database now, slot and publication stay behind in the old one. They are dropped
 * there once the feed's copies are of the new one, after the usual while, and only when nobody reads from the slot.
 */
export class LeftTargets {
  readonly #options: LeavingOptions;
  readonly #leaving = new Set<Leaving>();

  constructor(options: LeavingOptions) {
    this.#options = options;
  }

  /** Takes over a feed that was stopped because something changed. Where its target still has the same address there is nothing to do. */
  leave({ source, target, sourceUrl, targetUrl, kafka, slot }: Stopped, urlNow: string | undefined): void {
    if (kafka !== null || slot === null || targetUrl === null || targetUrl === urlNow) return;
    const left = { source, target, sourceUrl, targetUrl, slot };
    const stopping = new AbortController();
    const leaving = { ...left, stopping, done: this.#clearAway(left, stopping.signal) };
    this.#leaving.add(leaving);
    void leaving.done.then(() => this.#leaving.delete(leaving));
  }

  /** The target has this address now, perhaps again. */
  async returned(
    { source, target }: Pick<LeftTarget, 'source' | 'target'>,
    urlNow: string | undefined,
  ): Promise<void> {
    await this.#end((left) => left.source === source && left.target === target && left.targetUrl === urlNow);
  }

  async stop(): Promise<void> {
    await this.#end(() => true);
  }

  async #end(isMeant: (left: LeftTarget) => boolean): Promise<void> {
    const meant = [...this.#leaving].filter(isMeant);
    for (const { stopping } of meant) stopping.abort();
    await Promise.all(meant.map(({ done }) => done));
  }

  async #clearAway(left: LeftTarget, signal: AbortSignal): Promise<void> {
    const { clock, limits, random, connect } = this.#options;
    // The new address may lead nowhere, until somebody sees that.
    const log = logOfFeed(this.#options.log, left);
    const watch = new SlotWatch({ clock, limits, log }, connect(left.targetUrl, left.slot));
    const unread = new Unread(this.#options);
    const backoff = new Backoff(limits.retryMs.first, limits.goneRetryMs, random);
    const patience = { untilMs: clock.monotonicMs() + limits.giveUpAfterMs };
    const connector = connect(left.targetUrl, left.slot);
    try {
      await withConnector(connector, signal, async () => {
        await clock.delay(limits.removalDelayMs, signal);
        while (!signal.aborted && !(await this.#triedClearing(left, { connector, unread, patience, signal })))
          await clock.delay(backoff.nextMs(), signal);
      });
    } finally {
      await watch.stop();
    }
  }

  /** True when nothing is left to do. Only a target that does not answer for long is given up, not one that is waited for. */
  async #triedClearing(left: LeftTarget, { connector, unread, patience, signal }: Visit): Promise<boolean> {
    const { clock, limits, log } = this.#options;
    const { source, target, slot } = left;
    const now = clock.monotonicMs();
    try {
      const isOther = await isLeft(left, connector, signal);
      const health = await connector.slotHealth();
      patience.untilMs = now + limits.giveUpAfterMs;
      if (!isOther && isRead(health)) {
        log.debug({ source, target, slot }, 'a target is where it was, at another address');
        return true;
      }
      if (!isOther || !unread.isLong(health)) return false;
      await connector.drop();
      log.info({ source, target, slot }, 'slot and publication were dropped where a target was before');
      return true;
    } catch (error) {
      const isOfTarget = error instanceof ConnectorError;
      if (isOfTarget && isDatabaseGone(error)) return true;
      const isTooLate = isOfTarget && now >= patience.untilMs;
      const text = 'gave up on where a target was before: drop slot and publication there by hand';
      if (isTooLate) log.warn({ source, target, slot, error: say(error) }, text);
      else log.debug({ source, target, slot, error: say(error) }, 'a target is not left yet');
      return isTooLate;
    }
  }
}

/** Whether the feed's copies are of another database than the one that is to be left, or there is no such feed any more. */
async function isLeft(
  { sourceUrl, target }: LeftTarget,
  connector: Connector,
  signal: AbortSignal,
): Promise<boolean> {
  const feed = (await askSource(sourceUrl, readCacheStatus, signal)).feeds.get(target);
  return feed === undefined || isOtherDatabase(feed.identity, await connector.identify());
}
