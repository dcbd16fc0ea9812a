import type { QueryResultRow } from 'pg';
import { must } from '../../../src/core/assert.ts';
import type { TableRef } from '../../../src/core/names.ts';
import { quoteTable } from '../../../src/core/postgres/quote-identifier.ts';
import { statementResults } from '../../../src/core/postgres/statement-results.ts';
import { OwnClient } from '../client.ts';
import type { Target } from '../settings.ts';
import { backendPid } from '../slot.ts';

/** A session that sees what a snapshot sees. */
export interface Reader {
  readonly own: OwnClient;
  /** Its server process. */
  readonly pid: number;
}

/**
 * Sessions that read from one exported snapshot, each for one table at a time and kept for the next: making one costs
 * more than reading a small table. Tables are read in subtransactions, so that none stays locked until the snapshot ends.
 */
export class SnapshotReaders {
  readonly #target: Target;
  readonly #signal: AbortSignal;
  readonly #idle: Reader[] = [];
  /** Connections that see nothing yet. */
  readonly #blank: Promise<OwnClient>[] = [];

  /** All of them end with the signal. */
  constructor(target: Target, signal: AbortSignal) {
    this.#target = target;
    this.#signal = signal;
  }

  /** Begins to connect for a snapshot that is still being made. */
  prepare(): void {
    const own = OwnClient.open(this.#target, this.#signal);
    own.catch(() => undefined); // told to whoever is given it
    this.#blank.push(own);
  }

  /**
   * One that holds the table as it is until it is given back: what is not rewritten by now will not be meanwhile. The
   * statement's answer goes along.
   */
  async take<T extends QueryResultRow>(
    table: TableRef,
    snapshot: string,
    statement: string,
  ): Promise<{ readonly reader: Reader; readonly answer: T }> {
    const reader = this.#idle.pop() ?? (await this.#open(snapshot));
    return await reader.own.orCut('snapshot', async (client) => {
      const sql = `savepoint one_table; ${lockSql(table)}; ${statement}`;
      const results = statementResults(await client.query<T>(sql));
      return { reader, answer: must(results.at(-1)?.rows[0], 'an answer') };
    });
  }

  /** One whose work went well may read again. */
  async giveBack(reader: Reader): Promise<void> {
    try {
      await reader.own.client.query('rollback to savepoint one_table; release savepoint one_table');
      this.#idle.push(reader);
    } catch {
      reader.own.destroy(); // all that was wanted of it has been read
    }
  }

  /** A session whose transaction sees what the snapshot sees. */
  async within(snapshot: string): Promise<OwnClient> {
    const own = await (this.#blank.pop() ?? OwnClient.open(this.#target, this.#signal));
    return await own.orCut('snapshot', async (client) => {
      await client.query(
        `begin transaction isolation level repeatable read read only; set transaction snapshot '${snapshot}'`,
      );
      return own;
    });
  }

  async #open(snapshot: string): Promise<Reader> {
    const own = await this.within(snapshot);
    return await own.orCut('snapshot', async () => ({ own, pid: await backendPid(own) }));
  }
}

/** Keeps a table from being rewritten while the transaction lasts, or the subtransaction. */
export function lockSql(table: TableRef): string {
  return `lock table ${quoteTable(table)} in access share mode`;
}
