import type pg from 'pg';
import { sqlStateOf } from '../cache/queryable.ts';
import type { RowCopy } from '../cache/row-source.ts';
import type { Parameter } from './message-buffer.ts';
import { Pipeline, type PipelinedStatement, PipelineFailure } from './pipeline.ts';
import { type Sink, TableBroken } from './sink.ts';

/** A statement to send, and what its answer must be. */
export interface Outgoing {
  readonly text: string;
  readonly values?: readonly Parameter[];
  readonly copy?: RowCopy;
  /** The table it writes: its failures are that table's. */
  readonly sink?: Sink;
  /** The number of rows it must touch; null when any will do. */
  readonly expected?: number | null;
  readonly isCommit?: boolean;
}

const IN_FAILED_TRANSACTION = '25P02';
const MAX_PREPARED = 400;

/** Gathers statements, sends them together, and tells how they went: the first failure is the one that counts. */
export class Statements {
  readonly #client: pg.Client;
  /** Names of statements the server has prepared, by text. */
  #prepared = new Map<string, string>();
  #named = 0;
  #waiting: Outgoing[] = [];
  #pipeline = new Pipeline();

  constructor(client: pg.Client) {
    this.#client = client;
  }

  add(outgoing: Outgoing): void {
    this.#waiting.push(outgoing);
  }

  /** Some waiting statement must touch an exact number of rows. */
  get mustBeCounted(): boolean {
    return this.#waiting.some(({ expected }) => expected !== undefined && expected !== null);
  }

  /**
   * Sends what waits and waits for the answers; throws the first failure, as TableBroken when it is one table's. What
   * commits goes out when the gate opens.
   */
  async settle(gate: Promise<void> | null = null): Promise<void> {
    const sent = this.#waiting;
    if (sent.length === 0) return;
    this.#waiting = [];
    const fresh = new Map<string, string>();
    const pipeline = sent.map((outgoing) => this.#asPipelined(outgoing, fresh));
    try {
      const tags = await this.#pipeline.run(this.#client, pipeline, gate);
      sent.forEach((outgoing, index) => checkAnswer(outgoing, tags[index] ?? ''));
    } catch (error) {
      this.#pipeline = new Pipeline();
      if (error instanceof PipelineFailure) throw failureOf(sent[error.index], error.cause);
      throw error;
    }
    for (const [text, name] of fresh) this.#prepared.set(text, name);
  }

  /** Gives the statement a name while there is room; its first use in a pipeline prepares it. */
  #asPipelined({ text, values, copy, isCommit }: Outgoing, fresh: Map<string, string>): PipelinedStatement {
    const known = this.#prepared.get(text) ?? fresh.get(text) ?? null;
    const hasRoom = this.#prepared.size + fresh.size < MAX_PREPARED;
    // A name is never used twice: after a failure nobody knows which of them the server has.
    const name = known ?? (hasRoom ? `nj${this.#named++}` : null);
    if (known === null && name !== null) fresh.set(text, name);
    return {
      text,
      values: values ?? [],
      name,
      isPrepared: known !== null,
      copy: copy ?? null,
      isCommit: isCommit ?? false,
    };
  }
}

function failureOf(outgoing: Outgoing | undefined, reason: unknown): unknown {
  const sink = outgoing?.sink;
  const state = sqlStateOf(reason);
  if (sink === undefined || state === undefined || state === IN_FAILED_TRANSACTION) return reason;
  // Data, constraint, shape or size: copying the table again may cure it. All else is the server's.
  if (!/^(22|23|42|54)/.test(state)) return reason;
  return new TableBroken(sink, `its changes could not be written (SQLSTATE ${state})`, reason);
}

function checkAnswer({ sink, expected, isCommit }: Outgoing, tag: string): void {
  if (isCommit === true && tag !== 'COMMIT') throw new Error('the source rolled the transaction back');
  if (sink === undefined || expected === undefined || expected === null) return;
  const rows = Number(tag.split(' ').at(-1));
  if (rows !== expected) {
    throw new TableBroken(sink, `an update met ${rows} rows of the copy instead of ${expected}`);
  }
}
