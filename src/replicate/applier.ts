import type pg from 'pg';
import {
  FENCE_SQL,
  FENCED_WATERMARK_SQL,
  type FeedLease,
  LEASE_GONE,
  LEASE_LOST,
  PRUNE_SQL,
  WATERMARK_SQL,
} from '../cache/feed-row.ts';
import { type Queryable, sqlStateOf } from '../cache/queryable.ts';
import { type Carrier, missingPositions, type RowWriter, type WriteStatement } from '../cache/row-source.ts';
import { write } from '../cache/write-rows.ts';
import type { Commit } from '../core/change.ts';
import { formatLsn, type Lsn } from '../core/lsn.ts';
import type { Row } from '../core/row.ts';
import type { SourceTime } from '../core/watermark.ts';
import type { StageLimits } from './feed-options.ts';
import type { FoldedBatch } from './fold.ts';
import type { Parameter } from './message-buffer.ts';
import type { NetStep } from './net.ts';
import type { Sink } from './sink.ts';
import { type Outgoing, Statements } from './statements.ts';
import type { Step, StepHook } from './steps.ts';

/** Another process leads this feed now. */
export class LeaseLost extends Error {
  constructor(cause?: unknown) {
    super('another process leads this feed', { cause });
    this.name = 'LeaseLost';
  }
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
  readonly #stage: StageLimits | null;
  readonly #statements: Statements;
  readonly #onStep: StepHook | undefined;
  #seq: bigint;
  /** Rows below are gone; while an old snapshot keeps their remains in the index, nobody must walk over them again. */
  #prunedTo = 0n;
  #isOpen = false;
  /** Stages that hold rows; the end of the transaction empties them. */
  readonly #staged = new Set<string>();

  constructor({ client, stage, lease, seq, onStep }: ApplierOptions) {
    this.#client = client;
    this.#stage = stage;
    this.#lease = lease;
    this.#statements = new Statements(client);
    this.#seq = seq;
    this.#onStep = onStep;
  }

