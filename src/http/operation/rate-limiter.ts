import type { RateLimit } from '../../catalog/part/api-limits.ts';
import { NearjoinError } from '../../core/errors.ts';
import type { Clock } from '../../core/waiting/clock.ts';
import type { Session } from '../auth/session.ts';

/** When the operations of one client that may count began: those before `first` are too old. */
interface Begun {
  readonly atMs: number[];
  first: number;
}

const MINUTE_MS = 60_000;
/** Past it the client that came first is forgotten. */
const MOST_CLIENTS = 100_000;

/** Counts the operations of the last minute by client, in this process. */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #begun = new Map<string, Begun>();
  #sweptMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sweptMs = clock.monotonicMs();
  }

  /** Counts one more operation of a client; refuses one beyond the limit, which then does not count. */
  admit({ perMinute, by }: RateLimit, session: Session, address: string): void {
    const now = this.#clock.monotonicMs();
    this.#sweep(now);
    const begun = this.#of(clientOf(by, session, address));
    forget(begun, now);
    if (begun.atMs.length - begun.first >= perMinute) {
      const message = `more than ${perMinute} operations in a minute`;
      throw new NearjoinError('rate-limit-exceeded', message);
    }
    begun.atMs.push(now);
  }

  #of(client: string): Begun {
    const known = this.#begun.get(client);
    if (known !== undefined) return known;
    const [oldest] = this.#begun.size < MOST_CLIENTS ? [] : this.#begun.keys();
    if (oldest !== undefined) this.#begun.delete(oldest);
    const begun = { atMs: [], first: 0 };
    this.#begun.set(client, begun);
    return begun;
  }

  /** Once a minute those who are gone. */
  #sweep(now: number): void {
    if (now - this.#sweptMs < MINUTE_MS) return;
    this.#sweptMs = now;
    for (const [client, { atMs }] of this.#begun) {
      if ((atMs.at(-1) ?? 0) <= now - MINUTE_MS) this.#begun.delete(client);
    }
  }
}

function forget(begun: Begun, now: number): void {
  const { atMs } = begun;
  while ((atMs[begun.first] ?? now) <= now - MINUTE_MS) begun.first += 1;
  if (begun.first * 2 <= atMs.length) return;
  atMs.splice(0, begun.first);
  begun.first = 0;
}

function clientOf(by: RateLimit['by'], { role, variables }: Session, address: string): string {
  const parts = by === 'address' ? [address] : by.map((name) => variables.get(name) ?? null);
  return JSON.stringify([role, ...parts]);
}
