import type { ChangeStream } from '../../../connectors/connector.ts';
import { areWhole, type StreamItem } from '../../core/rows/change.ts';
import type { Clock } from '../../core/waiting/clock.ts';
import { Notifier } from '../../core/waiting/notifier.ts';
import type { ExclusiveWork } from '../exclusively.ts';
import type { BatchLimits } from '../feed-options.ts';
import type { Applier } from '../write/applier.ts';
import { MOST_SENT, type Writes } from '../write/batch-writing.ts';
import { type FoldedBatch, fold } from '../write/fold.ts';
import type { Sinks } from '../write/sink.ts';
import { type Batch, ChangeBuffer } from './buffer.ts';
import { type EarlyOptions, EarlyTransactions } from './early-transactions.ts';
import { type Job, jobOf } from './job.ts';
import type { Progress } from './progress.ts';

/** What one run of a feed reads from, writes to, and tells. */
export interface PumpOptions {
  readonly stream: ChangeStream;
  readonly applier: Applier;
  readonly sinks: Sinks;
  readonly progress: Progress;
  readonly limits: BatchLimits;
  readonly clock: Clock;
  /** Resolves when every session of the target sees the transactions. */
  readonly shown: (xids: readonly number[], signal: AbortSignal) => Promise<void>;
  readonly onApplied: EarlyOptions['onApplied'];
  /** How transactions in progress are written. */
  readonly early: Pick<EarlyOptions, 'limits' | 'stage' | 'openSession' | 'onStep'>;
}

interface FoldedAhead {
  readonly batch: Batch;
  readonly folded: FoldedBatch;
  /** Null until everything before it has been sent. */
  writes: Writes | null;
}

/** An idle feed's watermark is stored no oftener than this. */
const MARK_EVERY_MS = 250;
/** Reading waits when so many full batches are held; a single row may be as large as several. */
const HELD_BATCHES = 4;
/** While so many bytes or more are on their way to the source, the socket is read less often. */
const MUCH_BYTES = 16 << 10;

/** Reads while it writes: what arrives during one write goes together into the next. */
export class Pump {
  readonly #options: PumpOptions;
  readonly #buffer: ChangeBuffer;
  readonly #work = new Notifier();
  readonly #room = new Notifier();
  readonly #jobs: Job[] = [];
  /** Transactions in progress. */
  readonly early: EarlyTransactions;
  /** Work that waits until everything that was read is committed. Nothing is read meanwhile, so there is never a second one. */
  #turn: Job | null = null;
  #waitingSinceMs: number | null = null;
  #isOver = false;
  #markWanted = false;
  #markedAtMs = 0;
  /** Batches the source has not answered yet; they never reject. */
  readonly #sent = new Set<Promise<void>>();
  /** Bytes of the batches in `#sent`. */
  #onTheWay = 0;
  #next: FoldedAhead | null = null;
  #failure: { readonly error: unknown } | null = null;
  #isGathering = false;

