import { formatLsn, type Lsn } from '../../../src/core/position/lsn.ts';
import type { Commit, FeedItem } from '../../../src/core/rows/change.ts';
import { settleable } from '../../../src/core/waiting/settleable.ts';
import { ConnectorError } from '../../connector.ts';

/** What the reader of a stream has already. */
export interface Applied {
  /** Everything the target committed up to here. */
  readonly upTo: Lsn;
  /** The last commit the stream has told of by then; null when it has told of none since the slot was made. */
  readonly last: Commit | null;
}

/**
 * Finds out whether a stream continues the history that the reader has. A target that was put back to an earlier
 * state of its disks has the same system identifier and timeline as before, and may have written past the reader's
 * position again. So the stream begins where the slot was confirmed, and what comes between there and the reader's
 * position must be what came before: its last commit is the reader's last, or there is none.
 *
 * That is proof enough. Where the slot was confirmed the histories are still one: the slot is part of what was put
 * back, and is never confirmed past what is on disk. A commit of another history does not end at the same byte in the
 * same microsecond; with it, all before it is the same. After it neither history has told of anything.
 */
export class HistoryProof {
  readonly #applied: Applied;
  readonly #expected: Commit | null;
  #found: Commit | null = null;
  #isThrough = false;
  readonly #confirmed: Lsn;
  readonly #headless = new Set<number>();
  readonly #outcome = settleable<void>();

  /** `confirmed` is where the stream begins. */
  constructor(applied: Applied, confirmed: Lsn) {
    this.#outcome.promise.catch(() => undefined); // a stream may fail before anybody waits
    this.#applied = applied;
    this.#confirmed = confirmed;
    this.#expected = applied.last !== null && applied.last.end > confirmed ? applied.last : null;
  }

  /** The history is the reader's. */
  get isThrough(): boolean {
    return this.#isThrough;
  }

  /** Resolves when it is known that the history is the reader's. */
  get through(): Promise<void> {
    return this.#outcome.promise;
  }

  /** The stream ends: who waits for the proof waits no longer. */
  end(error: ConnectorError): void {
    this.#outcome.reject(error);
  }

  /** Transactions that were in progress when the history was proved, and whose first parts were passed over. */
  get headless(): ReadonlySet<number> {
    return this.#headless;
  }

  /** Whether the reader lacks the item; throws a ConnectorError when the history is another. */
  isNew(item: FeedItem): boolean {
    if (this.#isThrough) return true;
    if (this.#isPast(item)) this.#decide();
    else if (item.kind === 'commit' || item.kind === 'early-commit') this.#passCommit(item);
    if (!this.#isThrough) this.#passEarly(item);
    return this.#isThrough;
  }

  /** Whether the item shows that the stream has reached the reader's position. */
  #isPast(item: FeedItem): boolean {
    const { upTo } = this.#applied;
    switch (item.kind) {
      case 'begin':
      case 'early-commit':
        return item.commit >= upTo;
      case 'progress':
        return item.position >= upTo;
      default:
        return item.kind === 'early-part' && this.#confirmed >= upTo;
    }
  }

  #passCommit({ end, time }: Commit): void {
    const { upTo } = this.#applied;
    if (end > upTo) throw forked(upTo);
    this.#found = { end, time };
  }

  #passEarly(item: FeedItem): void {
    if (item.kind === 'early-part') this.#headless.add(item.xid);
    const isOver = item.kind === 'early-commit' || (item.kind === 'early-abort' && item.xid === item.subxid);
    if (isOver) this.#headless.delete(item.xid);
  }

  #decide(): void {
    const [found, expected] = [this.#found, this.#expected];
    if (found?.end !== expected?.end || found?.time !== expected?.time) throw forked(this.#applied.upTo);
    this.#isThrough = true;
    this.#outcome.resolve();
  }
}

function forked(upTo: Lsn): ConnectorError {
  const what = `the target was put back to an earlier state and has gone on from there`;
  return new ConnectorError('slot-lost', `${what}: its history up to ${formatLsn(upTo)} is another now`);
}
