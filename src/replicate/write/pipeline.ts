import type { Writable } from 'node:stream';
import pg from 'pg';
import { copyData } from '../../cache/rows/copy-text.ts';
import type { RowCopy } from '../../cache/rows/row-source.ts';
import { MessageBuffer, type Parameter } from './message-buffer.ts';
import type { Letter, Outbox } from './outbox.ts';

/** One statement of a pipeline. */
export interface PipelinedStatement {
  readonly text: string;
  readonly values: readonly Parameter[];
  /** Its name on this connection. */
  readonly name: string;
  /** The name is known to the server already. */
  readonly isPrepared: boolean;
  /** The name of another that the server may forget. */
  readonly closes: string | null;
  readonly copy: RowCopy | null;
  readonly isCommit: boolean;
}

/** The statement at `index` failed, for the reason in `cause`; those before it were done. */
export class PipelineFailure extends Error {
  readonly index: number;

  constructor(index: number, cause: unknown) {
    super('a statement failed', { cause });
    this.name = 'PipelineFailure';
    this.index = index;
  }
}

interface Outcome {
  readonly resolve: (tags: readonly string[]) => void;
  readonly reject: (failure: unknown) => void;
}

/**
 * A query to `pg`, many statements to the server. The methods that begin with `handle` are `pg`'s names for what arrives.
 * It may run again once it was answered, but not after a failure.
 */
export class Pipeline extends pg.Query {
  #tags: string[] = [];
  #statements: readonly PipelinedStatement[] = [];
  #outcome: Outcome | null = null;
  readonly #outbox: Outbox;
  #gate: Promise<void> | null = null;
  #letter: Letter | null = null;

  /** All pipelines of one session share its outbox. */
  constructor(outbox: Outbox) {
    super('');
    this.#outbox = outbox;
  }

  /**
   * Sends statements in one go, COPY data among them, and is answered once: the first failure ends all. Resolves with
   * the command tags; rejects with a PipelineFailure, which says at which statement. What commits is held back until the
   * gate opens; when it fails that is the failure, and the connection is cut so that nothing is committed.
   */
  run(
    client: pg.Client,
    statements: readonly PipelinedStatement[],
    gate: Promise<void> | null,
  ): Promise<readonly string[]> {
    return new Promise((resolve, reject) => {
      this.#outcome = { resolve, reject };
      this.#statements = statements;
      this.#tags = [];
      this.#gate = gate;
      client.query(this);
    });
  }

  override submit = (connection: { readonly stream: Writable }): void => {
    this.#letter = {
      pieces: piecesOf(this.#statements, this.#gate),
      refused: (reason) => this.#outcome?.reject(reason),
    };
    this.#outbox.add(connection.stream, this.#letter);
  };

  handleCommandComplete({ text }: { readonly text: string }): void {
    this.#tags.push(text);
  }

  /** The server skips everything up to the end of the pipeline, so the end is sent at once. */
  handleError(error: unknown): void {
    const end = new MessageBuffer();
    end.sync();
    if (this.#letter !== null) this.#outbox.cut(this.#letter, end.take());
    this.#outcome?.reject(new PipelineFailure(this.#tags.length, error));
  }

  /** Rows that were sent are not kept until it runs again. */
  handleReadyForQuery(): void {
    this.#statements = [];
    this.#letter = null;
    this.#outcome?.resolve(this.#tags);
  }

  handleCopyInResponse(): void {}
  handleRowDescription(): void {}
  handleDataRow(): void {}
  handleEmptyQuery(): void {}
}

/**
 * The messages of all statements and the end of the pipeline; few when there is nothing to copy. The gate stands before
 * the commit, which is the end of the pipeline where no statement is one.
 */
function* piecesOf(
  statements: readonly PipelinedStatement[],
  gate: Promise<void> | null,
): Generator<Buffer | Promise<void>> {
  const messages = new MessageBuffer();
  let closed = gate;
  for (const { name, text, values, isPrepared, closes, copy, isCommit } of statements) {
    if (isCommit && closed !== null) {
      yield messages.take();
      yield closed;
      closed = null;
    }
    if (closes !== null) messages.close(closes);
    if (!isPrepared) messages.parse(name, text);
    messages.bind(name, values);
    messages.execute();
    if (copy === null) continue;
    yield messages.take();
    yield* dataOf(copy);
    messages.copyDone();
  }
  if (closed !== null) {
    yield messages.take();
    yield closed;
  }
  messages.sync();
  yield messages.take();
}

function dataOf({ rows, positions, data }: RowCopy): Iterable<Buffer | Promise<void>> {
  return data === undefined ? copyData(rows, positions) : data();
}
