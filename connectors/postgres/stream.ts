import { type Lsn, lsnFromBits, maxLsn } from '../../src/core/position/lsn.ts';
import type { FeedItem } from '../../src/core/rows/change.ts';
import type { PassingRow } from '../../src/core/rows/passing-row.ts';
import { systemClock } from '../../src/core/waiting/clock.ts';
import { type ChangeStream, ConnectorError } from '../connector.ts';
import { ItemQueue } from '../item-queue.ts';
import type { AdminPool } from './client.ts';
import { isHeld } from './failure.ts';
import type { Target } from './settings.ts';
import { type Silence, silenceOfStream } from './silence.ts';
import { PgoutputDecoder } from './stream/decode.ts';
import { type Applied, HistoryProof } from './stream/history-proof.ts';
import { LargeMessage } from './stream/large-message.ts';
import { WAL_DATA, WAL_HEADER_BYTES } from './stream/pgoutput.ts';
import { ReplicationSocket } from './stream/replication-socket.ts';
import { checkSlot } from './stream/slot-check.ts';
import { statusMessage } from './stream/status-message.ts';

const KEEPALIVE = 0x6b;
/** The socket is paused when so many bytes wait for the reader. */
const QUEUE_BYTES = 1 << 20;
/** Acknowledgements closer together than this share a message. */
const ACKNOWLEDGE_MS = 10;
const NAP_MS = 1;
/** After a read of at least this much more is surely waiting already, so resting would gain nothing. */
const LARGE_READ_BYTES = 16 << 10;
/** The target is asked this often how far it has sent until the history is proved; less often after the first few times. */
const ASK_MS = 25;
const ASKS_BEFORE_FLUSH = 3;
const START_ATTEMPTS = 3;

/** How a stream begins. */
interface Beginning {
  /** What the reader has already: everything after it is streamed. */
  readonly applied: Applied;
  /** Transactions in progress come in parts, instead of as a whole when they commit. */
  readonly isEarly: boolean;
  /** Called as soon as whole transactions have arrived; `mustWait`: they will wait, since the reader is busy writing. */
  readonly committed: (mustWait: boolean) => void;
}

/** Streams everything that is not applied yet; throws a ConnectorError when the slot lacks some of it, or the history is another. */
export async function openStream(
  admin: AdminPool,
  from: Beginning,
  signal: AbortSignal,
): Promise<ChangeStream> {
  for (let attempt = 1; ; attempt += 1) {
    const confirmed = await checkSlot(admin, from.applied.upTo);
    const stream = new PostgresStream(admin, { ...from, confirmed }, signal);
    try {
      await stream.start();
      await untilProved(stream, admin);
      if (!stream.isHeadless) return stream;
    } catch (error) {
      stream.close();
      if (!isHeld(error) || attempt === START_ATTEMPTS || signal.aborted) throw error;
      continue;
    }
    // The first parts of a transaction in progress were passed over: it must come as a whole, over another stream.
    stream.close();
    return openStream(admin, { ...from, isEarly: false }, signal);
  }
}

/** Waits until the target's history is known to be the one that the reader has; no item is handed on before. */
async function untilProved(stream: PostgresStream, admin: AdminPool): Promise<void> {
  for (let asks = 1; !stream.isProved; asks += 1) {
    stream.requestProgress();
    const pauseMs = asks <= ASKS_BEFORE_FLUSH ? ASK_MS : ASK_MS * 4;
    await Promise.race([stream.proved, systemClock.delay(pauseMs)]);
    // The target sends only what is on its disk, which may not reach our position yet.
    if (asks === ASKS_BEFORE_FLUSH && !stream.isProved) await admin.forceFlush();
  }
}

