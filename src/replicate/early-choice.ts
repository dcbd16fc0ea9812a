import type { Relation } from '../core/change.ts';
import type { Clock } from '../core/clock.ts';
import { printTable } from '../core/names.ts';
import type { EarlyLimits } from './feed-options.ts';

/** The stream is to be opened anew, with transactions that go on or without them. */
export class AnotherStream extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'AnotherStream';
  }
}

/** A transaction cannot be written before it commits: it must come again, as a whole. */
export class EarlyRefused extends AnotherStream {
  readonly xid: number;

  constructor(xid: number, reason: string) {
    super(`transaction ${xid} is not written before it commits: ${reason}`);
    this.name = 'EarlyRefused';
    this.xid = xid;
  }
}

/** Rows come from a partition that a table did not have when it was looked at: it must be looked at again before they count. */
export class UnknownPartition extends AnotherStream {
  readonly partition: number;

  constructor({ oid, table }: Relation) {
    super(
      `rows come from ${printTable(table)}, a partition that was not there when the tables were looked at`,
    );
    this.name = 'UnknownPartition';
    this.partition = oid;
  }
}

/** Whether a feed's next stream may send transactions that go on: not while one that was refused is still to come. */
export class EarlyChoice {
  readonly #limits: EarlyLimits;
  readonly #clock: Clock;
  readonly #refused = new Set<number>();
  #notBeforeMs = Number.NEGATIVE_INFINITY;

  constructor(limits: EarlyLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  get isAllowed(): boolean {
    return this.#clock.monotonicMs() >= this.#notBeforeMs;
  }

  /** It may never come, being rolled back: it is not waited for without end. */
  refused(xid: number): void {
    if (this.isAllowed) this.#refused.clear();
    this.#refused.add(xid);
    this.#notBeforeMs = this.#clock.monotonicMs() + this.#limits.openMs;
  }

  /** These transactions were applied. */
  applied(xids: readonly number[]): void {
    if (this.#refused.size === 0) return;
    for (const xid of xids) this.#refused.delete(xid);
    if (this.#refused.size === 0) this.#notBeforeMs = this.#clock.monotonicMs() + this.#limits.settledMs;
  }
}
