import { must } from '../../core/assert.ts';
import { type Clock, systemClock } from '../../core/clock.ts';
import type { StopSignal } from '../../core/stop-signal.ts';
import type { HistoryName } from '../../core/token.ts';
import { type ConnectOptions, connectWire } from './connect.ts';
import type { RunOptions, WireConnection, WireRow } from './connection.ts';
import { ConnectionLost, isWorthRepeating } from './failure.ts';
import { LookUps } from './look-ups.ts';

/** Connections of one database. */
export interface PoolOptions extends ConnectOptions {
  /** Sessions that share requests by pipelining. */
  readonly size: number;
  /** Sessions for transactions; each serves one at a time. */
  readonly leases: number;
  readonly leaseTimeoutMs: number;
}

/** A session held by one caller until released. */
export interface Lease {
  readonly connection: WireConnection;
  /** Gives it back; a session inside a transaction or with unread answers is dropped instead. */
  release(): void;
}

/** A statement whose answer is one row; `together` answers several requests at once, null where that is not worth it. */
export interface RowStatement {
  readonly text: string;
  readonly together: string | null;
}

const BACK_OFF_MS: readonly number[] = [0, 50, 200, 500, 1000];

/** Few sessions, each taking many requests: the least busy one gets the next. */
export class WirePool {
  readonly #options: PoolOptions;
  readonly #clock: Clock;
  readonly #shared: WireConnection[] = [];
  readonly #free: WireConnection[] = [];
  readonly #waiting: ((connection: WireConnection | null) => void)[] = [];
  readonly #lookUps = new LookUps((text, values, options) => this.run(text, values, options));
  #opening: Promise<WireConnection> | null = null;
  #leased = 0;
  #failures = 0;
  #retryAtMs = 0;
  #lastFailure: unknown = null;
  #closed = false;

  constructor(options: PoolOptions, clock: Clock = systemClock) {
    this.#options = options;
    this.#clock = clock;
  }

  /** Runs a statement that only reads; it is repeated once when the session broke or its prepared statement went stale. */
  run(text: string, values: readonly (string | null)[], options: RunOptions): Promise<readonly WireRow[]> {
    return this.#on(options, (connection) => connection.run(text, values, options));
  }

  /** The one row of a root statement. */
  async row(
    { text, together }: RowStatement,
    values: readonly (string | null)[],
    signal: StopSignal,
  ): Promise<WireRow> {
    if (together !== null) return this.#lookUps.ask({ text, together }, values, signal);
    const rows = await this.run(text, values, { signal, prepared: true });
    return must(rows[0], 'row of a root statement');
  }

  /** The same, with the history that the answering server writes, where it told. */
  answer(
    text: string,
    values: readonly (string | null)[],
    options: RunOptions,
  ): Promise<{ readonly rows: readonly WireRow[]; readonly history: HistoryName | null }> {
    return this.#on(options, async (connection) => {
      const rows = await connection.run(text, values, options);
      return { rows, history: connection.history };
    });
  }

  async #on<T>(
    { signal }: Pick<RunOptions, 'signal'>,
    work: (connection: WireConnection) => Promise<T>,
  ): Promise<T> {
    try {
      const ready = this.#leastBusy();
      return await work(ready ?? (await this.#grow()));
    } catch (error) {
      if (!isWorthRepeating(error) || signal?.aborted === true || this.#closed) throw error;
    }
    return work(this.#leastBusy() ?? (await this.#grow()));
  }

  /** Takes a session for a transaction, waiting for one when all are taken. */
  async lease(signal: StopSignal | null): Promise<Lease> {
    this.#assertOpen();
    const free = this.#takeFree();
    if (free !== null) return this.#leaseOf(free);
    if (this.#leased < this.#options.leases) {
      this.#leased += 1;
      try {
        return this.#leaseOf(await this.#connect());
      } catch (error) {
        this.#leased -= 1;
        throw error;
      }
    }
    const handed = await this.#wait(signal);
    return handed === null ? this.lease(signal) : this.#leaseOf(handed);
  }

  /** Ends every session; requests still running fail. */
  async close(): Promise<void> {
    await Promise.all(this.#emptied().map((connection) => connection.close()));
  }

  /** Takes no more requests; every session ends when those it has are answered. */
  async retire(): Promise<void> {
    await Promise.all(this.#emptied().map((connection) => connection.finish()));
  }

  #emptied(): readonly WireConnection[] {
    this.#closed = true;
    for (const give of this.#waiting.splice(0)) give(null);
    return [...this.#shared.splice(0), ...this.#free.splice(0)];
  }

  #assertOpen(): void {
    if (this.#closed) throw new ConnectionLost('the pool is closed');
  }

  /** Null when another session should be opened first. */
  #leastBusy(): WireConnection | null {
    this.#assertOpen();
    let best: WireConnection | null = null;
    for (let i = this.#shared.length - 1; i >= 0; i -= 1) {
      const candidate = this.#shared[i];
      if (candidate === undefined) continue;
      if (!candidate.isOpen) this.#shared.splice(i, 1);
      else if (best === null || candidate.load < best.load) best = candidate;
    }
    if (best === null || best.load === 0) return best;
    if (this.#shared.length < this.#options.size && this.#opening === null) this.#growQuietly();
    return best;
  }

  #growQuietly(): void {
    // The request goes to a session that works; the next caller without one sees the error.
    this.#grow().catch(() => undefined);
  }

  #grow(): Promise<WireConnection> {
    this.#opening ??= this.#connect()
      .then((connection) => {
        this.#shared.push(connection);
        return connection;
      })
      .finally(() => {
        this.#opening = null;
      });
    return this.#opening;
  }

  /** A database that refuses is asked less and less often; meanwhile callers get its last refusal at once. */
  async #connect(): Promise<WireConnection> {
    if (this.#clock.monotonicMs() < this.#retryAtMs) {
      throw new ConnectionLost('no connection to the database', this.#lastFailure);
    }
    try {
      const connection = await connectWire(this.#options);
      this.#failures = 0;
      if (!this.#closed) return connection;
      await connection.close();
    } catch (error) {
      this.#lastFailure = error instanceof ConnectionLost ? error.cause : error;
      this.#failures += 1;
      this.#retryAtMs = this.#clock.monotonicMs() + (BACK_OFF_MS[this.#failures - 1] ?? 1000);
      throw error;
    }
    throw new ConnectionLost('the pool is closed');
  }

  #takeFree(): WireConnection | null {
    for (;;) {
      const connection = this.#free.pop();
      if (connection === undefined) return null;
      if (connection.isOpen) return connection;
      this.#leased -= 1;
    }
  }

  #leaseOf(connection: WireConnection): Lease {
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
    connection.destroy();
    this.#leased -= 1;
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
        const at = this.#waiting.indexOf(give);
        if (at >= 0) this.#waiting.splice(at, 1);
        clearTimeout(timer);
        reject(error);
      };
      const onAbort = (): void => stop(new Error('aborted'));
      const busy = new ConnectionLost('every session for transactions is taken');
      const timer = setTimeout(() => stop(busy), this.#options.leaseTimeoutMs);
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(give);
    });
  }
}
