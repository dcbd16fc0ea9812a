import type { EarlyWork } from '../../cache/feed/row.ts';
import { keptIn } from '../../core/kept-in.ts';
import {
  type EarlyCommit,
  type EarlyItem,
  type EarlyPart,
  type FeedItem,
  isEarly,
  type StreamItem,
} from '../../core/rows/change.ts';
import type { Clock } from '../../core/waiting/clock.ts';
import { EarlyRefused } from '../interruptions.ts';
import type { Session } from '../session.ts';
import type { StepHook } from '../steps.ts';
import type { Applier } from '../write/applier.ts';
import { EarlyTransaction, type EarlyWriting } from './early-transaction.ts';
import type { Progress } from './progress.ts';

/** What is needed to write transactions that are still in progress on the target. */
export interface EarlyOptions extends EarlyWriting {
  readonly applier: Applier;
  readonly progress: Progress;
  readonly clock: Clock;
  /** A session on the source like the applier's. */
  readonly openSession: () => Promise<Session>;
  readonly shown: (xids: readonly number[], signal: AbortSignal) => Promise<void>;
  readonly onApplied: (
    done: { readonly transactions: number; readonly changes: number },
    xids: readonly number[],
  ) => void;
  readonly onStep?: StepHook | undefined;
}

/** How transactions in progress take turns with all others; the pump's side of it. */
export interface EarlyTurns {
  /** Runs the work once everything read before is committed; nothing else is written meanwhile. */
  readonly between: (work: () => Promise<void>) => Promise<void>;
  /** Something was sent, or was answered. */
  readonly changed: () => void;
  readonly failed: (error: unknown) => void;
  /** For how long somebody has been waiting for the source. */
  readonly waitingMs: () => number;
  /** Keeps the session alive that has half written a transaction of the usual kind. */
  readonly ping: () => Promise<void>;
}

const NOTHING: readonly StreamItem[] = [];
const LOOK_EVERY_MS = 1_000;

/**
 * The transactions of one stream that are still in progress. A part of one is written when everything that came before the
 * part is committed: the rows are then as they were for it on the target, and its locks keep them so until it ends.
 */
export class EarlyTransactions {
  readonly #options: EarlyOptions;
  readonly #turns: EarlyTurns;
  readonly #open = new Map<number, EarlyTransaction>();
  readonly #begun = new Map<EarlyTransaction, { readonly ms: number; readonly pid: number }>();
  readonly #closing = new Set<Promise<void>>();
  #isOver = false;
  /** Why everything open had to end; later failures are only its consequences. */
  #cause: { readonly error: unknown } | null = null;

  constructor(options: EarlyOptions, turns: EarlyTurns) {
    this.#options = options;
    this.#turns = turns;
  }

  /** Memory held by what is not written yet. */
  get bytes(): number {
    return this.#all.reduce((sum, each) => sum + each.bytes, 0);
  }

  get isSending(): boolean {
    return this.#all.some((each) => each.isSending);
  }

