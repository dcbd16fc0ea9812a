import { WISH_SQL, wishText } from '../cache/feed/probe-wish.ts';
import type { SourceName } from '../core/names.ts';
import { LAST_LSN } from '../core/position/lsn.ts';
import { stalenessMs } from '../core/position/watermark.ts';
import { systemClock } from '../core/waiting/clock.ts';
import type { Databases } from './databases.ts';
import type { Policy } from './freshness.ts';
import type { ProbeBoard } from './probe-board.ts';
import type { StatusBoard } from './status-board.ts';

/**
 * Bounds up to these are hardly met by the usual probes, by how the feed's changes are read. Through Kafka a probe costs a
 * transaction on the target, and the usual interval is a minute.
 */
const SMALL_BOUND_MS = { postgres: 250, kafka: 60_000 };
/** Bounds up to this are met by the usual probes, but hardly where only those are seen that are stored without a wish. */
const UNSTORED_BOUND_MS = 500;
const WISH_AGAIN_MS = 1_000;
/** A feed that is led in this process always has a probe younger than this. */
const HEARD_MS = 2_000;

interface WishParts {
  readonly databases: Databases;
  readonly board: StatusBoard;
  readonly probes: ProbeBoard;
}

/** Asks feeds' leaders for probes at short intervals, or for all of them in writing, while queries need that: once a second for each feed. */
export class ProbeWishes {
  readonly #parts: WishParts;
  readonly #wishedMs = new Map<string, number>();

  constructor(parts: WishParts) {
    this.#parts = parts;
  }

  /** Wishes what it takes for the cache to meet the policy's bound, where it can. */
  consider(source: SourceName, target: SourceName, policy: Policy): void {
    const { boundMs, fallback, noCache, cacheOff } = policy;
    if (noCache || cacheOff || (boundMs <= 0 && fallback !== 'wait')) return;
    if (boundMs <= this.#smallBoundMs(source, target)) this.wish(source, target);
    else if (boundMs <= UNSTORED_BOUND_MS && !this.#hearsOf(source, target))
      this.#tell(source, target, false);
  }

  /** Wishes probes at short intervals. Neither waits nor fails: at worst the answer comes live, or later. */
  wish(source: SourceName, target: SourceName): void {
    this.#tell(source, target, true);
  }

  #tell(source: SourceName, target: SourceName, hurried: boolean): void {
    const key = JSON.stringify([source, target, hurried]);
    const now = systemClock.monotonicMs();
    if (now - (this.#wishedMs.get(key) ?? Number.NEGATIVE_INFINITY) < WISH_AGAIN_MS) return;
    this.#wishedMs.set(key, now);
    const text = wishText({ target, stored: !this.#hearsOf(source, target), hurried });
    this.#parts.databases
      .source(source)
      .run(WISH_SQL, [text], { signal: null, prepared: true })
      .catch(() => this.#wishedMs.delete(key));
  }

  #smallBoundMs(source: SourceName, target: SourceName): number {
    const feed = this.#parts.board.peek(source)?.status.feeds.get(target);
    return SMALL_BOUND_MS[feed?.connector ?? 'postgres'];
  }

  /** Whether the feed is led in this process, so that its probes arrive in memory. */
  #hearsOf(source: SourceName, target: SourceName): boolean {
    const proved = this.#parts.probes.latest(source, target, LAST_LSN);
    const known = this.#parts.board.peek(source);
    return proved !== null && known !== null && stalenessMs(known.now, proved) < HEARD_MS;
  }
}
