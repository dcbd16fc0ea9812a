import type { Duplex } from 'node:stream';
import { errorFields } from '../../core/postgres/error-fields.ts';
import { QUERY_CANCELED } from '../../core/postgres/sql-state.ts';
import type { TextValues } from '../../core/postgres/text-values.ts';
import { LEAVE_MS } from '../../core/waiting/after-abort.ts';
import { Stop } from '../../core/waiting/stop-signal.ts';
import { abortError, ConnectionLost, isStale, PostgresError, RowTooLarge, Unserved } from './failure.ts';
import { receive } from './frugal-socket.ts';
import { Incoming, rowCells, tellsOfPromotion } from './incoming.ts';
import { encodeExecution, TERMINATE, unsendable } from './messages.ts';
import { PreparedStatements } from './prepared-statements.ts';
import { type Pending, type RunOptions, settle, type WireRow } from './request.ts';
import { Silence } from './silence.ts';
import type { SessionFacts, WireOptions } from './wire-options.ts';

/**
 * A Postgres session that pipelines: requests go out as they come, each with its own Sync, and answers are handed back
 * in order and undecoded. It takes over a socket that has been through log-in.
 */
export class WireConnection {
  readonly #socket: Duplex;
  readonly #options: WireOptions;
  readonly #pending: Pending[] = [];
  readonly #prepared: PreparedStatements;
  #cancels = 0;
  /** Those that the server has heard. A busy one takes a while, in which the session may have come to the next request. */
  #cancelsHeard = 0;
  /** Messages of this turn of the event loop; empty when nothing waits to be sent. */
  #outgoing: Buffer[] = [];
  #lost: ConnectionLost | null = null;
  #isEnding = false;
  #transaction = 'I';
  readonly #silence: Silence;

