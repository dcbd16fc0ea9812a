import type { ChangeStream } from '../../connectors/connector.ts';
import type { Queryable } from '../cache/queryable.ts';
import type { Clock } from '../core/clock.ts';
import type { Applier } from './applier.ts';
import { type BatchLimits, ChangeBuffer } from './buffer.ts';
import { type FoldedBatch, fold } from './fold.ts';
import { Notifier } from './notifier.ts';
import type { Progress } from './progress.ts';
import type { Sinks } from './sink.ts';

/** What one run of a feed reads from, writes to, and tells. */
export interface PumpOptions {
  readonly stream: ChangeStream;
  readonly applier: Applier;
  readonly sinks: Sinks;
  readonly progress: Progress;
  readonly limits: BatchLimits;
  readonly clock: Clock;
  readonly onApplied: (folded: FoldedBatch) => void;
}

interface Job {
  run(): Promise<void>;
  cancel(reason: Error): void;
}

/** An idle feed's watermark is stored no oftener than this. */
const MARK_EVERY_MS = 250;

/** Reads while it writes: what arrives during one write goes together into the next. */
export class Pump {
  readonly #options: PumpOptions;
  readonly #buffer: ChangeBuffer;
  readonly #work = new Notifier();
  readonly #room = new Notifier();
  readonly #jobs: Job[] = [];
  #isOver = false;
  #markWanted = false;
  #markedAtMs = 0;

  constructor(options: PumpOptions) {
    this.#options = options;
    this.#buffer = new ChangeBuffer(options.limits);
  }

  /** Ends cleanly when the signal aborts, else with the first failure of either side. */
  async read(signal: AbortSignal): Promise<void> {
    for await (const items of this.#options.stream.items) {
      this.#buffer.push(items);
      this.#work.notify();
      while (this.#buffer.isFull && this.#buffer.isReady && !signal.aborted) await this.#room.wait(signal);
      if (signal.aborted) return;
    }
    if (!signal.aborted) throw new Error('the stream of changes ended');
  }

  async write(signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) await this.#writeNext(signal);
    } finally {
      this.#isOver = true;
      for (const job of this.#jobs.splice(0)) job.cancel(new Error('the feed stopped'));
    }
  }

  /** A probe has finished: the time it proves is stored when the last watermark is old enough. */
  probed(): void {
    if (this.#options.clock.monotonicMs() - this.#markedAtMs < MARK_EVERY_MS) return;
    this.#markWanted = true;
    this.#work.notify();
  }

  /** Runs the work between two transactions, in one of its own; changes to the sinks belong there. */
  exclusively<T>(work: (client: Queryable) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#isOver) return reject(new Error('the feed stopped'));
      // Its failure belongs to whoever asked; the stream goes on, unless the session is gone and its next write fails.
      const run = (): Promise<void> => this.#options.applier.exclusively(work).then(resolve, reject);
      this.#jobs.push({ run, cancel: reject });
      this.#work.notify();
    });
  }

  async #writeNext(signal: AbortSignal): Promise<void> {
    const { applier } = this.#options;
    const job = applier.isOpen ? undefined : this.#jobs.shift();
    if (job !== undefined) await job.run();
    else if (this.#buffer.isReady) await this.#writeBatch();
    else if (this.#markWanted && !applier.isOpen) await this.#mark();
    else await this.#work.wait(signal);
  }

  async #writeBatch(): Promise<void> {
    const { applier, sinks, progress } = this.#options;
    const { items, position, open } = this.#buffer.take();
    this.#room.notify();
    const folded = fold(items, sinks);
    const isIdle = folded.tables.length === 0 && !applier.isOpen;
    if (position === null || open) {
      if (!isIdle) await applier.apply(folded, null);
    } else if (isIdle) {
      progress.advance(position);
    } else {
      await applier.apply(folded, { position, freshAsOf: progress.freshAsOfAt(position) });
      progress.markStored(position);
      this.#marked();
    }
    this.#options.onApplied(folded);
  }

  async #mark(): Promise<void> {
    const { applier, progress } = this.#options;
    const position = progress.applied;
    await applier.mark({ position, freshAsOf: progress.freshAsOfAt(position) });
    progress.markStored(position);
    this.#marked();
  }

  #marked(): void {
    this.#markWanted = false;
    this.#markedAtMs = this.#options.clock.monotonicMs();
  }
}
