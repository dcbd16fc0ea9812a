import { ConnectorError } from '../../../connectors/connector.ts';
import { must } from '../../core/assert.ts';
import type { Change, EarlyCommit, EarlyPart, Relation, StreamItem } from '../../core/rows/change.ts';
import type { BatchLimits, EarlyLimits, StageLimits } from '../feed-options.ts';
import { EarlyRefused } from '../interruptions.ts';
import { say } from '../say.ts';
import type { Session } from '../session.ts';
import { LeaseLost, orLeaseLost } from '../write/applier.ts';
import { BatchWriting, MOST_SENT } from '../write/batch-writing.ts';
import { type FoldedBatch, fold, isPassing, type Passing } from '../write/fold.ts';
import { writePassing } from '../write/passing.ts';
import type { Sinks } from '../write/sink.ts';
import { type Outgoing, Statements } from '../write/statements.ts';
import { sizeOf } from './buffer.ts';

/** How transactions are written before they commit. */
export interface EarlyWriting {
  readonly sinks: Sinks;
  readonly batch: BatchLimits;
  readonly stage: StageLimits | null;
  readonly limits: EarlyLimits;
}

/** Changes to write together. With a `subxid` they are its first, and a savepoint goes before them. */
interface Run {
  readonly subxid: number | null;
  readonly changes: Change[];
}

/** The session that writes it. */
interface Open {
  readonly session: Session;
  readonly statements: Statements;
  readonly batches: BatchWriting;
}

/**
 * A transaction that the target has not committed yet, written in a transaction of its own, which locks the rows as the
 * target's does. A savepoint is set before the first change of each subtransaction. Until a subtransaction ends, all changes
 * are its own or of subtransactions within it, so rolling back to its savepoint undoes just what its abort undoes.
 */
export class EarlyTransaction {
  readonly xid: number;
  readonly #writing: EarlyWriting;
  /** Subtransactions that have a savepoint, sent or not yet, in the order of the savepoints. */
  readonly #savepoints: number[] = [];
  #runs: Run[] = [];
  #rows = 0;
  #bytes = 0;
  #changes = 0;
  #open: Open | null = null;
  #isEnding = false;
  #isPassing = false;
  readonly #sent = new Set<Promise<void>>();
  #bytesSent = 0;

  constructor(xid: number, writing: EarlyWriting) {
    this.xid = xid;
    this.#writing = writing;
  }

  /** A session has been opened, and something may have been sent. */
  get isBegun(): boolean {
    return this.#open !== null;
  }

  /** Enough has come to be worth writing. */
  get isFull(): boolean {
    return this.#rows >= this.#writing.batch.rows || this.#bytes >= this.#writing.batch.bytes;
  }

  /** Memory held by what waits or is on its way. */
  get bytes(): number {
    return this.#bytes + this.#bytesSent;
  }

  /** Memory held by what waits to be sent. */
  get waitingBytes(): number {
    return this.#bytes;
  }

  /** A row too large to be held is being sent: nothing else may be done before it is answered. */
  get isPassing(): boolean {
    return this.#isPassing;
  }

  get isSending(): boolean {
    return this.#sent.size > 0;
  }

  /** Changes written so far. */
  get changes(): number {
    return this.#changes;
  }

  /** Takes a part; throws EarlyRefused when it must not be written before the commit. */
  add({ subxid, changes }: EarlyPart): void {
    const ours = changes.filter((change) => this.#concerns(change));
    if (ours.length === 0) return;
    const run = this.#runOf(subxid);
    for (const change of ours) {
      run.changes.push(change);
      this.#rows += 1;
      this.#bytes += sizeOf(change);
    }
  }

  #concerns(change: Change): boolean {
    if (change.kind !== 'truncate') return this.#isKept(change.relation) || discarded(change);
    if (change.relations.some((relation) => this.#isKept(relation)))
      throw this.#refused('it truncates a table');
    return false;
  }

  #isKept(relation: Relation): boolean {
    try {
      const bound = this.#writing.sinks.bind(relation);
      if (bound.some(({ sink }) => sink.place !== 'cache'))
        throw this.#refused('one of its tables is being copied');
      return bound.length > 0;
    } catch (error) {
      throw this.#orRefused(error);
    }
  }

  #runOf(subxid: number): Run {
    const isNew = subxid !== this.xid && !this.#savepoints.includes(subxid);
    const last = this.#runs.at(-1);
    if (!isNew && last !== undefined) return last;
    if (isNew && this.#savepoints.push(subxid) > this.#writing.limits.savepoints)
      throw this.#refused('it has too many subtransactions');
    const run: Run = { subxid: isNew ? subxid : null, changes: [] };
    this.#runs.push(run);
    return run;
  }

  /** Opens the session that will write it; returns the session's server process. */
  async begin(openSession: () => Promise<Session>): Promise<number> {
    const session = await openSession().catch((error: unknown) => {
      throw this.#orRefused(error);
    });
    const statements = new Statements(session.client);
    this.#open = { session, statements, batches: new BatchWriting(this.#writing.stage) };
    statements.add({ text: 'begin' });
    return session.pid;
  }

  /** Resolves when more may be sent. */
  async room(): Promise<void> {
    while (this.#sent.size >= MOST_SENT) await Promise.race(this.#sent);
  }

  /** Sends what waits; rejects when it could not be written. */
  send(): Promise<void> {
    const { statements, batches } = this.#begun;
    const bytes = this.#bytes;
    let passing: Passing | null = null;
    for (const { subxid, changes } of this.#takeRuns()) {
      if (subxid !== null) statements.add({ text: `savepoint ${this.#nameOf(subxid)}` });
      const folded = this.#fold(changes);
      this.#changes += folded.changes;
      for (const write of batches.plan(folded)) statements.add(write);
      passing = folded.passing;
    }
    this.#bytesSent += bytes;
    this.#isPassing = passing !== null;
    const answered: Promise<void> = this.#settleWith(passing).finally(() => {
      this.#isPassing = false;
      this.#sent.delete(answered);
      this.#bytesSent -= bytes;
    });
    this.#sent.add(answered);
    return answered;
  }

