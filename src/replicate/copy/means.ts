import type { Connector } from '../../../connectors/connector.ts';
import type { Clock } from '../../core/waiting/clock.ts';
import type { FeedLimits } from '../feed-options.ts';
import { CopySessions } from './sessions.ts';
import { Snapshots } from './snapshots.ts';

/** What the copies of one run are made with. */
export interface CopyMeansOptions {
  readonly connector: Connector;
  readonly clock: Clock;
  readonly sourceUrl: string;
  readonly leader: string;
  readonly limits: Pick<FeedLimits, 'parallelCopies' | 'copy'>;
}

/** Sessions and snapshots that copies of one run share. */
export class CopyMeans {
  readonly sessions: CopySessions;
  readonly snapshots: Snapshots;
  readonly #parallel: number;

  constructor({ connector, clock, sourceUrl, leader, limits }: CopyMeansOptions) {
    this.sessions = new CopySessions({ sourceUrl, leader });
    this.snapshots = new Snapshots(connector, clock, limits.copy.snapshotMs);
    this.#parallel = limits.parallelCopies;
  }

  /**
   * Begins to make them for so many copies, beside whatever else is to be done before those begin. What the copies are
   * of must be published: a snapshot from before would lack what the stream does not bring.
   */
  prepare(copies: number, run: AbortSignal): void {
    if (copies === 0) return;
    this.sessions.prepare(Math.min(copies, this.#parallel));
    this.snapshots.prepare(run);
  }

  /** Ends what nobody uses. */
  async close(): Promise<void> {
    this.snapshots.close();
    await this.sessions.close();
  }
}
