import type { ChangeStream } from '../../../connectors/connector.ts';
import { CLOCK_SQL } from '../../cache/feed/row.ts';
import { type Queryable, rowOf } from '../../cache/queryable.ts';
import { type Lsn, parseLsn } from '../../core/position/lsn.ts';

/**
 * Finds out which stored position would survive a crash of the source. Commits do not wait for the disk; a position
 * is told to the target only when the source's log is durable past the commit that stored it.
 */
export class DurablePosition {
  #waiting: { readonly position: Lsn; readonly written: Lsn } | null = null;
  #durable: Lsn | null = null;

  /** Tells the target, through the stream, the newest position known to be durable. `stored` is the newest one whose commit was answered. */
  async tell(client: Queryable, stored: Lsn, stream: Pick<ChangeStream, 'acknowledge'>): Promise<void> {
    // Nothing is asked when that one is known to be durable.
    if (stored !== this.#durable) await this.#look(client, stored);
    if (this.#durable !== null) stream.acknowledge(this.#durable);
  }

  async #look(client: Queryable, stored: Lsn): Promise<void> {
    const clock = await rowOf<{ written: string; durable: string }>(client, CLOCK_SQL);
    const durable = parseLsn(clock.durable);
    if (this.#waiting !== null && durable >= this.#waiting.written) {
      this.#durable = this.#waiting.position;
      this.#waiting = null;
    }
    if (stored !== this.#durable) this.#waiting ??= { position: stored, written: parseLsn(clock.written) };
  }
}