  /** The server processes of the sessions that write them. */
  get pids(): readonly number[] {
    return [...this.#begun.values()].map(({ pid }) => pid);
  }

  /** What is open on the source; null when nothing is. */
  get work(): EarlyWork | null {
    const begun = [...this.#begun];
    if (begun.length === 0) return null;
    const firstMs = Math.min(...begun.map(([, { ms }]) => ms));
    return {
      transactions: begun.length,
      changes: begun.reduce((sum, [{ changes }]) => sum + changes, 0),
      ageMs: this.#options.clock.monotonicMs() - firstMs,
    };
  }

  /** Takes the next items of the stream, each when its turn has come; gives `push` what is to be written like any other transaction. */
  async takeAll(
    items: readonly FeedItem[],
    push: (others: readonly StreamItem[]) => void,
    signal: AbortSignal,
  ): Promise<void> {
    let others: StreamItem[] = [];
    for (const item of items) {
      if (!isEarly(item)) {
        others.push(item);
        continue;
      }
      push(others);
      others = [...(await this.#take(item, signal))];
    }
    push(others);
  }

  /** Watches what is open until the signal aborts, then undoes it; throws EarlyRefused when one takes too long. */
  async watch(stop: AbortSignal): Promise<void> {
    const { clock, limits } = this.#options;
    let pingedMs = clock.monotonicMs();
    try {
      while (!stop.aborted) {
        await clock.delay(Math.min(LOOK_EVERY_MS, limits.pingMs), stop);
        this.#look();
        if (clock.monotonicMs() - pingedMs < limits.pingMs) continue;
        pingedMs = clock.monotonicMs();
        await Promise.all([this.#turns.ping(), ...this.#all.map((each) => each.ping())]);
      }
    } catch (error) {
      this.#cause = { error };
      throw error;
    } finally {
      this.#isOver = true;
      for (const each of this.#all) this.#close(each);
      await Promise.all(this.#closing);
    }
  }

  async #take(item: EarlyItem, signal: AbortSignal): Promise<readonly StreamItem[]> {
    try {
      if (item.kind === 'early-commit') return await this.#commit(item, signal);
      await (item.kind === 'early-part' ? this.#write(item) : this.#abort(item));
      return NOTHING;
    } catch (error) {
      throw this.#causeOf(error);
    }
  }

  #causeOf(error: unknown): unknown {
    return this.#cause === null ? error : this.#cause.error;
  }

  get #all(): readonly EarlyTransaction[] {
    return [...this.#open.values()];
  }

  #look(): void {
    const { clock, limits } = this.#options;
    const now = clock.monotonicMs();
    const waitingMs = this.#turns.waitingMs();
    for (const [transaction, { ms }] of this.#begun) {
      if (now - ms >= limits.openMs) throw new EarlyRefused(transaction.xid, 'it goes on for too long');
      if (waitingMs >= limits.patienceMs)
        throw new EarlyRefused(transaction.xid, 'the feed waits on the source');
    }
  }

  async #write(part: EarlyPart): Promise<void> {
    const begin = (): EarlyTransaction => new EarlyTransaction(part.xid, this.#options);
    const transaction = keptIn(this.#open, part.xid, begin);
    transaction.add(part);
    if (transaction.isFull) return this.#send(transaction);
    const waitingBytes = this.#all.reduce((sum, each) => sum + each.waitingBytes, 0);
    if (waitingBytes < this.#options.batch.bytes) return;
    for (const each of this.#all) if (each.waitingBytes > 0) await this.#send(each);
  }

  /** Sends what waits; resolves when it is on its way, not when it is answered. */
  async #send(transaction: EarlyTransaction): Promise<void> {
    if (!transaction.isBegun) await this.#begin(transaction);
    await transaction.room();
    await this.#turns.between(async () => {
      const answered = transaction.send();
      const done = answered
        .catch((error: unknown) => this.#turns.failed(this.#causeOf(error)))
        .finally(() => this.#turns.changed());
      this.#turns.changed();
      if (this.#options.onStep === undefined && !transaction.isPassing) return;
      await done;
      await this.#options.onStep?.('early:written');
    });
  }

  async #begin(transaction: EarlyTransaction): Promise<void> {
    const { limits, openSession, clock } = this.#options;
    if (this.#begun.size >= limits.most) throw new EarlyRefused(transaction.xid, 'too many others go on');
    const pid = await transaction.begin(openSession);
    this.#begun.set(transaction, { ms: clock.monotonicMs(), pid });
    if (!this.#isOver) return;
    this.#close(transaction);
    throw new Error('the feed stopped');
  }

  /** Resolves when the rows it has changed are free again: what follows in the stream may change the same ones. */
  async #abort({ xid, subxid }: Pick<EarlyPart, 'xid' | 'subxid'>): Promise<void> {
    const transaction = this.#open.get(xid);
    if (subxid !== xid) return transaction?.abort(subxid);
    await transaction?.rollback();
    if (transaction !== undefined) this.#close(transaction);
  }

  async #commit(item: EarlyCommit, signal: AbortSignal): Promise<readonly StreamItem[]> {
    const { xid } = item;
    // Of one without changes no part came, so it is not open.
    const transaction = this.#open.get(xid) ?? new EarlyTransaction(xid, this.#options);
    if (!transaction.isBegun) {
      this.#open.delete(xid);
      return transaction.asWhole(item);
    }
    if (transaction.waitingBytes > 0) await this.#send(transaction);
    await this.#turns.between(() => this.#end(transaction, item, signal));
    return NOTHING;
  }

  async #end(
    transaction: EarlyTransaction,
    { xid, end, time }: EarlyCommit,
    signal: AbortSignal,
  ): Promise<void> {
    const { applier, progress, shown, onApplied, onStep } = this.#options;
    await onStep?.('early:ending');
    // Asked while the last rows are written. The commit waits for it: a cache never shows what the target does not show yet.
    const gate = shown([xid], signal);
    gate.catch(() => undefined); // the rows may fail first
    progress.sawCommit({ end, time });
    await transaction.commit(applier.endOf(progress.markAt(end)), gate);
    await onStep?.('early:committed');
    progress.markStored(end);
    onApplied({ transactions: 1, changes: transaction.changes }, [xid]);
    this.#close(transaction);
  }

  /** Closes its session, which undoes what is not committed. */
  #close(transaction: EarlyTransaction): void {
    this.#open.delete(transaction.xid);
    this.#begun.delete(transaction);
    const closed: Promise<void> = transaction.close().finally(() => this.#closing.delete(closed));
    this.#closing.add(closed);
  }
}
