import type pg from 'pg';
import { FENCE_SQL, LEASE_LOST } from '../../cache/feed/lease.ts';
import type { FeedLease, Mark } from '../../cache/feed/row.ts';
import {
  CHAINED_WATERMARK_SQL,
  FENCED_WATERMARK_SQL,
  LEASE_GONE,
  PRUNE_SQL,
  WATERMARK_SQL,
} from '../../cache/feed/watermark.ts';
import { formatLsn } from '../../core/position/lsn.ts';
import { sqlStateOf } from '../../core/postgres/sql-state.ts';
import type { ExclusiveWork } from '../exclusively.ts';
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

/** The failure itself; as LeaseLost when it means that. */
export function orLeaseLost(error: unknown): unknown {
  const state = sqlStateOf(error);
  return state === LEASE_LOST || state === LEASE_GONE ? new LeaseLost(error) : error;
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
  /** The position of watermark `#seq`; null when another wrote it. */
  #position: string | null = null;
  /**
   * Older watermarks are deleted up to here. The next delete begins here: while an old snapshot keeps dead rows, walking over
   * them again is slow.
   */
  #prunedTo = 0n;
  #isOpen = false;
  /** The open transaction's commit is on the way. */
  #isEnding = false;
  #isPassing = false;
  /** How many transactions of one round trip were sent and are not answered. */
  #unanswered = 0;

  constructor({ client, stage, lease, seq, onStep }: ApplierOptions) {
    this.#client = client;
    this.#writing = new BatchWriting(stage);
    this.#lease = lease;
    this.#statements = new Statements(client);
    this.#seq = seq;
    this.#onStep = onStep;
  }

  /** A transaction is half written: its commit has not come yet. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The statements that write the batch; everything planned before must have been applied, or be on its way. */
  plan(batch: FoldedBatch): Writes {
    return this.#writing.plan(batch);
  }

  /**
   * Whether more may be sent before what was sent last is answered. That is safe: a whole transaction checks that the
   * watermark ahead of it is there, and parts of a transaction are not committed by what follows them.
   */
  get mayBeFollowed(): boolean {
    return !this.#isEnding && !this.#isPassing && !this.#mayStop;
  }

  /**
   * Whether the batch can be one transaction of one round trip: none is open, no answer must be checked before the commit,
   * and no test stops in between.
   */
  fitsOneTrip(writes: Writes): boolean {
    return !this.#isOpen && !this.#mayStop && writes.every(({ expected }) => expected === undefined);
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

  /** Writes a part of a transaction, which stays open, and then a row too large to be held, as it arrives. */
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

  /** A test may want to stop at the steps within a transaction. */
  get #mayStop(): boolean {
    return this.#onStep !== undefined && this.#onStep.inOneTrip !== true;
  }

  /** Statements that go out together without a `begin` are one transaction: the server commits at their end. */
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

  /**
   * Keeps the session alive within a half-written transaction, which may bring nothing for the cache for long: the source
   * ends silent ones.
   */
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
  async exclusively<T>(work: ExclusiveWork<T>): Promise<T> {
    if (this.#isOpen) throw new Error('bug: exclusive work inside an open transaction');
    const commit = async (): Promise<void> => {
      this.#statements.add({ text: 'commit', isCommit: true });
      await this.#settle();
      this.#isOpen = false;
    };
    try {
      if (this.#begin()) await this.#reach('apply:begun');
      await this.#settle();
      const result = await work(this.#client, async () => {
        await commit();
        this.#begin();
        await this.#settle();
      });
      await commit();
      return result;
    } catch (error) {
      // If that fails too the session is gone, and the next statement will say so. What is told is what failed first.
      await this.#client.query('rollback').catch(() => undefined);
      throw error;
    } finally {
      this.#isOpen = false;
    }
  }

  /**
   * Statements that commit another session's transaction as the feed's next: with its watermark, and under the lease. Nothing
   * may be under way here, and nothing may begin before they are answered.
   */
  endOf(mark: Mark): readonly Outgoing[] {
    const watermark = this.#nextWatermark(mark, FENCED_WATERMARK_SQL, [this.#lease.epoch]);
    return [...watermark, { text: 'commit', isCommit: true }];
  }

  /** Opens a transaction if none is open; true when a test may want to stop right after that. */
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
    // Row counts must be checked before the commit; everything else may be answered with it.
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
