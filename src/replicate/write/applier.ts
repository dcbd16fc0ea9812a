import type pg from 'pg';
import {
  CHAINED_WATERMARK_SQL,
  FENCE_SQL,
  FENCED_WATERMARK_SQL,
  type FeedLease,
  LEASE_GONE,
  LEASE_LOST,
  PRUNE_SQL,
  WATERMARK_SQL,
} from '../../cache/feed/row.ts';
import { type Queryable } from '../../cache/queryable.ts';
import { formatLsn, type Lsn } from '../../core/position/lsn.ts';
import type { SourceTime } from '../../core/position/watermark.ts';
import { sqlStateOf } from '../../core/postgres/sql-state.ts';
import type { Commit } from '../../core/rows/change.ts';
import type { StageLimits } from '../feed-options.ts';
import type { Step, StepHook } from '../steps.ts';
import { BatchWriting, type Writes } from './batch-writing.ts';
import type { FoldedBatch, Passing } from './fold.ts';
import type { Parameter } from './message-buffer.ts';
import { writePassing } from './passing.ts';
import { type Outgoing, Statements } from './statements.ts';

/** Another process leads this feed now. */
export class LeaseLost extends Error {
  constructor(cause?: unknown) {
    super('another process leads this feed', { cause });
    this.name = 'LeaseLost';
  }
}

/** What a failure means: that the lease is gone, or what it says itself. */
export function orLeaseLost(error: unknown): unknown {
  const state = sqlStateOf(error);
  return state === LEASE_LOST || state === LEASE_GONE ? new LeaseLost(error) : error;
}

/** What a watermark says; no position means that the cache must not be used. */
export interface Mark {
  readonly position: Lsn | null;
  readonly freshAsOf: SourceTime | null;
  /** The last commit up to the position that the stream has told of: what is known again when it is opened anew. */
  readonly lastCommit: Commit | null;
}

/** What an applier needs. */
export interface ApplierOptions {
  /** A session of its own; statements are sent without waiting for each other. */
  readonly client: pg.Client;
  /** From so many rows of one table on they are copied into a stage first; null where that cannot be done. */
  readonly stage: StageLimits | null;
  readonly lease: FeedLease;
  /** The newest watermark row's number. */
  readonly seq: bigint;
  readonly onStep?: StepHook | undefined;
}

const KEPT_WATERMARKS = 64n;

/** Writes batches and their watermarks to one source, each in one transaction that a lost lease cannot commit. */
export class Applier {
  readonly #lease: FeedLease;
  readonly #client: pg.Client;
  readonly #writing: BatchWriting;
  readonly #statements: Statements;
  readonly #onStep: StepHook | undefined;
  #seq: bigint;
  /** What the watermark of that number says, where it was written here. */
  #position: string | null = null;
  /** Rows below are gone; while an old snapshot keeps their remains in the index, nobody must walk over them again. */
  #prunedTo = 0n;
  #isOpen = false;
  /** Its end is on the way. */
  #isEnding = false;
  #isPassing = false;
  /** Transactions of one round trip that were sent and not answered. */
  #unanswered = 0;

  constructor({ client, stage, lease, seq, onStep }: ApplierOptions) {
    this.#client = client;
    this.#writing = new BatchWriting(stage);
    this.#lease = lease;
    this.#statements = new Statements(client);
    this.#seq = seq;
    this.#onStep = onStep;
  }

  /** A transaction whose end has not come yet is half written. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The statements that write the batch; everything planned before must have been applied, or be on its way. */
  plan(batch: FoldedBatch): Writes {
    return this.#writing.plan(batch);
  }

  /**
   * Whether more may be sent before what was sent last is answered. A whole transaction finds out by itself that the one
   * ahead of it failed; a part of one is committed by nothing that is sent with it.
   */
  get mayBeFollowed(): boolean {
    return !this.#isEnding && !this.#isPassing && !this.#mayStop;
  }

  /** Nothing is open, nothing must be looked at before the commit, and nobody wants to stop in between. */
  fitsOneTrip(writes: Writes): boolean {
    return !this.#isOpen && !this.#mayStop && writes.every(({ expected }) => expected === null);
  }

  /**
   * Writes the batch; with a mark commits it together with the new watermark, without one leaves the transaction open.
   * Nothing is committed before the gate opens; when it fails the connection is cut.
   */
  async apply(writes: Writes, mark: Mark | null, gate: Promise<void> | null = null): Promise<void> {
    if (mark !== null && this.fitsOneTrip(writes)) return this.#writeAtOnce(writes, mark, gate);
    if (this.#begin()) await this.#reach('apply:begun');
    for (const write of writes) this.#statements.add(write);
    if (this.#mayStop) await this.#reach('apply:rows-written');
    if (mark !== null) return this.#commit(mark, gate);
    await this.#settle();
    await this.#reach('apply:chunk-written');
  }

  /** Writes a part of a transaction, which stays open, and behind it a row while it comes. */
  async applyPart(writes: Writes, passing: Passing | null): Promise<void> {
    await this.apply(writes, null);
    if (passing === null) return;
    this.#isPassing = true;
    try {
      await writePassing(passing, this.#writing, async (writes) => {
        for (const write of writes) this.#statements.add(write);
        await this.#settle();
      });
    } finally {
      this.#isPassing = false;
    }
  }

  /** Somebody wants to stop at the steps between. */
  get #mayStop(): boolean {
    return this.#onStep !== undefined && this.#onStep.inOneTrip !== true;
  }