  /** Undoes what a subtransaction, and those within it, have changed. */
  async abort(subxid: number): Promise<void> {
    const depth = this.#savepoints.indexOf(subxid);
    // It has changed nothing that is cached, or was undone with one that it was within.
    if (depth < 0) return;
    const name = this.#nameOf(subxid);
    this.#savepoints.length = depth;
    const at = this.#runs.findIndex((run) => run.subxid === subxid);
    const kept = this.#takeRuns().slice(0, Math.max(at, 0));
    for (const run of kept) {
      this.#runs.push(run);
      this.#rows += run.changes.length;
      this.#bytes += run.changes.reduce((sum, change) => sum + sizeOf(change), 0);
    }
    if (at >= 0) return;
    const { statements } = this.#begun;
    statements.add({ text: `rollback to savepoint ${name}` });
    statements.add({ text: `release savepoint ${name}` });
    await this.#settle(null);
  }

  /** All that has come of it, as the items of an ordinary transaction; only for one that has not begun to be written. */
  asWhole({ xid, commit, end, time }: EarlyCommit): readonly StreamItem[] {
    const changes = this.#takeRuns().flatMap((run) => run.changes);
    return [{ kind: 'begin', xid, commit }, ...changes, { kind: 'commit', end, time }];
  }

  /** Ends it with these statements; the last one, the commit, waits for the gate. */
  async commit(end: readonly Outgoing[], gate: Promise<void>): Promise<void> {
    this.#isEnding = true;
    await Promise.all(this.#sent);
    for (const each of end) this.#begun.statements.add(each);
    await this.#settle(gate);
  }

  async rollback(): Promise<void> {
    if (this.#open === null) return;
    this.#isEnding = true;
    this.#open.statements.add({ text: 'rollback' });
    await this.#settle(null);
  }

  /** Keeps the session alive: the source ends one that is silent within a transaction, so that a stopped leader's locks go. */
  async ping(): Promise<void> {
    if (this.#open === null || this.isSending || this.#isEnding) return;
    this.#open.statements.add({ text: 'select 1' });
    await this.#settle(null);
  }

  async close(): Promise<void> {
    await this.#open?.session.close();
  }

  get #begun(): Open {
    return must(this.#open, 'the session of a transaction');
  }

  /** Takes out all that waits. */
  #takeRuns(): readonly Run[] {
    const runs = this.#runs;
    this.#runs = [];
    this.#rows = 0;
    this.#bytes = 0;
    return runs;
  }

  #nameOf(subxid: number): string {
    return `s${this.#savepoints.indexOf(subxid)}`;
  }

  async #settleWith(passing: Passing | null): Promise<void> {
    await this.#settle(null);
    if (passing === null) return;
    const { statements, batches } = this.#begun;
    const written = writePassing(passing, batches, async (writes) => {
      for (const write of writes) statements.add(write);
      await statements.settle();
    });
    await written.catch((error: unknown) => this.#failed(error));
  }

  #settle(gate: Promise<void> | null): Promise<void> {
    return this.#begun.statements.settle(gate).catch((error: unknown) => this.#failed(error));
  }

  #failed(error: unknown): never {
    throw this.#orRefused(orLeaseLost(error));
  }

  #fold(changes: readonly Change[]): FoldedBatch {
    try {
      return fold(changes, this.#writing.sinks);
    } catch (error) {
      throw this.#orRefused(error);
    }
  }

  /** EarlyRefused for what is wrong with a table or the source: it will show again when the transaction comes as a whole. */
  #orRefused(error: unknown): unknown {
    const isOthers =
      error instanceof EarlyRefused || error instanceof LeaseLost || error instanceof ConnectorError;
    return isOthers ? error : this.#refused(say(error));
  }

  #refused(reason: string): EarlyRefused {
    return new EarlyRefused(this.xid, reason);
  }
}

/** A row too large to be held, of a table that is not cached, is dropped: the stream waits behind it until it is. */
function discarded(change: Change): false {
  if (isPassing(change)) change.after.discard();
  return false;
}
