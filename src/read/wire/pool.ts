import { must } from '../../core/assert.ts';
import type { HistoryName } from '../../core/position/token.ts';
import type { TextValues } from '../../core/postgres/text-values.ts';
import { systemClock } from '../../core/waiting/clock.ts';
import { Stop, type StopSignal } from '../../core/waiting/stop-signal.ts';
import { Turns } from '../../core/waiting/turns.ts';
import { within } from '../../core/waiting/under.ts';
import { type ConnectOptions, connectWire } from './connect.ts';
import type { WireConnection } from './connection.ts';
import {
  abortError,
  ConnectionLost,
  isBystander,
  isUnserved,
  isWorthRepeating,
  NotConnected,
  Unserved,
  unlessStopped,
} from './failure.ts';
import { type Loan, Loans } from './loans.ts';
import { RequestQueue } from './queue.ts';
import type { RunOptions, WireRow } from './request.ts';
import { SharedRuns } from './shared-runs.ts';
import type { SharedStatement } from './shares.ts';

/** Connections of one database. */
export interface PoolOptions extends ConnectOptions {
  /** Sessions that share requests. */
  readonly size: number;
  /** Most sessions for transactions; each serves one at a time. */
  readonly loans: () => number;
  readonly loanTimeoutMs: number;
}

/** A statement whose answer is one row; `together` answers several requests at once, null where they never share one. */
export interface RowStatement {
  readonly text: string;
  readonly together: SharedStatement['together'] | null;
}

/** A statement with its values. */
export interface AskedStatement {
  readonly text: string;
  readonly values: TextValues;
}

/**
 * Requests of one session: while one is worked on the next are on their way, so that a session is never idle for the time
 * that an answer and the next request travel. More would wait behind one that takes long; fewer cost short ones a tenth.
 */
const DEPTH = 3;

/**
 * What clients leave running when they go away is cancelled, and now and then a cancel hits the request behind it. Nobody is
 * to hear of that: a request that was hit so often gets a session where nobody else's request runs.
 */
const MOST_TIMES_HIT = 3;

/** Each is a connection, and a process of the server's. */
const CANCELS_AT_ONCE = 2;

const BACK_OFF_MS: readonly number[] = [0, 50, 200, 500, 1000];

/** Of a database to which no connection could be made nobody waits longer to see whether one can be made now. */
const IMPATIENT_MS = 1_000;

