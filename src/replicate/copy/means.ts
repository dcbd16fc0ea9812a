import type { Connector } from '../../../connectors/connector.ts';
import type { Clock } from '../../core/waiting/clock.ts';
import type { FeedLimits } from '../feed-options.ts';
import { CopySessions } from './sessions.ts';
import { Snapshots } from './snapshots.ts';

/** What is needed to make sessions and snapshots for copies. */
export interface CopyMeansOptions {
  readonly connector: Connector;
  readonly clock: Clock;
  readonly sourceUrl: string;
  readonly leader: string;
  /** Ends the run. */
  readonly signal: AbortSignal;
  readonly limits: Pick<FeedLimits, 'parallelCopies' | 'copy'>;
}

/** Sessions and snapshots that copies of one run share. */
export class CopyMeans {
  readonly sessions: CopySessions;
  readonly snapshots: Snapshots;
  readonly #parallel: number;

  constructor({ connector, clock, sourceUrl, leader, signal, limits }: CopyMeansOptions) {
    this.sessions = new CopySessions({ sourceUrl, leader, signal });
    this.snapshots = new Snapshots(connector, clock, limits.copy.snapshotMs);
    this.#parallel = limits.parallelCopies;
  }

  /**
   * Begins to open sessions and take a snapshot for so many copies, while other things are done before those begin. The tables
   * must be published by now: an earlier snapshot would lack changes that the stream does not bring either.
   */
  prepare(copies: number, run: AbortSignal): void {
    if (copies === 0) return;
    this.sessions.prepare(Math.min(copies, this.#parallel));
    this.snapshots.prepare(Math.min(copies, this.#parallel), run);
  }

  /** Closes what nobody uses. */
  async close(): Promise<void> {
    this.snapshots.close();
    await this.sessions.close();
  }
}
