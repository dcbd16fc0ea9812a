import type { SlotHealth } from '../../../connectors/connector.ts';
import type { Lsn } from '../../core/position/lsn.ts';
import type { Clock } from '../../core/waiting/clock.ts';

/** Whether somebody reads from a slot, or is making it. */
export function isRead(health: SlotHealth): boolean {
  return health.kind === 'unfinished' || (health.kind === 'usable' && health.activePid !== null);
}

/**
 * Looks at a slot on behalf of somebody who does not lead its feed. At any one moment its reader may be between two
 * connections; one that was there between two looks has moved the slot.
 */
export class Unread {
  readonly #clock: Clock;
  readonly #leastMs: number;
  #since: { readonly confirmed: Lsn; readonly atMs: number } | null = null;

  constructor({ clock, limits }: { readonly clock: Clock; readonly limits: { readonly unreadMs: number } }) {
    this.#clock = clock;
    this.#leastMs = limits.unreadMs;
  }

  /** Takes another look; true when nobody can have read from the slot for long enough. */
  isLong(health: SlotHealth): boolean {
    if (health.kind === 'missing' || health.kind === 'lost') return true;
    if (health.kind === 'unfinished' || isRead(health)) {
      this.#since = null;
      return false;
    }
    const now = this.#clock.monotonicMs();
    if (this.#since?.confirmed !== health.confirmed) this.#since = { confirmed: health.confirmed, atMs: now };
    return now - this.#since.atMs >= this.#leastMs;
  }
}
