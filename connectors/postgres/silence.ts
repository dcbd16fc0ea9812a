import { ConnectorError } from '../connector.ts';
import type { AdminPool } from './client.ts';
import type { Timings } from './settings.ts';

/** What is watched, and who is told. */
export interface Watched {
  /** Whether the other end is at work on something, though it says nothing. */
  readonly isWorking: () => Promise<boolean>;
  /** It is waited for on. */
  readonly working?: () => void;
  readonly dead: () => void;
}

/**
 * Tells what is dead from what has much to do before it can say anything, such as the text of a row of hundreds of
 * megabytes. Ticks are counted, not clock time: a busy event loop must not look like a silent target.
 */
export class Silence {
  readonly #timings: Timings;
  readonly #watched: Watched;
  #ticks = 0;
  /** Ticks since it was asked whether the other end is at work; null while that is not being asked. */
  #unanswered: number | null = null;
  #hasEnded = false;

  constructor(timings: Timings, watched: Watched) {
    this.#timings = timings;
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
    if (this.#unanswered !== null) this.#waitOn(this.#unanswered + 1);
    else if (this.#isTooLong) void this.#ask();
    return this.#ticks > 1;
  }

  get #isTooLong(): boolean {
    return this.#ticks * this.#timings.tickMs >= this.#timings.silenceMs;
  }

  async #ask(): Promise<void> {
    this.#unanswered = 0;
    const isWorking = await this.#watched.isWorking().catch(() => false); // who cannot be asked is dead
    this.#unanswered = null;
    if (!this.#isTooLong) return;
    if (!isWorking) return this.#die();
    if (this.#hasEnded) return;
    this.#watched.working?.();
    this.#ticks = 0;
  }

  /** Who cannot be asked in half the time is dead too. */
  #waitOn(ticks: number): void {
    this.#unanswered = this.#isTooLong ? ticks : 0;
    if (this.#unanswered * this.#timings.tickMs >= this.#timings.silenceMs / 2) this.#die();
  }

  #die(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#watched.dead();
  }
}

/** Watches the stream of our slot. */
export function silenceOfStream(admin: AdminPool, failed: (error: ConnectorError) => void): Silence {
  const { target } = admin;
  const seconds = Math.round(target.timings.silenceMs / 1000);
  const fields = { slot: target.name, seconds };
  return new Silence(target.timings, {
    isWorking: () => isWalsenderWorking(admin),
    working: () => target.log.info(fields, 'the target is at work and sends nothing yet'),
    dead: () => failed(new ConnectorError('retry', `the target has been silent for ${seconds} seconds`)),
  });
}

/** Whether the server process that reads our slot does something else than waiting, for us or for more to read. */
async function isWalsenderWorking(admin: AdminPool): Promise<boolean> {
  const working = await admin.rows(
    `select from pg_replication_slots s join pg_stat_activity a on a.pid = s.active_pid
     where s.slot_name = $1 and coalesce(a.wait_event_type, '') not in ('Activity', 'Client')`,
    [admin.target.name],
  );
  return working.length > 0;
}
