import { type Lsn, lsnFromBits, maxLsn } from '../../src/core/position/lsn.ts';
import { sqlStateOf } from '../../src/core/postgres/sql-state.ts';
import type { FeedItem } from '../../src/core/rows/change.ts';
import type { PassingRow } from '../../src/core/rows/passing-row.ts';
import { systemClock } from '../../src/core/waiting/clock.ts';
import { type ChangeStream, ConnectorError } from '../connector.ts';
import { ItemQueue } from '../item-queue.ts';
import type { AdminPool } from './client.ts';
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
/** Reading stops when so many bytes wait for the reader. */
const QUEUE_BYTES = 1 << 20;
/** Acknowledgements closer together than this share a message. */
const ACKNOWLEDGE_MS = 10;
const NAP_MS = 1;
/** A read of at least this much found more waiting than it could take, or nearly so. */
const LARGE_READ_BYTES = 16 << 10;
/** Until the history is proved, the target is asked so often how far it has sent; less often when it has much to send. */
const ASK_MS = 25;
const ASKS_BEFORE_FLUSH = 3;
const START_ATTEMPTS = 3;

/** Where a stream begins, what it sends, and who is told at once, and whether they must wait, when it has brought whole transactions. */
interface Beginning {
  readonly applied: Applied;
  /** Transactions that go on come in parts, instead of as a whole when they commit. */
  readonly isEarly: boolean;
  readonly committed: (mustWait: boolean) => void;
}

/** Streams everything that is not applied; throws a ConnectorError when the slot cannot do that, or the history is another. */
export async function openStream(
  target: Target,
  admin: AdminPool,
  from: Beginning,
  signal: AbortSignal,
): Promise<ChangeStream> {
  for (let attempt = 1; ; attempt += 1) {
    const confirmed = await checkSlot(target, admin, from.applied.upTo);
    const stream = new PostgresStream(target, admin, { ...from, confirmed }, signal);
    try {
      await stream.start();
      await untilProved(stream, admin);
      if (!stream.isHeadless) return stream;
    } catch (error) {
      stream.close();
      const isTaken = error instanceof ConnectorError && sqlStateOf(error.cause) === '55006';
      if (!isTaken || attempt === START_ATTEMPTS || signal.aborted) throw error;
      continue;
    }
    // A transaction that goes on was in part passed over: it must come as a whole.
    stream.close();
    return openStream(target, admin, { ...from, isEarly: false }, signal);
  }
}

/** Nothing may be made of a stream whose history is not known to be ours. */
async function untilProved(stream: PostgresStream, admin: AdminPool): Promise<void> {
  for (let asks = 1; !stream.isProved; asks += 1) {
    stream.requestProgress();
    const pauseMs = asks <= ASKS_BEFORE_FLUSH ? ASK_MS : ASK_MS * 4;
    await Promise.race([stream.proved, systemClock.delay(pauseMs)]);
    // Another history may have been written past our position and not be on disk that far.
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
  #read: FeedItem[] = [];
  /** Of socket reads that gave nothing whole yet. */
  #readBytes = 0;
  #large: LargeMessage | null = null;
  /** A row of which not all has come and was taken: the socket is read for it alone. */
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

  constructor(
    target: Target,
    admin: AdminPool,
    from: Beginning & { readonly confirmed: Lsn },
    signal: AbortSignal,
  ) {
    this.#committed = from.committed;
    this.#target = target;
    this.isEarly = from.isEarly;
    this.#signal = signal;
    this.#passed = from.confirmed;
    this.#acknowledged = from.confirmed;
    this.#proof = new HistoryProof(from.applied, from.confirmed);
    this.#silence = silenceOfStream(target, admin, (error) => this.#fail(error));
    this.items = new ItemQueue({ drained: () => this.#resume(), left: () => this.close() });
    this.#socket = new ReplicationSocket(target, {
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

  /** The stream goes on with the history that the reader has. */
  get isProved(): boolean {
    return this.#proof.isThrough;
  }

  /** It goes on with the rest of a transaction whose beginning the reader did not get. */
  get isHeadless(): boolean {
    return this.#proof.headless.size > 0;
  }

  /** Resolves when it is known that it does; rejects when it does not, or the stream ends. */
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
    if (kind === WAL_DATA) this.#decoder.decode(buffer, start + WAL_HEADER_BYTES, this.#read);
    else if (kind === KEEPALIVE && end - start >= 18) this.#keepalive(buffer, start);
    else throw new ConnectorError('retry', `the stream holds a frame of an unknown kind (${kind})`);
  }

  #piece(buffer: Buffer, start: number, end: number, isLast: boolean): void {
    this.#large ??= new LargeMessage(this.#decoder.isInPart, {
      begun: (message, row) => this.#decoder.decode(message, 0, this.#read, (this.#passing = row)),
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

  /** What the target has sent so far; it may want to hear from us at once, whatever the reader is doing. */
  #keepalive(buffer: Buffer, start: number): void {
    if (buffer[start + 17] === 1) this.#sendStatus(false);
    const sent = lsnFromBits(buffer.readBigUInt64BE(start + 1));
    const whole = this.#decoder.inTransaction
      ? this.#decoder.lastCommit
      : maxLsn(sent, this.#decoder.lastCommit);
    this.#passed = maxLsn(this.#passed, whole);
    this.#read.push({ kind: 'progress', position: this.#passed });
  }

  #endOfRead(bytes: number): void {
    this.#silence.broken();
    if (!this.#proof.isThrough) {
      this.#read = this.#read.filter((item) => this.#proof.isNew(item));
      // What the reader has already waits for nobody: the socket is read on, however much of it there is.
      if (!this.#proof.isThrough) return this.#passing?.discard();
    }
    this.#readBytes += bytes;
    if (this.#read.length > 0) this.#handOn();
    if (this.#passing === null) this.#rest(bytes);
    else if (this.#passing.mustWait) this.#pause();
  }

  #handOn(): void {
    // Not only the last item: mostly the target also says how far it is, right behind the commit.
    if (this.#read.some(({ kind }) => kind === 'commit')) this.#committed(this.#isGathering);
    this.items.put(this.#read, this.#readBytes);
    this.#read = [];
    this.#readBytes = 0;
  }

  #rest(bytes: number): void {
    // A message counts while it is still coming, unless the reader waits for it.
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
   * A walsender sends every message by itself, so an eager reader wakes up for each of them, which costs both sides
   * several times what the data cost; a rest of a millisecond gathers them.
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

  /** Says how far we are; after a while without a byte asks for one, and after a longer while gives up. */
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
