import { markTruncated } from '../../cache/rows/overlay.ts';
import {
  type Carrier,
  missingPositions,
  type RowWriter,
  type WriteStatement,
} from '../../cache/rows/row-source.ts';
import { keptIn } from '../../core/kept-in.ts';
import type { Row } from '../../core/rows/row.ts';
import type { StageLimits } from '../feed-options.ts';
import type { FoldedBatch } from './fold.ts';
import type { NetStep } from './net.ts';
import type { Sink } from './sink.ts';
import type { Outgoing } from './statements.ts';

/** So many batches of one session may be on their way to the source: while it writes one, the next is in its hands. */
export const MOST_SENT = 2;

/** What writes one batch. */
export type Writes = readonly Outgoing[];

/** How the batches of one session are written: which statements, and what carries the rows. */
export class BatchWriting {
  readonly #stage: StageLimits | null;
  /** Stages that hold rows; the end of the transaction empties them. */
  readonly #staged = new Set<string>();

  /** Null where nothing can be staged. */
  constructor(stage: StageLimits | null) {
    this.#stage = stage;
  }

  /** The statements that write the batch, in order. */
  plan(batch: FoldedBatch): Writes {
    const writes: Outgoing[] = [];
    for (const [sink, net] of batch.tables) {
      if (sink.ahead !== null) writes.push({ text: sink.ahead, sink });
      for (const step of net.steps()) writes.push(...this.#writesOfStep(sink, step));
    }
    return writes;
  }

  /** The same for statements that write to one table. */
  planAlone(sink: Sink, statements: readonly WriteStatement[]): Writes {
    const ahead = sink.ahead === null ? [] : [{ text: sink.ahead, sink }];
    return [...ahead, ...this.#outgoing(sink, statements)];
  }

  /** Rows can be copied into a table of the session first. */
  get canStage(): boolean {
    return this.#stage !== null;
  }

  /** What is planned from here on is in another transaction. */
  ended(): void {
    this.#staged.clear();
  }

  #writesOfStep(sink: Sink, step: NetStep): readonly Outgoing[] {
    switch (step.kind) {
      case 'clear':
        return this.#outgoing(sink, [
          sink.writer.clear(),
          ...(sink.place === 'overlay' ? [markTruncated(sink.stored)] : []),
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
    return statements.flatMap((statement): readonly Outgoing[] => {
      const stage = statement.copy?.stage ?? null;
      if (statement.isOfSession === true) return [statement];
      const outgoing = { ...statement, sink };
      if (stage === null) return [outgoing];
      const isUsed = this.#staged.has(stage);
      this.#staged.add(stage);
      return isUsed ? [{ text: `truncate ${stage}`, sink }, outgoing] : [outgoing];
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
      keptIn(partial, missing.join(), () => ({ missing, rows: [] })).rows.push(row);
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
}

/** Whether copying the rows first costs less than array parameters; huge values go through without being held as text. */
function isMuch(rows: readonly Row[], from: StageLimits): boolean {
  return rows.length >= from.rows || rows.reduce((sum, row) => sum + row.bytes, 0) >= from.bytes;
}
