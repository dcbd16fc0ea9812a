import { systemClock } from '../../src/core/clock.ts';
import { ConnectorError } from '../connector.ts';
import type { AdminPool } from './client.ts';
import type { Target } from './settings.ts';

/** What is watched, and who is told that it is dead. */
export interface Watched {
  /** Whether the other end is at work on something, though it says nothing. */
  readonly isWorking: () => Promise<boolean>;
  readonly dead: (error: ConnectorError) => void;
}

/**
 * Tells a stream that is dead from one whose target has much to do before it can say anything, such as the text of a row of
 * hundreds of megabytes. Ticks are counted, not clock time: a busy event loop must not look like a silent target.
 */
export class Silence {
  readonly #target: Target;
  readonly #watched: Watched;
  #ticks = 0;
  #isAsking = false;
  #hasEnded = false;

  constructor(target: Target, watched: Watched) {
    this.#target = target;
    this.#watched = watched;
  }

  /** Something came, or nothing was to be expected. */
  broken(): void {
    this.#ticks = 0;
  }

  /** Nobody wants to know any more. */
  end(): void {
    this.#hasEnded = true;
  }

  /** Another tick without a word; whether it is time to ask for one. */
  tick(): boolean {
    this.#ticks += 1;
    if (this.#isTooLong && !this.#isAsking) void this.#ask();
    return this.#ticks > 1;
  }

  get #isTooLong(): boolean {
    const { silenceMs, tickMs } = this.#target.timings;
    return this.#ticks * tickMs >= silenceMs;
  }

  async #ask(): Promise<void> {
    this.#isAsking = true;
    const isWorking = await this.#watched.isWorking().catch(() => false); // who cannot be asked is dead
    this.#isAsking = false;
    if (!this.#isTooLong || this.#hasEnded) return;
    const seconds = Math.round(this.#target.timings.silenceMs / 1000);
    if (!isWorking) {
      this.#watched.dead(new ConnectorError('retry', `the target has been silent for ${seconds} seconds`));
      return;
    }
    this.#target.log.info(
      { slot: this.#target.name, seconds },
      'the target is at work and sends nothing yet',
    );
    this.#ticks = 0;
  }
}

/** Whether the server process that reads our slot does something else than waiting, for us or for more to read. */
export async function isWalsenderWorking(target: Target, admin: AdminPool): Promise<boolean> {
  const asked = admin.rows(
    `select from pg_replication_slots s join pg_stat_activity a on a.pid = s.active_pid
     where s.slot_name = $1 and coalesce(a.wait_event_type, '') not in ('Activity', 'Client')`,
    [target.name],
  );
  const patience = new AbortController();
  const tooLate = systemClock.delay(target.timings.silenceMs / 2, patience.signal).then(() => []);
  const rows = await Promise.race([asked, tooLate]).finally(() => patience.abort());
  return rows.length > 0;
}
