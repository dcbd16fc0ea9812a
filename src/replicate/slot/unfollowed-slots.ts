import type { Connector } from '../../../connectors/connector.ts';
import { logOfFeed } from '../../core/log.ts';
import type { SourceName } from '../../core/names.ts';
import { orStopped } from '../../core/waiting/or-stopped.ts';
import { Backoff } from '../backoff.ts';
import { say } from '../say.ts';
import { FeedRemoval } from './feed-removal.ts';
import type { NotedSlot, SlotBook } from './slot-book.ts';
import { SlotWatch, type SlotWatchOptions } from './slot-watch.ts';
import { withConnector } from './with-connector.ts';

/** What looking after slots without a feed needs. */
export interface UnfollowedOptions extends Pick<SlotWatchOptions, 'clock' | 'limits' | 'log'> {
  readonly book: SlotBook;
  readonly connect: (url: string, name: string) => Connector;
  readonly random: () => number;
  /** A feed that runs here follows the slot, or may turn out to. */
  readonly isFollowed: (slot: NotedSlot) => boolean;
}

/** Where databases are, as far as the metadata has them. */
export interface Whereabouts {
  readonly isListed: (name: SourceName) => boolean;
  readonly urls: ReadonlyMap<SourceName, string>;
}

interface Care {
  readonly kind: 'watch' | 'removal';
  readonly stop: () => Promise<void>;
}

/**
 * Slots that are noted and that no feed here follows. Where the source has left the metadata while nobody was there to
 * see it, what knows of the slot cannot be reached any more: it is removed by the note alone, after the usual while and
 * only when nobody reads from it. Where the source is just out of reach, it must not hold back too much meanwhile.
 */
export class UnfollowedSlots {
  readonly #options: UnfollowedOptions;
  readonly #cares = new Map<string, Care>();
  readonly #told = new Set<string>();

  constructor(options: UnfollowedOptions) {
    this.#options = options;
  }

  /** Looks at every note again: begins what is due, ends what is not any more. */
  async consider(noted: readonly NotedSlot[], where: Whereabouts): Promise<void> {
    const wanted = new Map(noted.map((each) => [each.slot, this.#careFor(each, where)]));
    for (const [slot, care] of this.#cares) {
      if (care.kind === wanted.get(slot)) continue;
      this.#cares.delete(slot);
      await care.stop();
    }
    for (const each of noted) {
      const kind = wanted.get(each.slot) ?? null;
      const targetUrl = where.urls.get(each.target);
      if (kind === null || targetUrl === undefined || this.#cares.has(each.slot)) continue;
      this.#cares.set(
        each.slot,
        kind === 'watch' ? this.#watch(each, targetUrl) : this.#remove(each, targetUrl),
      );
    }
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#cares.values()].map((care) => care.stop()));
  }

  #careFor(noted: NotedSlot, { isListed, urls }: Whereabouts): Care['kind'] | null {
    if (this.#options.isFollowed(noted)) return null;
    if (!isListed(noted.source) && !isListed(noted.target)) this.#tellOfLoss(noted);
    if (!urls.has(noted.target)) return null;
    return isListed(noted.source) ? 'watch' : 'removal';
  }

  #tellOfLoss({ slot, source, target }: NotedSlot): void {
    if (this.#told.has(slot)) return;
    this.#told.add(slot);
    const text = 'source and target of a slot left the metadata: drop slot and publication by hand';
    this.#options.log.warn({ source, target, slot }, text);
  }

  #watch(noted: NotedSlot, targetUrl: string): Care {
    const { clock, limits, log, connect } = this.#options;
    const watch = new SlotWatch(
      { clock, limits, log: logOfFeed(log, noted) },
      connect(targetUrl, noted.slot),
    );
    return { kind: 'watch', stop: () => watch.stop() };
  }

  #remove(noted: NotedSlot, targetUrl: string): Care {
    const stopping = new AbortController();
    const done = this.#removed(noted, targetUrl, stopping.signal);
    return {
      kind: 'removal',
      stop: () => {
        stopping.abort();
        return done;
      },
    };
  }

  async #removed(noted: NotedSlot, targetUrl: string, signal: AbortSignal): Promise<void> {
    const { clock, limits, connect, random } = this.#options;
    const { slot } = noted;
    const log = logOfFeed(this.#options.log, noted);
    log.info({ slot, ms: limits.removalDelayMs }, 'the source of a slot is gone: it goes soon');
    await clock.delay(limits.removalDelayMs, signal);
    const removal = new FeedRemoval({ clock, limits, log, sourceUrl: null, targetUrl });
    const backoff = new Backoff(limits.retryMs.first, limits.goneRetryMs, random);
    await withConnector(connect(targetUrl, slot), signal, async (connector) => {
      while (!signal.aborted && !(await this.#triedRemoving(noted, { connector, removal, signal })))
        await clock.delay(backoff.nextMs(), signal);
    });
  }

  /** True when it is done; whatever fails is tried again until the removal gives up. */
  async #triedRemoving(
    noted: NotedSlot,
    {
      connector,
      removal,
      signal,
    }: { readonly connector: Connector; readonly removal: FeedRemoval; readonly signal: AbortSignal },
  ): Promise<boolean> {
    const { book, log, isFollowed } = this.#options;
    try {
      // Whoever reads from it knows better: another process, or another installation.
      if (isFollowed(noted) || !(await removal.freeUnread(connector))) {
        log.debug({ ...noted }, 'somebody follows the slot of a source that is gone');
        return false;
      }
      await orStopped(book.forget(noted), signal);
      log.info({ ...noted }, 'the slot of a source that is gone was dropped');
      return true;
    } catch (error) {
      log.debug({ ...noted, error: say(error) }, 'the slot of a source that is gone is still there');
      return false;
    }
  }
}
