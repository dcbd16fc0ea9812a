import type { KafkaFeed } from '../catalog/part/kafka-feed.ts';
import type { SourceName } from '../core/names.ts';
import type { FeedRunner } from './lead/feed-runner.ts';
import type { LeftTargets } from './slot/left-targets.ts';
import type { SlotNotes } from './slot/slot-book.ts';
import { NOTHING, type Wanted } from './table/wanted.ts';

/** The names of a feed's databases. */
export interface Pair {
  readonly source: SourceName;
  readonly target: SourceName;
}

/** And where they are. */
export interface Addressed extends Pair {
  readonly sourceUrl: string;
  readonly targetUrl: string | null;
  readonly kafka: KafkaFeed | null;
}

/** A feed that is run here. */
export interface Running extends Addressed {
  readonly runner: FeedRunner;
}

interface MovedFeedsOptions {
  /** Every address that is known, of databases that left the metadata too. */
  readonly urls: ReadonlyMap<SourceName, string>;
  readonly left: LeftTargets;
  readonly notes: SlotNotes;
  readonly makeRunner: (addressed: Addressed, wanted: Wanted) => FeedRunner;
  /** The feed that goes by the same names now. */
  readonly successorOf: (pair: Pair) => Running | undefined;
  /** Whether the database that a source's name stands for now was searched for feeds. */
  readonly isSearched: (source: SourceName) => boolean;
  readonly signal: AbortSignal;
}

/**
 * Feeds one of whose databases has another address now. What they left at the old address is removed once it is known that the
 * new one leads to another database.
 */
export class MovedFeeds {
  readonly #options: MovedFeedsOptions;
  /** Feeds whose source has another address now: they may be the same databases under it. */
  readonly #retired = new Set<Running>();
  /** Feeds in databases that the source's name no longer leads to. They run only to be removed. */
  readonly #leaving = new Set<Running>();

  constructor(options: MovedFeedsOptions) {
    this.#options = options;
  }

  /** Those that are being removed. */
  get leaving(): ReadonlySet<Running> {
    return this.#leaving;
  }

  /** Takes over a feed that was stopped because one of its databases has moved. */
  retire(old: Running): void {
    const { urls, left, notes } = this.#options;
    const { source, target, sourceUrl } = old;
    const slot = old.runner.slot ?? notes.slotOf(old);
    if (urls.get(source) === sourceUrl) left.leave({ ...old, slot }, urls.get(target));
    else if (old.runner.slot !== null) this.#retired.add(old);
  }

  /**
   * Called when it may be known what a new address leads to. If that is another database, the feed is removed from the old one.
   */
  dismissRetired(): void {
    const { successorOf, isSearched, signal } = this.#options;
    if (signal.aborted) return;
    for (const old of this.#retired) {
      const successor = successorOf(old);
      if (successor === undefined ? !isSearched(old.source) : successor.runner.slot === null) continue;
      this.#retired.delete(old);
      if (successor?.runner.slot !== old.runner.slot) this.#leave(old);
    }
  }

  /** The name stands for a database again that was being left. */
  async stopLeaving({ source, target }: Pair): Promise<void> {
    const { urls, left } = this.#options;
    await left.returned({ source, target }, urls.get(target));
    for (const leaving of this.#leaving) {
      const isSame = leaving.source === source && leaving.target === target;
      if (!isSame || leaving.sourceUrl !== urls.get(source)) continue;
      await leaving.runner.stop();
      this.#leaving.delete(leaving);
    }
  }

  #leave(old: Addressed): void {
    const { makeRunner, notes } = this.#options;
    const runner = makeRunner(old, NOTHING);
    runner.abandon();
    const leaving = { ...old, runner };
    this.#leaving.add(leaving);
    void runner
      .start()
      .then(() => notes.forgetDropped(leaving))
      .then(() => this.#leaving.delete(leaving));
  }
}
