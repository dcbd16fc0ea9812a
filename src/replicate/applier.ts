import { FENCE_SQL, type FeedLease, LEASE_LOST, PRUNE_SQL, WATERMARK_SQL } from '../cache/feed-row.ts';
import { type Queryable, sqlStateOf } from '../cache/queryable.ts';
import { type CellRow, missingPositions, type WriteStatement } from '../cache/row-source.ts';
import { write } from '../cache/write-rows.ts';
import { UNCHANGED } from '../core/change.ts';
import { formatLsn, type Lsn } from '../core/lsn.ts';
import type { SourceTime } from '../core/watermark.ts';
import type { FoldedBatch } from './fold.ts';
import type { NetStep } from './net.ts';
import type { Sink } from './sink.ts';
import { Statements } from './statements.ts';
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
}

/** What an applier needs. */
export interface ApplierOptions {
  /** A session of its own; statements are sent without waiting for each other. */
  readonly client: Queryable;
  readonly lease: FeedLease;
  /** The newest watermark row's number. */
  readonly seq: bigint;
  readonly onStep?: StepHook | undefined;
}

const KEPT_WATERMARKS = 64n;

/** Writes batches and their watermarks to one source, each in one transaction that a lost lease cannot commit. */
export class Applier {
  readonly #lease: FeedLease;
  readonly #client: Queryable;
  readonly #statements: Statements;
  readonly #onStep: StepHook | undefined;
  #seq: bigint;
  #isOpen = false;

  constructor({ client, lease, seq, onStep }: ApplierOptions) {
    this.#client = client;
    this.#lease = lease;
    this.#statements = new Statements(client);
    this.#seq = seq;
    this.#onStep = onStep;
  }

  /** A transaction whose end has not come yet is half written. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Writes the batch; with a mark commits it together with the new watermark, without one leaves the transaction open. */
  async apply(batch: FoldedBatch, mark: Mark | null): Promise<void> {
    await this.#begin();
    for (const { sink, net } of batch.tables) {
      for (const step of net.steps()) this.#write(sink, step);
    }
    await this.#reach('apply:rows-written');
    if (mark !== null) return this.#commit(mark);
    await this.#settle();
    await this.#reach('apply:chunk-written');
  }

  /** Writes a watermark and nothing else. */
  async mark(mark: Mark): Promise<void> {
    await this.#begin();
    await this.#commit(mark);
  }

  /** Runs the work in a transaction of its own that a lost lease cannot commit; rolled back when it fails. */
  async exclusively<T>(work: (client: Queryable) => Promise<T>): Promise<T> {
    if (this.#isOpen) throw new Error('bug: exclusive work inside an open transaction');
    await this.#begin();
    await this.#settle();
    try {
      const result = await work(this.#client);
      this.#statements.send({ text: 'commit', isCommit: true });
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
    this.#statements.send({ text: 'begin' });
    this.#statements.send({ text: FENCE_SQL, values: [this.#lease.target, this.#lease.epoch] });
    await this.#reach('apply:begun');
  }

  async #commit({ position, freshAsOf }: Mark): Promise<void> {
    this.#seq += 1n;
    const { target } = this.#lease;
    const at = position === null ? null : formatLsn(position);
    this.#statements.send({ text: WATERMARK_SQL, values: [target, this.#seq, at, freshAsOf] });
    if (this.#seq % KEPT_WATERMARKS === 0n) {
      this.#statements.send({ text: PRUNE_SQL, values: [target, this.#seq - KEPT_WATERMARKS] });
    }
    await this.#reach('apply:watermark-written');
    // What must be counted has to be right before the commit; all else is settled by it.
    if (this.#statements.mustBeCounted) await this.#settle();
    this.#statements.send({ text: 'commit', isCommit: true });
    await this.#settle();
    this.#isOpen = false;
    await this.#reach('apply:committed');
  }

  #write(sink: Sink, step: NetStep): void {
    const send = (statement: WriteStatement): void => this.#statements.send({ ...statement, sink });
    switch (step.kind) {
      case 'clear':
        send(sink.writer.clear());
        // Whatever the copy under way has read or may still read: all there is now comes with the changes that follow.
        if (sink.place === 'overlay') send(markTruncated(sink));
        return;
      case 'rekey':
        for (const statement of sink.writer.rekey(step.before, step.after)) send(statement);
        return;
      case 'rows':
        if (step.removes.length > 0) send(sink.writer.remove(step.removes));
        for (const statement of writesOf(sink, step.writes)) send(statement);
    }
  }

  async #settle(): Promise<void> {
    try {
      await this.#statements.settle();
    } catch (error) {
      if (sqlStateOf(error) === LEASE_LOST) throw new LeaseLost(error);
      throw error;
    }
  }

  async #reach(step: Step): Promise<void> {
    if (this.#onStep === undefined) return;
    await this.#settle();
    await this.#onStep(step);
  }
}

/** Rows that lack the same columns share a statement, and never one with whole rows. */
function writesOf(sink: Sink, rows: readonly CellRow[]): readonly WriteStatement[] {
  const whole: CellRow[] = [];
  const partial = new Map<string, { missing: readonly number[]; rows: CellRow[] }>();
  for (const row of rows) {
    if (!row.includes(UNCHANGED)) {
      whole.push(row);
      continue;
    }
    const missing = missingPositions(row);
    const group = partial.get(missing.join());
    if (group === undefined) partial.set(missing.join(), { missing, rows: [row] });
    else group.rows.push(row);
  }
  const statements = [...partial.values()].map((group) => sink.writer.partial(group.rows, group.missing));
  return whole.length === 0 ? statements : [...statements, sink.writer.upsert(whole)];
}

function markTruncated({ stored }: Sink): WriteStatement {
  return write(
    `update nearjoin.cache_table set overlay_truncated = true
     where target = $1 and schema_name = $2 and table_name = $3`,
    [stored.target, stored.table.schema, stored.table.name],
  );
}
