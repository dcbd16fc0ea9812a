import type { Mark } from '../../cache/feed/row.ts';
import { type Lsn, maxLsn } from '../../core/position/lsn.ts';
import type { Probe, SourceTime } from '../../core/position/watermark.ts';
import type { Commit } from '../../core/rows/change.ts';
import type { StopSignal } from '../../core/waiting/stop-signal.ts';

interface Waiter {
  readonly position: Lsn;
  readonly resolve: () => void;
}

/** A feed's position when a run starts. */
export interface StartingPoint {
  readonly after: Lsn;
  readonly freshAsOf: SourceTime | null;
  /** The last commit that the stream had told of by then. */
  readonly lastCommit: Commit | null;
}

/** How far one run of a feed is: applied, stored, and proved fresh. */
export class Progress {
  #applied: Lsn;
  #stored: Lsn;
  #freshAsOf: SourceTime | null;
  #asked: Probe | null = null;
  #lastCommit: Commit | null;
  readonly #waiters = new Set<Waiter>();

  constructor({ after: position, freshAsOf, lastCommit }: StartingPoint) {
    this.#lastCommit = lastCommit;
    this.#applied = position;
    this.#stored = position;
    this.#freshAsOf = freshAsOf;
  }

  /** Everything the target committed up to here is in the cache: nothing after `stored` concerned it. */
  get applied(): Lsn {
    return this.#applied;
  }

  /** The position of the newest watermark row. */
  get stored(): Lsn {
    return this.#stored;
  }

  /** The stream has told of a commit; called before its position is applied. */
  sawCommit(commit: Commit): void {
    this.#lastCommit = commit;
  }

  /** What a watermark at the position says: everything up to it, and nothing after it, is applied. */
  markAt(position: Lsn): Mark & { readonly position: Lsn } {
    const asked = this.#asked !== null && position >= this.#asked.position ? this.#asked : null;
    return { position, freshAsOf: asked?.freshAsOf ?? this.#freshAsOf, lastCommit: this.#lastCommit };
  }

  /** A probe is on its way: it is finished when its position is applied. */
  ask(probe: Probe): void {
    this.#asked = probe;
  }

  /** The probe's position is applied. */
  finish(probe: Probe): void {
    this.#freshAsOf = probe.freshAsOf;
    this.#asked = null;
  }

  advance(position: Lsn): void {
    this.#applied = maxLsn(this.#applied, position);
    for (const waiter of this.#waiters) if (waiter.position <= this.#applied) waiter.resolve();
  }

  markStored(position: Lsn): void {
    this.#stored = maxLsn(this.#stored, position);
    this.advance(position);
  }

  /** Resolves when the position is applied, or when the signal aborts. */
  reached(position: Lsn, signal: StopSignal): Promise<void> {
    if (position <= this.#applied || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiters.delete(waiter);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const waiter: Waiter = { position, resolve: done };
      this.#waiters.add(waiter);
      signal.addEventListener('abort', done);
    });
  }
}