/** One running stream: decodes what the socket brings, answers the target, and gives up at the first failure. */
class PostgresStream implements ChangeStream {
  readonly items: ItemQueue;
  readonly isEarly: boolean;
  readonly #target: Target;
  readonly #signal: AbortSignal;
  readonly #socket: ReplicationSocket;
  readonly #decoder = new PgoutputDecoder();
  readonly #stop = (): void => this.close();
  /** Items that were read since some were last handed on. */
  #decoded: FeedItem[] = [];
  /** Bytes read since then. */
  #readBytes = 0;
  #large: LargeMessage | null = null;
  /** A row too large to be held, while it passes through to the reader: nothing behind it is read meanwhile. */
  #passing: PassingRow | null = null;
  #passed: Lsn;
  #acknowledged: Lsn;
  #isPaused = false;
  #isGathering = false;
  #napping: NodeJS.Timeout | null = null;
  readonly #silence: Silence;
  #ticker: NodeJS.Timeout | null = null;
  #acknowledging: NodeJS.Timeout | null = null;
  readonly #proof: HistoryProof;
  readonly #committed: (mustWait: boolean) => void;

  constructor(admin: AdminPool, from: Beginning & { readonly confirmed: Lsn }, signal: AbortSignal) {
    this.#committed = from.committed;
    this.#target = admin.target;
    this.isEarly = from.isEarly;
    this.#signal = signal;
    this.#passed = from.confirmed;
    this.#acknowledged = from.confirmed;
    this.#proof = new HistoryProof(from.applied, from.confirmed);
    this.#silence = silenceOfStream(admin, (error) => this.#fail(error));
    this.items = new ItemQueue({ drained: () => this.#resume(), left: () => this.close() });
    this.#socket = new ReplicationSocket(admin.target, {
      data: (_tag, buffer, start, end) => this.#message(buffer, start, end),
      piece: (buffer, start, end, isLast) => this.#piece(buffer, start, end, isLast),
      mustWait: () => this.#passing?.hasEnded === true,
      read: (bytes) => this.#endOfRead(bytes),
      failed: (error) => this.#fail(error),
    });
  }