  /** What goes out together is a transaction by itself: the server commits at the end of it. */
  async #writeAtOnce(writes: Writes, mark: Mark, gate: Promise<void> | null): Promise<void> {
    for (const write of writes) this.#statements.add(write);
    const { epoch } = this.#lease;
    if (this.#unanswered > 0) this.#addWatermark(mark, CHAINED_WATERMARK_SQL, [epoch, this.#position]);
    else this.#addWatermark(mark, FENCED_WATERMARK_SQL, [epoch]);
    this.#writing.ended();
    this.#unanswered += 1;
    try {
      await Promise.all([this.#settle(gate), this.#onStep?.('trip:sent')]);
    } finally {
      this.#unanswered -= 1;
    }
    await this.#onStep?.('trip:answered');
  }

  /** The source ends a session that is silent within a transaction: one half written may have nothing for the cache for long. */
  async ping(): Promise<void> {
    if (!this.#isOpen || this.#isEnding) return;
    this.#statements.add({ text: 'select 1' });
    await this.#settle();
  }

  /** Writes a watermark and nothing else. */
  async mark(mark: Mark): Promise<void> {
    if (this.#begin()) await this.#reach('apply:begun');
    await this.#commit(mark, null);
  }

  /**
   * Runs the work in a transaction of its own that a lost lease cannot commit; rolled back when it fails. The work may commit
   * what it has done so far, and goes on in another such transaction.
   */
  async exclusively<T>(work: (client: Queryable, next: () => Promise<void>) => Promise<T>): Promise<T> {
    if (this.#isOpen) throw new Error('bug: exclusive work inside an open transaction');
    if (this.#begin()) await this.#reach('apply:begun');
    await this.#settle();
    const commit = async (): Promise<void> => {
      this.#statements.add({ text: 'commit', isCommit: true });
      await this.#settle();
      this.#isOpen = false;
    };
    try {
      const result = await work(this.#client, async () => {
        await commit();
        this.#begin();
        await this.#settle();
      });
      await commit();
      return result;
    } catch (error) {
      // When that fails too the session is gone, as the next statement will tell; why is what failed first.
      await this.#client.query('rollback').catch(() => undefined);
      throw error;
    } finally {
      this.#isOpen = false;
    }
  }

  /**
   * What commits the transaction of another session as the feed's next one: with a watermark, and under the lease. Nothing
   * may be under way here, or begin before it is answered.
   */
  endOf(mark: Mark): readonly Outgoing[] {
    const watermark = this.#nextWatermark(mark, FENCED_WATERMARK_SQL, [this.#lease.epoch]);
    return [...watermark, { text: 'commit', isCommit: true }];
  }

  /** Opens a transaction if none is open; whether somebody may want to stop right after that. */
  #begin(): boolean {
    if (this.#isOpen) return false;
    this.#isOpen = true;
    this.#statements.add({ text: 'begin' });
    this.#statements.add({ text: FENCE_SQL, values: [this.#lease.target, this.#lease.epoch] });
    return this.#mayStop;
  }

  #addWatermark(mark: Mark, text: string, more: readonly Parameter[]): void {
    for (const statement of this.#nextWatermark(mark, text, more)) this.#statements.add(statement);
  }

  #nextWatermark(
    { position, freshAsOf, lastCommit }: Mark,
    text: string,
    more: readonly Parameter[],
  ): readonly Outgoing[] {
    this.#seq += 1n;
    const { target } = this.#lease;
    const at = position === null ? null : formatLsn(position);
    this.#position = at;
    const commit = lastCommit === null ? [null, null] : [formatLsn(lastCommit.end), lastCommit.time];
    const watermark = { text, values: [target, this.#seq, at, freshAsOf, ...commit, ...more] };
    if (this.#seq % KEPT_WATERMARKS !== 0n) return [watermark];
    const upTo = this.#seq - KEPT_WATERMARKS;
    const prune = { text: PRUNE_SQL, values: [target, upTo, this.#prunedTo] };
    this.#prunedTo = upTo;
    return [watermark, prune];
  }

  async #commit(mark: Mark, gate: Promise<void> | null): Promise<void> {
    this.#isEnding = true;
    this.#addWatermark(mark, WATERMARK_SQL, []);
    await this.#reach('apply:watermark-written');
    // What must be counted has to be right before the commit; all else is settled by it.
    if (this.#statements.mustBeCounted) await this.#settle();
    this.#statements.add({ text: 'commit', isCommit: true });
    await this.#settle(gate);
    this.#isOpen = false;
    this.#isEnding = false;
    this.#writing.ended();
    await this.#reach('apply:committed');
  }

  async #settle(gate: Promise<void> | null = null): Promise<void> {
    try {
      await this.#statements.settle(gate);
    } catch (error) {
      throw orLeaseLost(error);
    }
  }

  async #reach(step: Step): Promise<void> {
    if (this.#onStep === undefined) return;
    await this.#settle();
    await this.#onStep(step);
  }
}