  constructor(options: PumpOptions) {
    this.#options = options;
    this.#buffer = new ChangeBuffer(options.limits);
    const { early, applier, sinks, progress, limits, clock, shown, onApplied } = options;
    this.early = new EarlyTransactions(
      { ...early, applier, sinks, progress, batch: limits, clock, shown, onApplied },
      {
        between: (work) => this.#between(work),
        changed: () => this.#changed(),
        failed: (error) => {
          this.#failure ??= { error };
        },
        waitingMs: () => this.waitingMs,
        ping: () => (this.#waitingSinceMs === null ? applier.ping() : Promise.resolve()),
      },
    );
  }

  /** Ends cleanly when the signal aborts, else with the first failure of either side. */
  async read(signal: AbortSignal): Promise<void> {
    const { stream } = this.#options;
    // Else the loop would wait for the target's next message.
    signal.addEventListener('abort', () => stream.close(), { once: true });
    for await (const items of stream.items) {
      if (areWhole(items)) this.#push(items);
      else await this.early.takeAll(items, (others) => this.#push(others), signal);
      while (this.#mustWait && !signal.aborted) await this.#room.wait(signal);
      if (signal.aborted) return;
    }
    if (!signal.aborted) throw new Error('the stream of changes ended');
  }

  #push(items: readonly StreamItem[]): void {
    this.#buffer.push(items);
    this.#work.notify();
    this.#foldAhead();
  }

  /** Nothing is half read or on its way. */
  get isIdle(): boolean {
    const isWaiting = this.#buffer.bytes > 0 || this.#next !== null || this.#turn !== null;
    return !isWaiting && this.#sent.size === 0 && this.early.bytes === 0;
  }

  /** How long the source has been busy with what was sent without a break; 0 when it is not. */
  get waitingMs(): number {
    return this.#waitingSinceMs === null ? 0 : this.#options.clock.monotonicMs() - this.#waitingSinceMs;
  }

  /** Whether reading must wait: a full batch is ready, or what is held would fill the memory. */
  get #mustWait(): boolean {
    const held = this.#buffer.bytes + this.#onTheWay + (this.#next?.batch.bytes ?? 0) + this.early.bytes;
    if (this.#onTheWay > 0 && held >= this.#options.limits.bytes * HELD_BATCHES) return true;
    return this.#buffer.isFull && this.#buffer.isReady;
  }

  async write(signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) if (!(await this.#writeNext(signal))) await this.#work.wait(signal);
    } finally {
      this.#isOver = true;
      const stopped = new Error('the feed stopped');
      for (const job of this.#jobs.splice(0)) job.cancel(stopped);
      this.#turn?.cancel(stopped);
      await Promise.all(this.#sent);
    }
  }

  /** A probe has finished: the time it proves is stored when somebody needs it at once or the last watermark is old enough. */
  probed(isNeeded: boolean): void {
    if (!isNeeded && this.#options.clock.monotonicMs() - this.#markedAtMs < MARK_EVERY_MS) return;
    this.#markWanted = true;
    this.#work.notify();
  }

  /** Runs the work between two transactions, in one of its own; changes to the sinks belong there. */
  exclusively<T>(work: ExclusiveWork<T>): Promise<T> {
    // A failure is told to whoever asked, and does not end the stream. A lost session does, with the next write.
    const { job, done } = jobOf(() => this.#options.applier.exclusively(work));
    if (this.#isOver) job.cancel(new Error('the feed stopped'));
    else this.#jobs.push(job);
    this.#work.notify();
    return done;
  }

  #between(work: () => Promise<void>): Promise<void> {
    const { job, done } = jobOf(work);
    if (this.#isOver) job.cancel(new Error('the feed stopped'));
    else this.#turn = job;
    this.#work.notify();
    return done;
  }

  /** Does the next thing; false when there is nothing to do. */
  async #writeNext(signal: AbortSignal): Promise<boolean> {
    if (this.#failure !== null) throw this.#failure.error;
    if (this.#sent.size > 0) return this.#sendBehind(signal);
    const isOpen = this.#options.applier.isOpen;
    // A batch that is folded already was read before the job was asked for: it is written before the job may change the tables.
    const job = isOpen || this.#next !== null ? undefined : this.#jobs.shift();
    if (job !== undefined) await this.#waiting(() => job.run());
    else if (this.#next !== null || this.#buffer.isReady) this.#send(this.#next ?? this.#fold(), signal);
    else return !isOpen && this.#useRest();
    return true;
  }

  /** All that was read is written: runs what has waited for that. */
  async #useRest(): Promise<boolean> {
    const turn = this.#turn;
    this.#turn = null;
    if (turn !== null) await turn.run();
    else if (this.#markWanted) await this.#waiting(() => this.#mark());
    else return false;
    return true;
  }

  async #waiting(work: () => Promise<void>): Promise<void> {
    this.#waitingSinceMs = this.#options.clock.monotonicMs();
    await work();
    this.#waitingSinceMs = null;
  }

  /**
   * Sends a full batch before the source has answered the one ahead, so that the source never waits. A smaller one is held
   * back: it grows meanwhile, and every batch has a fixed cost.
   */
  #sendBehind(signal: AbortSignal): boolean {
    const { applier } = this.#options;
    if (this.#sent.size === MOST_SENT || !applier.mayBeFollowed) return false;
    const next = this.#next;
    // A batch that writes nothing only advances the position, which it must not before the one ahead is written.
    if (next === null || next.folded.tables.size === 0) return false;
    next.writes ??= applier.plan(next.folded);
    if (next.batch.position !== null && !applier.fitsOneTrip(next.writes)) return false;
    this.#send(next, signal);
    return true;
  }

  #send(next: FoldedAhead, signal: AbortSignal): void {
    this.#next = null;
    this.#onTheWay += next.batch.bytes;
    this.#waitingSinceMs ??= this.#options.clock.monotonicMs();
    const answered: Promise<void> = this.#write(next, signal).finally(() => {
      this.#sent.delete(answered);
      this.#onTheWay -= next.batch.bytes;
      this.#waitingSinceMs = this.#sent.size > 0 ? this.#options.clock.monotonicMs() : null;
      this.#changed();
    });
    this.#sent.add(answered);
    this.#gather();
    this.#foldAhead();
  }

  #changed(): void {
    this.#gather();
    this.#room.notify();
    this.#work.notify();
  }

  /** Only the first failure counts: batches sent behind it fail because of it. */
  async #write(next: FoldedAhead, signal: AbortSignal): Promise<void> {
    try {
      await this.#writeFolded(next, signal);
      this.#options.onApplied(next.folded, next.batch.xids);
    } catch (error) {
      this.#failure ??= { error };
    }
  }

  /** Lets changes gather in the socket while much is being written, since they could only wait here; otherwise they come at once. */
  #gather(): void {
    const isGathering = this.#onTheWay >= MUCH_BYTES || this.early.isSending;
    if (isGathering === this.#isGathering) return;
    this.#isGathering = isGathering;
    this.#options.stream.gather(isGathering);
  }

  /** Folds a full batch while those before it are written, so that the source never waits for that. */
  #foldAhead(): void {
    if (this.#sent.size === 0 || this.#next !== null || this.#jobs.length > 0) return;
    if (!this.#buffer.isFull || !this.#buffer.isReady) return;
    this.#next = this.#fold();
    this.#work.notify();
  }

  #fold(): FoldedAhead {
    const batch = this.#buffer.take();
    this.#room.notify();
    return { batch, folded: fold(batch.items, this.#options.sinks), writes: null };
  }

  async #writeFolded({ folded, batch, writes: planned }: FoldedAhead, signal: AbortSignal): Promise<void> {
    const { applier, progress, shown } = this.#options;
    const { position, commit, xids } = batch;
    if (commit !== null) progress.sawCommit(commit);
    const isIdle = folded.changes === 0 && !applier.isOpen;
    const writes = planned ?? applier.plan(folded);
    if (position === null) {
      if (!isIdle) await applier.applyPart(writes, folded.passing);
    } else if (isIdle) {
      progress.advance(position);
    } else {
      // Asked while the rows are written. The commit waits for it: a cache never shows what the target does not show yet.
      const gate = xids.length === 0 ? null : shown(xids, signal);
      gate?.catch(() => undefined); // the rows may fail first
      await applier.apply(writes, progress.markAt(position), gate);
      progress.markStored(position);
      this.#marked();
    }
  }

  async #mark(): Promise<void> {
    const { applier, progress } = this.#options;
    const position = progress.applied;
    await applier.mark(progress.markAt(position));
    progress.markStored(position);
    this.#marked();
  }

  #marked(): void {
    this.#markWanted = false;
    this.#markedAtMs = this.#options.clock.monotonicMs();
  }
}