  async start(): Promise<void> {
    this.#signal.addEventListener('abort', this.#stop);
    if (this.#signal.aborted) this.close();
    await this.#socket.start(this.#target, this.#passed, this.isEarly);
    this.#ticker = setInterval(() => this.#tick(), this.#target.timings.tickMs);
  }

  /** The stream is known to continue the history that the reader has. */
  get isProved(): boolean {
    return this.#proof.isThrough;
  }

  /** A transaction in progress is missing its first parts: they were passed over while the history was being proved. */
  get isHeadless(): boolean {
    return this.#proof.headless.size > 0;
  }

  /** Resolves when `isProved` becomes true; rejects when the history is another, or the stream ends. */
  get proved(): Promise<void> {
    return this.#proof.through;
  }

  acknowledge(upTo: Lsn): void {
    if (upTo <= this.#acknowledged) return;
    this.#acknowledged = upTo;
    this.#acknowledging ??= setTimeout(() => this.#sendStatus(false), ACKNOWLEDGE_MS);
  }

  requestProgress(): void {
    this.#sendStatus(true);
  }

  #message(buffer: Buffer, start: number, end: number): void {
    const kind = buffer[start];
    if (kind === WAL_DATA) this.#decoder.decode(buffer, start + WAL_HEADER_BYTES, this.#decoded);
    else if (kind === KEEPALIVE && end - start >= 18) this.#keepalive(buffer, start);
    else throw new ConnectorError('retry', `the stream holds a frame of an unknown kind (${kind})`);
  }

  #piece(buffer: Buffer, start: number, end: number, isLast: boolean): void {
    this.#large ??= new LargeMessage(this.#decoder.isInPart, {
      begun: (message, row) => this.#decoder.decode(message, 0, this.#decoded, (this.#passing = row)),
      room: () => this.#resume(),
      passed: () => {
        this.#passing = null;
        this.#readBytes = 0;
        this.#resume();
        this.#socket.readRest();
      },
    });
    this.#large.push(buffer, start, end);
    if (isLast) this.#large = null;
  }

  /** How far the target has sent; it may ask for an answer at once, which it gets however busy the reader is. */
  #keepalive(buffer: Buffer, start: number): void {
    if (buffer[start + 17] === 1) this.#sendStatus(false);
    const sent = lsnFromBits(buffer.readBigUInt64BE(start + 1));
    const whole = this.#decoder.inTransaction
      ? this.#decoder.lastCommit
      : maxLsn(sent, this.#decoder.lastCommit);
    this.#passed = maxLsn(this.#passed, whole);
    this.#decoded.push({ kind: 'progress', position: this.#passed });
  }

  #endOfRead(bytes: number): void {
    this.#silence.broken();
    if (!this.#proof.isThrough) {
      this.#decoded = this.#decoded.filter((item) => this.#proof.isNew(item));
      // These items the reader has already. They are dropped, so nothing needs to wait for the reader.
      if (!this.#proof.isThrough) return this.#passing?.discard();
    }
    this.#readBytes += bytes;
    if (this.#decoded.length > 0) this.#handOn();
    if (this.#passing === null) this.#rest(bytes);
    else if (this.#passing.mustWait) this.#pause();
  }

  #handOn(): void {
    // A commit is rarely the last item: the target mostly says how far it is right behind it.
    if (this.#decoded.some(({ kind }) => kind === 'commit')) this.#committed(this.#isGathering);
    this.items.put(this.#decoded, this.#readBytes);
    this.#decoded = [];
    this.#readBytes = 0;
  }

  #rest(bytes: number): void {
    // A message that is still arriving counts too, unless the reader is waiting for it.
    const waiting = this.items.isWaitedFor ? 0 : this.items.bytes + this.#readBytes;
    if (waiting >= QUEUE_BYTES) this.#pause();
    else if (this.#isGathering && bytes < LARGE_READ_BYTES) this.#nap();
  }

  /** The reader is behind: let the target wait. */
  #pause(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }

  gather(isWriting: boolean): void {
    this.#isGathering = isWriting;
    if (!isWriting) this.#wake();
  }

  /**
   * A walsender sends every message by itself. A reader that wakes up for each of them costs both sides several times what
   * the data cost; resting for a millisecond lets many arrive in one read.
   */
  #nap(): void {
    this.#socket.pause();
    this.#napping ??= setTimeout(() => this.#wake(), NAP_MS);
  }

  #wake(): void {
    if (this.#napping === null) return;
    clearTimeout(this.#napping);
    this.#napping = null;
    if (!this.#isPaused) this.#socket.resume();
  }

  #resume(): void {
    if (!this.#isPaused || this.#passing?.mustWait === true) return;
    this.#isPaused = false;
    this.#silence.broken();
    if (this.#napping === null) this.#socket.resume();
  }

  /** Tells the target how far we are. After a while of silence asks it to answer, and after a longer one gives up. */
  #tick(): void {
    this.#sendStatus(this.#isPaused ? false : this.#silence.tick());
  }

  #sendStatus(wantsReply: boolean): void {
    if (this.#acknowledging !== null) clearTimeout(this.#acknowledging);
    this.#acknowledging = null;
    this.#socket.write(this.#status(wantsReply));
  }

  #status(wantsReply: boolean): Buffer {
    return statusMessage(this.#acknowledged, wantsReply, performance.timeOrigin + performance.now());
  }

  #fail(error: ConnectorError): void {
    this.#proof.end(error);
    this.#passing?.fail(error);
    this.#socket.close(null);
    this.#release();
    if (this.#signal.aborted) this.items.end();
    else this.items.fail(error);
  }

  /** The reader or its owner has had enough. */
  close(): void {
    this.#proof.end(new ConnectorError('retry', 'stopped before the stream began'));
    this.#passing?.fail(new ConnectorError('retry', 'stopped while a row was coming'));
    this.#socket.close(this.#ticker === null ? null : this.#status(false));
    this.#release();
    this.items.end();
  }

  #release(): void {
    this.#silence.end();
    this.#signal.removeEventListener('abort', this.#stop);
    if (this.#ticker !== null) clearInterval(this.#ticker);
    if (this.#acknowledging !== null) clearTimeout(this.#acknowledging);
    if (this.#napping !== null) clearTimeout(this.#napping);
    this.#ticker = null;
    this.#acknowledging = null;
  }
}