/** Few sessions, each taking the next requests while it works on one: the least busy one gets the next. */
export class WirePool {
  readonly #options: PoolOptions;
  readonly #sessions: WireConnection[] = [];
  readonly #loans: Loans;
  readonly #queue = new RequestQueue();
  readonly #sharedRuns: SharedRuns;
  readonly #cancels = new Turns(CANCELS_AT_ONCE);
  #opening: Promise<WireConnection> | null = null;
  #failures = 0;
  #retryAtMs = 0;
  #lastFailure: unknown = null;
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#sharedRuns = new SharedRuns((text, values, asked) => this.run(text, values, asked));
    const { loans: most, loanTimeoutMs: timeoutMs } = options;
    this.#loans = new Loans({
      most,
      timeoutMs,
      connect: () => this.#connect(),
      whenOpen: (opening, signal) => this.#whenOpen(opening, signal),
    });
  }

  /** Runs a statement that only reads; it is repeated when the session broke or its prepared statement went stale. */
  run(text: string, values: TextValues, options: RunOptions): Promise<readonly WireRow[]> {
    return this.#on(options, (connection) => connection.run(text, values, options));
  }

  /** The one row of a root statement. */
  async row(statement: RowStatement, values: TextValues, signal: StopSignal): Promise<WireRow> {
    if (isShared(statement)) return this.#sharedRuns.ask(statement, values, signal);
    const rows = await this.run(statement.text, values, { signal, prepared: true });
    return must(rows[0], 'row of a root statement');
  }

  /** Runs several statements one behind the other on one session, and gives the history that the answering server writes, where it told. */
  answers(
    asked: readonly AskedStatement[],
    options: RunOptions,
  ): Promise<{ readonly answers: readonly (readonly WireRow[])[]; readonly history: HistoryName | null }> {
    return this.#on(options, async (connection) => {
      const sent = asked.map(({ text, values }) => connection.run(text, values, options));
      const answers = await Promise.all(sent);
      return { answers, history: connection.facts.history };
    });
  }

  async #on<T>(
    { signal }: Pick<RunOptions, 'signal'>,
    work: (connection: WireConnection) => Promise<T>,
  ): Promise<T> {
    for (let repeats = 0; ; repeats += 1) {
      try {
        return await (repeats < MOST_TIMES_HIT ? this.#whenFree(signal, work) : this.#alone(signal, work));
      } catch (error) {
        const isOver = repeats >= (isBystander(error) || isUnserved(error) ? MOST_TIMES_HIT : 1);
        if (isOver || !isWorthRepeating(error)) throw error;
      }
    }
  }

  async #alone<T>(signal: StopSignal | null, work: (connection: WireConnection) => Promise<T>): Promise<T> {
    const loan = await this.borrow(signal);
    return work(loan.connection).finally(() => loan.release());
  }

  /** First come, first served: what a session cannot take at once is not bound to it, nor to what it is busy with. */
  #whenFree<T>(signal: StopSignal | null, work: (connection: WireConnection) => Promise<T>): Promise<T> {
    const ready = this.#leastBusy();
    if (ready === null) return this.#whenOpen(this.#grow(), signal).then(work);
    if (ready.load < DEPTH) return work(ready);
    if (signal?.aborted === true) return Promise.reject(abortError(signal));
    return this.#queue.join(signal, work);
  }

  /** What is being opened goes on when nobody waits for it any more. */
  #whenOpen<T>(opening: Promise<T>, signal: StopSignal | null): Promise<T> {
    if (this.#failures === 0) return unlessStopped(opening, signal);
    const late = (): Error => new NotConnected(this.#lastFailure);
    return within({ ms: IMPATIENT_MS, late }, signal ?? new Stop(), (own) => unlessStopped(opening, own));
  }

  /** Gives what waits to sessions that can take more. */
  #advance(): void {
    while (!this.#queue.isEmpty && !this.#closed) {
      const ready = this.#leastBusy();
      if (ready === null) return this.#growQuietly();
      if (ready.load >= DEPTH) return;
      this.#queue.next()?.start(ready);
    }
  }

  /** Takes a session for a transaction, waiting for one when all are taken. */
  borrow(signal: StopSignal | null): Promise<Loan> {
    return this.#loans.take(signal);
  }

  /** Ends every session; requests still running fail. */
  async close(): Promise<void> {
    for (const { reject } of this.#queue.takeAll()) reject(new ConnectionLost('the pool is closed'));
    await Promise.all(this.#emptied().map((connection) => connection.close()));
  }

  /** Takes no more requests; every session ends when those it has are answered. */
  async retire(): Promise<void> {
    for (const { start, reject } of this.#queue.takeAll()) {
      const session = this.#leastBusy();
      if (session === null) reject(new ConnectionLost('the pool is closed'));
      else start(session);
    }
    await Promise.all(this.#emptied().map((connection) => connection.finish()));
  }

  /** What took one session's network, or its server, may have taken all. Where nobody answers, no connection can be made either. */
  #suspect(why: unknown): void {
    if (!(why instanceof Unserved)) this.#failed(why);
    for (const session of [...this.#sessions, ...this.#loans.free]) session.suspect();
  }

  #emptied(): readonly WireConnection[] {
    this.#closed = true;
    return [...this.#sessions.splice(0), ...this.#loans.close()];
  }

  #assertOpen(): void {
    if (this.#closed) throw new ConnectionLost('the pool is closed');
  }

  /** Null when another session should be opened first. */
  #leastBusy(): WireConnection | null {
    this.#assertOpen();
    let best: WireConnection | null = null;
    for (let i = this.#sessions.length - 1; i >= 0; i -= 1) {
      const candidate = this.#sessions[i];
      if (candidate === undefined) continue;
      if (!candidate.isOpen) this.#sessions.splice(i, 1);
      else if (best === null || candidate.load < best.load) best = candidate;
    }
    if (best === null || best.load === 0) return best;
    if (this.#sessions.length < this.#options.size && this.#opening === null) this.#growQuietly();
    return best;
  }

  #growQuietly(): void {
    // The request goes to a session that works; the next caller without one sees the error.
    this.#grow().catch(() => undefined);
  }

  #grow(): Promise<WireConnection> {
    this.#opening ??= this.#connect()
      .then(
        (connection) => {
          this.#sessions.push(connection);
          this.#advance();
          return connection;
        },
        (error: unknown) => {
          if (this.#sessions.length === 0) for (const { reject } of this.#queue.takeAll()) reject(error);
          throw error;
        },
      )
      .finally(() => {
        this.#opening = null;
      });
    return this.#opening;
  }

  /** A database that refuses is asked less and less often; meanwhile callers get its last refusal at once. */
  async #connect(): Promise<WireConnection> {
    if (systemClock.monotonicMs() < this.#retryAtMs) {
      throw new NotConnected(this.#lastFailure);
    }
    try {
      const connection = await connectWire(this.#options, {
        onAnswered: () => this.#advance(),
        cancels: this.#cancels,
        onUnserved: (why) => this.#suspect(why),
      });
      this.#failures = 0;
      if (!this.#closed) return connection;
      await connection.close();
    } catch (error) {
      this.#failed(error instanceof ConnectionLost ? error.cause : error);
      throw error;
    }
    throw new ConnectionLost('the pool is closed');
  }

  #failed(why: unknown): void {
    this.#lastFailure = why;
    this.#failures += 1;
    this.#retryAtMs = systemClock.monotonicMs() + (BACK_OFF_MS[this.#failures - 1] ?? 1000);
  }
}

function isShared(statement: RowStatement): statement is SharedStatement {
  return statement.together !== null;
}
