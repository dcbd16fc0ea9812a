import type { AppliedCommits } from '../cache/feed/applied-commits.ts';
import type { SourceName } from '../core/names.ts';
import type { Clock } from '../core/waiting/clock.ts';
import { Stop } from '../core/waiting/stop-signal.ts';

/** What watching for news needs. */
export interface FeedNewsParts {
  readonly applied: (source: SourceName) => Promise<AppliedCommits>;
  readonly clock: Clock;
  readonly everyMs: number;
  /** After a source that did not answer. */
  readonly retryMs: number;
  readonly onNews: (source: SourceName, target: SourceName) => void;
}

const NOTHING_KNOWN: AppliedCommits = new Map();

/**
 * Tells when a source's cache has taken in more commits of a target. However many live queries there are, each source is asked
 * one small question, many times a second and only while somebody watches. The alternative, listening, would cost a
 * notification with every applied batch.
 */
export class FeedNews {
  readonly #parts: FeedNewsParts;
  readonly #watches = new Map<SourceName, { watchers: number; readonly stop: Stop }>();

  constructor(parts: FeedNewsParts) {
    this.#parts = parts;
  }

  /** Watches a source for one more watcher. */
  watch(source: SourceName): void {
    const known = this.#watches.get(source);
    if (known !== undefined) {
      known.watchers += 1;
      return;
    }
    const stop = new Stop();
    this.#watches.set(source, { watchers: 1, stop });
    void this.#follow(source, stop);
  }

  /** One watcher less. */
  unwatch(source: SourceName): void {
    const known = this.#watches.get(source);
    if (known === undefined) return;
    known.watchers -= 1;
    if (known.watchers > 0) return;
    known.stop.abort(null);
    this.#watches.delete(source);
  }

  async #follow(source: SourceName, stop: Stop): Promise<void> {
    const { applied, clock, everyMs, retryMs } = this.#parts;
    // The first answer is news: a reading may have begun before it, or found no database.
    let known = NOTHING_KNOWN;
    while (!stop.aborted) {
      const now: AppliedCommits | null = await applied(source).catch(() => null);
      if (stop.aborted) return;
      if (now !== null) this.#tell(source, known, now);
      known = now ?? NOTHING_KNOWN;
      // A source that is down, or has no cache yet: its readings say so themselves.
      await clock.delay(now === null ? retryMs : everyMs, stop);
    }
  }

  #tell(source: SourceName, before: AppliedCommits, now: AppliedCommits): void {
    for (const [target, commit] of now) {
      if (before.get(target) !== commit) this.#parts.onNews(source, target);
    }
  }
}
