import type { Connector, Snapshot } from '../../../connectors/connector.ts';
import type { Lsn } from '../../core/position/lsn.ts';
import type { Clock } from '../../core/waiting/clock.ts';
import { orStopped } from '../../core/waiting/or-stopped.ts';

/** A snapshot, as one of its readers holds it. */
export interface HeldSnapshot {
  readonly snapshot: Snapshot;
  /** It has been open long enough: take another for the next read. */
  readonly isOld: boolean;
  /** Closes it when nobody else reads from it. */
  release(): Promise<void>;
}

interface Shared {
  readonly opening: Promise<Snapshot>;
  openedMs: number;
  users: number;
  /** A snapshot that was prepared counts as held; this gives it up when nobody has come for it. */
  unclaimed: AbortController | null;
}

/**
 * Snapshots of one target. Those who begin to read at nearly the same time share one, and none is used for longer than
 * it must: while it is open the target cannot clean up what it still shows.
 */
export class Snapshots {
  readonly #connector: Connector;
  readonly #clock: Clock;
  readonly #oldAfterMs: number;
  #current: Shared | null = null;

  constructor(connector: Connector, clock: Clock, oldAfterMs: number) {
    this.#connector = connector;
    this.#clock = clock;
    this.#oldAfterMs = oldAfterMs;
  }

  /** Begins to take one ahead, for so many who will read from it; without one it stays open until `close`. */
  prepare(readers: number, run: AbortSignal): void {
    if (this.#current !== null) return;
    const unclaimed = new AbortController();
    const shared = this.#open(AbortSignal.any([run, unclaimed.signal]), readers);
    shared.users = 1;
    shared.unclaimed = unclaimed;
  }

  /** Closes one that was prepared and that nobody came for. */
  close(): void {
    const shared = this.#current;
    if (shared === null || shared.unclaimed === null) return;
    shared.unclaimed.abort();
    shared.unclaimed = null;
    void this.#leave(shared);
  }

  /** One that shows everything up to the position. `run` ends it for all who share it, `stop` only this wait for it. */
  async hold(since: Lsn, run: AbortSignal, stop: AbortSignal): Promise<HeldSnapshot> {
    for (;;) {
      const found = this.#current;
      const shared = found ?? this.#open(run);
      if (shared.unclaimed === null) shared.users += 1;
      shared.unclaimed = null;
      const snapshot = await this.#opened(shared, stop);
      if (snapshot.at >= since && (found === null || !this.#isOld(shared)))
        return this.#held(shared, snapshot);
      if (this.#current === shared) this.#current = null;
      await this.#leave(shared);
    }
  }

  #open(run: AbortSignal, readers = 1): Shared {
    const shared: Shared = {
      opening: this.#connector.snapshot(run, readers),
      openedMs: Number.POSITIVE_INFINITY,
      users: 0,
      unclaimed: null,
    };
    this.#current = shared;
    const failed = (): void => {
      if (this.#current === shared) this.#current = null;
    };
    shared.opening.then(() => {
      shared.openedMs = this.#clock.monotonicMs();
    }, failed);
    return shared;
  }

  async #opened(shared: Shared, stop: AbortSignal): Promise<Snapshot> {
    try {
      return await orStopped(shared.opening, stop);
    } catch (error) {
      // The closing is not waited for: while the snapshot is still being taken that may last long.
      void this.#leave(shared);
      throw error;
    }
  }

  #held(shared: Shared, snapshot: Snapshot): HeldSnapshot {
    const isOld = (): boolean => this.#isOld(shared);
    return {
      snapshot,
      get isOld() {
        return isOld();
      },
      release: () => this.#leave(shared),
    };
  }

  #isOld({ openedMs }: Shared): boolean {
    return this.#clock.monotonicMs() - openedMs >= this.#oldAfterMs;
  }

  async #leave(shared: Shared): Promise<void> {
    shared.users -= 1;
    const snapshot = await shared.opening.catch(() => null); // whoever waited for it has the error
    if (shared.users > 0) return;
    if (this.#current === shared) this.#current = null;
    await snapshot?.close();
  }
}