  constructor(socket: Duplex, options: WireOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#prepared = new PreparedStatements(options.statementLimit);
    const incoming = new Incoming(
      {
        row: (body) => this.#row(body),
        message: (type, bytes, start, end) => this.#message(type, bytes, start, end),
        oversized: (bytes) => this.#oversized(bytes),
      },
      options,
    );
    const isWaiting = (): boolean => this.load > 0;
    this.#silence = new Silence(options, isWaiting, (why) => this.#lose(why));
    receive(socket, (bytes, length) => {
      this.#silence.heard();
      incoming.push(bytes, length);
    });
    socket.on('error', (error) => this.#lose(error));
    for (const event of ['close', 'end']) socket.on(event, () => this.#lose(undefined));
  }

  /** What it said of its server. */
  get facts(): SessionFacts {
    return this.#options;
  }

  /** Requests not answered yet. */
  get load(): number {
    return this.#pending.length;
  }

  get isOpen(): boolean {
    return this.#lost === null && !this.#isEnding;
  }

  /** Inside no transaction, as of the last answer, and nothing is on the way that could end what comes next. */
  get isIdle(): boolean {
    return this.#transaction === 'I' && this.#cancels === this.#cancelsHeard;
  }

  /** Runs one statement; values are in text form. */
  run(text: string, values: TextValues, options: RunOptions): Promise<readonly WireRow[]> {
    const { signal } = options;
    if (!this.isOpen) return Promise.reject(this.#lost ?? new ConnectionLost('the session was closed'));
    if (signal?.aborted === true) return Promise.reject(abortError(signal));
    const refusal = unsendable(values);
    if (refusal !== null) return Promise.reject(refusal);
    return new Promise((resolve, reject) => {
      const entry = this.#entry(text, options, { resolve, reject });
      // Made before the request is queued, since there may be no memory for it: a request that is queued and never sent
      // would take the answer of the next.
      const message = this.#messageOf(entry, values, options.prepared);
      this.#pending.push(entry);
      if (this.#pending.length === 1) options.onTurn?.();
      this.#write(message);
      this.#silence.begin();
    });
  }

  /** Ends the session, and on the server what it runs; requests still waiting fail. */
  close(): Promise<void> {
    const closed = new ConnectionLost('the session was closed');
    for (const entry of this.#pending) this.#abandon(entry, closed);
    return this.finish();
  }

  /** Another session of its server is not served any more: one that waits is looked at, one that does not is no loss. */
  suspect(): void {
    void (this.#pending.length === 0 ? this.#lose(new Unserved()) : this.#silence.look());
  }

  /** Ends the session when everything that was asked of it is answered; nothing more may be. */
  async finish(): Promise<void> {
    if (!this.isOpen) return;
    this.#isEnding = true;
    const closed = new Promise<void>((resolve) => this.#socket.once('close', () => resolve()));
    this.#flush();
    this.#socket.end(TERMINATE);
    // A silent server closes nothing. Where an answer is to come, silence is noticed in other ways.
    const look = (): void => {
      if (this.load === 0) this.#socket.destroy();
    };
    setTimeout(look, LEAVE_MS).unref();
    await closed;
  }

  #entry(text: string, options: RunOptions, outcome: Pick<Pending, 'resolve' | 'reject'>): Pending {
    const { signal } = options;
    const entry: Pending = {
      text,
      name: '',
      rows: [],
      error: null,
      settled: false,
      cancelsBefore: this.#cancelsHeard,
      cancelled: false,
      parsing: false,
      parseError: null,
      resolve: outcome.resolve,
      reject: outcome.reject,
      options,
      onAbort: null,
    };
    if (signal !== null) {
      entry.onAbort = () => this.#abandon(entry, abortError(signal));
      signal.addEventListener('abort', entry.onAbort, { once: true });
    }
    return entry;
  }

  /** The caller no longer waits. The server is asked to stop once it is this request's turn. */
  #abandon(entry: Pending, error: Error): void {
    if (entry.settled) return;
    settle(entry);
    entry.cancelled = true;
    entry.reject(error);
    if (this.#pending[0] === entry) this.#cancelRunning();
  }

  #cancelRunning(): void {
    const running = this.#pending[0];
    const cancel = async (): Promise<void> => {
      // What has ended while it waited for its turn needs none.
      if (this.#pending[0] !== running) return;
      this.#cancels += 1;
      await this.#options.cancel();
      this.#cancelsHeard += 1;
    };
    // A cancel request that cannot be delivered leaves the statement to its time-out, or the session to the timer.
    this.#options.cancels.take(cancel, new Stop()).catch(() => undefined);
    const look = (): void => {
      if (this.#pending[0] === running) this.#lose(new Error('the database does not answer'));
    };
    setTimeout(look, this.#options.silenceMs).unref();
  }

  #messageOf(entry: Pending, values: TextValues, prepared: boolean): Buffer {
    const { text } = entry;
    const known = prepared ? this.#prepared.use(text) : undefined;
    entry.name = known ?? (prepared ? this.#prepared.add(text) : '');
    entry.parsing = known === undefined;
    const close = this.#prepared.takeClosed();
    return encodeExecution({ name: entry.name, parse: known === undefined ? text : null, close, values });
  }

  /** What one turn of the event loop asks for leaves in one packet: a write costs more than waiting for the turn's end. */
  #write(message: Buffer): void {
    this.#outgoing.push(message);
    if (this.#outgoing.length === 1) setImmediate(() => this.#flush());
  }

  #flush(): void {
    const messages = this.#outgoing;
    this.#outgoing = [];
    const [only, ...others] = messages;
    if (this.#lost === null && only !== undefined)
      this.#socket.write(others.length === 0 ? only : Buffer.concat(messages));
  }

  #row(body: Buffer): void {
    const current = this.#pending[0];
    if (current === undefined || current.settled) return;
    const row = rowCells(body);
    if (current.options.onRow === undefined) current.rows.push(row);
    else current.options.onRow(row);
  }

  #message(type: number, bytes: Buffer, start: number, end: number): void {
    switch (type) {
      case 0x31: // ParseComplete
        if (this.#pending[0] !== undefined) this.#pending[0].parsing = false;
        return;
      case 0x45: // ErrorResponse
        return this.#failed(this.#pending[0], bytes.subarray(start, end));
      case 0x5a: // ReadyForQuery
        this.#transaction = String.fromCharCode(bytes[start] ?? 0x49);
        return this.#finished();
      case 0x53: // ParameterStatus
        if (tellsOfPromotion(bytes.subarray(start, end))) this.#lose(new Error('the server was promoted'));
        return;
      default:
        return; // completions, notices: nothing to do
    }
  }

  #failed(current: Pending | undefined, body: Buffer): void {
    const bystander = current !== undefined && !current.cancelled && this.#cancels > current.cancelsBefore;
    const error = new PostgresError(errorFields(body), bystander);
    if (current === undefined) return this.#lose(error);
    current.error ??= current.parseError ?? error;
    if (current.parsing || isStale(error)) this.#unprepare(current, error);
  }

  #unprepare(current: Pending, error: PostgresError): void {
    const { text, name, parsing } = current;
    this.#prepared.forget(text, name);
    if (!parsing || name === '' || error.state === QUERY_CANCELED) return;
    // Requests sent before the failure was known would only report that the statement is not there.
    for (const other of this.#pending) if (other.name === name) other.parseError = error;
  }

  #oversized(bytes: number): void {
    const current = this.#pending[0];
    if (current !== undefined) this.#abandon(current, new RowTooLarge(bytes, this.#options.rowLimit));
  }

  #finished(): void {
    const done = this.#pending.shift();
    if (done !== undefined && !done.settled) {
      settle(done);
      if (done.error === null) done.resolve(done.rows);
      else done.reject(done.error);
    }
    this.#pending[0]?.options.onTurn?.();
    if (this.#pending[0]?.cancelled === true) this.#cancelRunning();
    this.#options.onAnswered();
  }

  #lose(cause: unknown): void {
    this.#fail(cause);
    this.#socket.destroy();
  }

  #fail(cause: unknown): void {
    if (this.#lost !== null) return;
    this.#lost = new ConnectionLost('the connection to the database was lost', cause);
    for (const entry of this.#pending.splice(0)) {
      if (entry.settled) continue;
      settle(entry);
      entry.reject(this.#lost);
    }
    this.#options.onAnswered();
  }
}
