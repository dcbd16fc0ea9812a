import type { StopSignal } from '../../core/waiting/stop-signal.ts';
import type { WireConnection } from './connection.ts';
import { abortError, ConnectionLost, SessionsTaken } from './failure.ts';

/** A session held by one caller until released. */
export interface Loan {
  readonly connection: WireConnection;
  /** Gives it back; a session inside a transaction or with unread answers is ended instead. */
  release(): void;
}

/** The outcome of an opening, or a failure when nobody is to wait for it any longer. */
export type WhenOpen = <T>(opening: Promise<T>, signal: StopSignal | null) => Promise<T>;

/** How sessions for transactions are made, and how many. */
export interface LoanOptions {
  readonly most: () => number;
  readonly timeoutMs: number;
  readonly connect: () => Promise<WireConnection>;
  /** Waits for a session that is being opened, for as long as that makes sense. */
  readonly whenOpen: WhenOpen;
}

/** Sessions for transactions: each serves one caller at a time. */
export class Loans {
  readonly #options: LoanOptions;
  readonly #free: WireConnection[] = [];
  readonly #waiting: ((connection: WireConnection | null) => void)[] = [];
  #lent = 0;
  #closed = false;

  constructor(options: LoanOptions) {
    this.#options = options;
  }

  /** Takes a session, waiting for one when all are taken. */
  async take(signal: StopSignal | null): Promise<Loan> {
    if (this.#closed) throw new ConnectionLost('the pool is closed');
    if (signal?.aborted === true) throw abortError(signal);
    const free = this.#takeFree();
    if (free !== null) return this.#loanOf(free);
    if (this.#lent < this.#options.most()) {
      const opening = this.#open();
      try {
        return this.#loanOf(await this.#options.whenOpen(opening, signal));
      } catch (error) {
        // Who left does not use it, but others may.
        opening.then(
          (connection) => this.#giveBack(connection),
          () => undefined,
        );
        throw error;
      }
    }
    const handed = await this.#wait(signal);
    return handed === null ? this.take(signal) : this.#loanOf(handed);
  }

  /** Sessions that nobody holds. */
  get free(): readonly WireConnection[] {
    return this.#free;
  }

  /** Lends no more; the sessions that nobody holds are the caller's to end, others end when given back. */
  close(): readonly WireConnection[] {
    this.#closed = true;
    for (const give of this.#waiting.splice(0)) give(null);
    return this.#free.splice(0);
  }

  async #open(): Promise<WireConnection> {
    this.#lent += 1;
    try {
      return await this.#options.connect();
    } catch (error) {
      this.#lent -= 1;
      // Whoever waits for this one tries for itself.
      this.#waiting.shift()?.(null);
      throw error;
    }
  }

  #takeFree(): WireConnection | null {
    for (;;) {
      const connection = this.#free.pop();
      if (connection === undefined) return null;
      if (connection.isOpen) return connection;
      this.#lent -= 1;
    }
  }

  #loanOf(connection: WireConnection): Loan {
    let released = false;
    return {
      connection,
      release: () => {
        if (released) return;
        released = true;
        this.#giveBack(connection);
      },
    };
  }

  #giveBack(connection: WireConnection): void {
    const usable = connection.isOpen && connection.isIdle && connection.load === 0 && !this.#closed;
    const next = this.#waiting.shift();
    if (usable) {
      if (next === undefined) this.#free.push(connection);
      else next(connection);
      return;
    }
    void connection.close();
    this.#lent -= 1;
    next?.(null);
  }

  #wait(signal: StopSignal | null): Promise<WireConnection | null> {
    return new Promise((resolve, reject) => {
      const give = (connection: WireConnection | null): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        resolve(connection);
      };
      const stop = (error: Error): void => {
        this.#waiting.splice(this.#waiting.indexOf(give), 1);
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        reject(error);
      };
      const onAbort = (): void => {
        if (signal !== null) stop(abortError(signal));
      };
      const timer = setTimeout(() => stop(new SessionsTaken()), this.#options.timeoutMs);
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(give);
    });
  }
}
