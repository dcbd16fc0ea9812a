import type pg from 'pg';
import { isRefusal } from '../../cache/queryable.ts';
import type { RowCopy } from '../../cache/rows/row-source.ts';
import { sqlStateOf } from '../../core/postgres/sql-state.ts';
import { TableBroken } from '../interruptions.ts';
import { refusalOf, say } from '../say.ts';
import type { Parameter } from './message-buffer.ts';
import { Outbox } from './outbox.ts';
import { Pipeline, type PipelinedStatement, PipelineFailure } from './pipeline.ts';
import type { Sink } from './sink.ts';

/** A statement to send, and what its answer must be. */
export interface Outgoing {
  readonly text: string;
  readonly values?: readonly Parameter[];
  readonly copy?: RowCopy;
  /** The table it writes: its failures are that table's. */
  readonly sink?: Sink;
  /** The number of rows it must touch; without it any will do. */
  readonly expected?: number | undefined;
  readonly isCommit?: boolean;
}

/** A table that is to be made may be the only one on its disk. */
const DISK = /^(58|53100)/;
const MAX_PREPARED = 400;

/** Gathers statements, sends them together, and tells how they went: the first failure is the one that counts. */
export class Statements {
  readonly #client: pg.Client;
  readonly #outbox = new Outbox();
  /** Pipelines that are answered and may run again. */
  readonly #idle: Pipeline[] = [];
  /** Names of statements the server has prepared, or will have when it comes to what was sent last, by text; the last used last. */
  readonly #prepared = new Map<string, string>();
  #named = 0;
  #waiting: Outgoing[] = [];

  constructor(client: pg.Client) {
    this.#client = client;
  }

  add(outgoing: Outgoing): void {
    this.#waiting.push(outgoing);
  }

  /** Some waiting statement must touch an exact number of rows. */
  get mustBeCounted(): boolean {
    return this.#waiting.some(({ expected }) => expected !== undefined);
  }

  /**
   * Sends what waits and waits for the answers; throws the first failure, as TableBroken when it is one table's. More may
   * be sent before it is answered: the server takes one after the other, a failure of one ends only that one. What commits
   * goes out when the gate opens.
   */
  async settle(gate: Promise<void> | null = null): Promise<void> {
    const sent = this.#waiting;
    if (sent.length === 0) return;
    this.#waiting = [];
    const fresh: string[] = [];
    const pipelined = sent.map((outgoing) => this.#asPipelined(outgoing, fresh));
    const pipeline = this.#idle.pop() ?? new Pipeline(this.#outbox);
    try {
      const tags = await pipeline.run(this.#client, pipelined, gate);
      this.#idle.push(pipeline);
      sent.forEach((outgoing, index) => checkAnswer(outgoing, tags[index] ?? ''));
    } catch (error) {
      for (const text of fresh) this.#prepared.delete(text);
      if (error instanceof PipelineFailure) throw failureOf(sent[error.index], error.cause);
      throw error;
    }
  }

  /** The first use of a statement prepares it. Where many are prepared, the one used longest ago is closed for it. */
  #asPipelined({ text, values, copy, isCommit }: Outgoing, fresh: string[]): PipelinedStatement {
    const known = this.#prepared.get(text);
    const closes = known === undefined ? this.#displaced() : null;
    // A name is never used twice: after a failure nobody knows which of them the server has.
    const name = known ?? `nj${this.#named++}`;
    if (known === undefined) fresh.push(text);
    else this.#prepared.delete(text);
    this.#prepared.set(text, name);
    return {
      text,
      values: values ?? [],
      name,
      isPrepared: known !== undefined,
      closes,
      copy: copy ?? null,
      isCommit: isCommit ?? false,
    };
  }

  /** The name of the statement that makes room for another, when that is needed: mostly one of a copy that is gone. */
  #displaced(): string | null {
    if (this.#prepared.size < MAX_PREPARED) return null;
    const [eldest] = this.#prepared;
    if (eldest === undefined) return null;
    this.#prepared.delete(eldest[0]);
    return eldest[1];
  }
}

function failureOf({ sink, text }: Partial<Outgoing> = {}, reason: unknown): unknown {
  if (sink === undefined) return reason;
  if (text === sink.ahead && (isRefusal(reason) || DISK.test(sqlStateOf(reason) ?? '')))
    return new TableBroken(sink.stored, `what changes meanwhile could not be kept: ${say(reason)}`, reason);
  // Copying the table again may cure it: data, a constraint, a trigger, a right on it, an index that is gone.
  if (!isRefusal(reason)) return reason;
  return new TableBroken(sink.stored, `its changes could not be written ${refusalOf(reason)}`, reason);
}

function checkAnswer({ sink, expected, isCommit }: Outgoing, tag: string): void {
  if (isCommit === true && tag !== 'COMMIT') throw new Error('the source rolled the transaction back');
  if (sink === undefined || expected === undefined) return;
  const rows = Number(tag.split(' ').at(-1));
  if (rows !== expected) {
    throw new TableBroken(sink.stored, `an update met ${rows} rows of the copy instead of ${expected}`);
  }
}