  /** A transaction whose end has not come yet is half written. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /**
   * Writes the batch; with a mark commits it together with the new watermark, without one leaves the transaction open.
   * Nothing is committed before the gate opens; when it fails the connection is cut.
   */
  async apply(batch: FoldedBatch, mark: Mark | null, gate: Promise<void> | null = null): Promise<void> {
    const writes: Outgoing[] = [];
    for (const { sink, net } of batch.tables)
      for (const step of net.steps()) writes.push(...this.#writesOfStep(sink, step));
    if (mark !== null && this.#fitsOneTrip(writes)) return this.#writeAtOnce(writes, mark, gate);
    await this.#begin();
    for (const write of writes) this.#statements.add(write);
    await this.#reach('apply:rows-written');
    if (mark !== null) return this.#commit(mark, gate);
    await this.#settle();
    await this.#reach('apply:chunk-written');
  }

  /** Nothing is open, nothing must be looked at before the commit, and nobody wants to stop in between. */
  #fitsOneTrip(writes: readonly Outgoing[]): boolean {
    const mayStop = this.#onStep !== undefined && this.#onStep.inOneTrip !== true;
    return !this.#isOpen && !mayStop && writes.every(({ expected }) => expected === null);
  }

  /** What goes out together is a transaction by itself: the server commits at the end of it. */
  async #writeAtOnce(writes: readonly Outgoing[], mark: Mark, gate: Promise<void> | null): Promise<void> {
    for (const write of writes) this.#statements.add(write);
    this.#addWatermark(mark, FENCED_WATERMARK_SQL, [this.#lease.epoch]);
    this.#staged.clear();
    await Promise.all([this.#settle(gate), this.#onStep?.('trip:sent')]);
    await this.#onStep?.('trip:answered');
  }

  /** Writes a watermark and nothing else. */
  async mark(mark: Mark): Promise<void> {
    await this.#begin();
    await this.#commit(mark, null);
  }

  /** Runs the work in a transaction of its own that a lost lease cannot commit; rolled back when it fails. */
  async exclusively<T>(work: (client: Queryable) => Promise<T>): Promise<T> {
    if (this.#isOpen) throw new Error('bug: exclusive work inside an open transaction');
    await this.#begin();
    await this.#settle();
    try {
      const result = await work(this.#client);
      this.#statements.add({ text: 'commit', isCommit: true });
      await this.#settle();
      return result;
    } catch (error) {
      await this.#client.query('rollback');
      throw error;
    } finally {
      this.#isOpen = false;
    }
  }

  async #begin(): Promise<void> {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#statements.add({ text: 'begin' });
    this.#statements.add({ text: FENCE_SQL, values: [this.#lease.target, this.#lease.epoch] });
    await this.#reach('apply:begun');
  }

  #addWatermark({ position, freshAsOf, lastCommit }: Mark, text: string, more: readonly Parameter[]): void {
    this.#seq += 1n;
    const { target } = this.#lease;
    const at = position === null ? null : formatLsn(position);
    const commit = lastCommit === null ? [null, null] : [formatLsn(lastCommit.end), lastCommit.time];
    this.#statements.add({ text, values: [target, this.#seq, at, freshAsOf, ...commit, ...more] });
    if (this.#seq % KEPT_WATERMARKS === 0n) {
      const upTo = this.#seq - KEPT_WATERMARKS;
      this.#statements.add({ text: PRUNE_SQL, values: [target, upTo, this.#prunedTo] });
      this.#prunedTo = upTo;
    }
  }

  async #commit(mark: Mark, gate: Promise<void> | null): Promise<void> {
    this.#addWatermark(mark, WATERMARK_SQL, []);
    await this.#reach('apply:watermark-written');
    // What must be counted has to be right before the commit; all else is settled by it.
    if (this.#statements.mustBeCounted) await this.#settle();
    this.#statements.add({ text: 'commit', isCommit: true });
    await this.#settle(gate);
    this.#isOpen = false;
    this.#staged.clear();
    await this.#reach('apply:committed');
  }

  #writesOfStep(sink: Sink, step: NetStep): readonly Outgoing[] {
    switch (step.kind) {
      case 'clear':
        // Whatever the copy under way has read or may still read: all there is now comes with the changes that follow.
        return this.#outgoing(sink, [
          sink.writer.clear(),
          ...(sink.place === 'overlay' ? [markTruncated(sink)] : []),
        ]);
      case 'rekey':
        return this.#outgoing(sink, sink.writer.rekey(step.before, step.after));
      case 'rows':
        return this.#outgoing(sink, [
          ...(step.removes.length === 0
            ? []
            : sink.writer.remove(step.removes, step.removes.length === 1 ? 'row' : 'arrays')),
          ...this.#writesOf(sink, step),
        ]);
    }
  }

  /** A stage that was filled before in the same transaction is emptied first. */
  #outgoing(sink: Sink, statements: readonly WriteStatement[]): readonly Outgoing[] {
    return statements.flatMap((statement) => {
      const stage = statement.copy?.stage ?? null;
      const outgoing = { ...statement, sink };
      if (stage === null) return [outgoing];
      const isUsed = this.#staged.has(stage);
      this.#staged.add(stage);
      return isUsed ? [{ text: `truncate ${stage}`, expected: null, sink }, outgoing] : [outgoing];
    });
  }

  /** Many rows whose keys are new are copied straight to their place; all others must look for a row with their key. */
  #writesOf(
    { writer }: Sink,
    { inserts, writes }: NetStep & { readonly kind: 'rows' },
  ): readonly WriteStatement[] {
    const isAppended = inserts.length > 0 && this.#carrierOf(inserts) === 'stage';
    return isAppended && writer.append !== null
      ? [writer.append(inserts), ...this.#upserts(writer, writes)]
      : this.#upserts(writer, [...inserts, ...writes]);
  }

  /** Rows that lack the same columns share a statement, and never one with whole rows. */
  #upserts(writer: RowWriter, rows: readonly Row[]): readonly WriteStatement[] {
    const whole: Row[] = [];
    const partial = new Map<string, { missing: readonly number[]; rows: Row[] }>();
    for (const row of rows) {
      if (row.isWhole) {
        whole.push(row);
        continue;
      }
      const missing = missingPositions(row);
      const group = partial.get(missing.join());
      if (group === undefined) partial.set(missing.join(), { missing, rows: [row] });
      else group.rows.push(row);
    }
    const statements = [...partial.values()].flatMap((group) =>
      writer.partial(group.rows, group.missing, this.#carrierOf(group.rows)),
    );
    return whole.length === 0 ? statements : [...statements, ...writer.upsert(whole, this.#carrierOf(whole))];
  }

  #carrierOf(rows: readonly Row[]): Carrier {
    if (this.#stage !== null && isMuch(rows, this.#stage)) return 'stage';
    return rows.length === 1 ? 'row' : 'arrays';
  }

  async #settle(gate: Promise<void> | null = null): Promise<void> {
    try {
      await this.#statements.settle(gate);
    } catch (error) {
      const state = sqlStateOf(error);
      if (state === LEASE_LOST || state === LEASE_GONE) throw new LeaseLost(error);
      throw error;
    }
  }

  async #reach(step: Step): Promise<void> {
    if (this.#onStep === undefined) return;
    await this.#settle();
    await this.#onStep(step);
  }
}

/** Whether copying the rows first costs less than array parameters; huge values go through without being held as text. */
function isMuch(rows: readonly Row[], from: StageLimits): boolean {
  return rows.length >= from.rows || rows.reduce((sum, row) => sum + row.bytes, 0) >= from.bytes;
}

function markTruncated({ stored }: Sink): WriteStatement {
  return write(
    `update nearjoin.cache_table set overlay_truncated = true
     where target = $1 and schema_name = $2 and table_name = $3`,
    [stored.target, stored.table.schema, stored.table.name],
  );
}
