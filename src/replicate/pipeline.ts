import type { Writable } from 'node:stream';
import pg from 'pg';
import { copyData } from '../cache/copy-text.ts';
import type { RowCopy } from '../cache/row-source.ts';
import { MessageBuffer } from './message-buffer.ts';

/** A value of a statement; it travels as text. */
export type Parameter = string | number | bigint | null;

/** One statement of a pipeline. */
export interface PipelinedStatement {
  readonly text: string;
  readonly values: readonly Parameter[];
  /** Its name on this connection; null when it is not kept. */
  readonly name: string | null;
  /** The name is known to the server already. */
  readonly isPrepared: boolean;
  readonly copy: RowCopy | null;
}

/** No more than this waits in our own memory for the server to read it. */
const UNSENT_BYTES = 4 << 20;

/**
 * Sends statements in one go, COPY data among them, and is answered once: the first failure ends all. It resolves with
 * the command tags; a failure is thrown as PipelineFailure, which says at which statement.
 */
export function runPipeline(
  client: pg.Client,
  statements: readonly PipelinedStatement[],
): Promise<readonly string[]> {
  const pipeline = new Pipeline(statements);
  client.query(pipeline);
  return new Promise((resolve, reject) => {
    pipeline.on('end', () => resolve(pipeline.tags));
    pipeline.on('error', (error) => reject(new PipelineFailure(pipeline.tags.length, error)));
  });
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

/** A query to `pg`, many statements to the server. The methods that begin with `handle` are `pg`'s names for what arrives. */
class Pipeline extends pg.Query {
  readonly tags: string[] = [];
  readonly #statements: readonly PipelinedStatement[];
  #socket: Writable | null = null;
  #rest: Iterator<Buffer> | null = null;

  constructor(statements: readonly PipelinedStatement[]) {
    super('');
    this.#statements = statements;
  }

  override submit = (connection: { readonly stream: Writable }): void => {
    this.#socket = connection.stream;
    this.#rest = bytesOf(this.#statements);
    this.#send();
  };

  /** Goes on until everything is sent or too much waits in front. */
  readonly #send = (): void => {
    const socket = this.#socket;
    if (socket === null || this.#rest === null || !socket.writable) return;
    while (socket.writableLength < UNSENT_BYTES) {
      const next = this.#rest.next();
      if (next.done === true) {
        this.#rest = null;
        return;
      }
      socket.write(next.value);
    }
    socket.once('drain', this.#send);
  };

  handleCommandComplete({ text }: { readonly text: string }): void {
    this.tags.push(text);
  }

  /** The server skips everything up to the end of the pipeline, so the end is sent at once. */
  handleError(error: unknown): void {
    if (this.#rest !== null && this.#socket?.writable === true) {
      this.#socket.off('drain', this.#send);
      const end = new MessageBuffer();
      end.sync();
      this.#socket.write(end.take());
    }
    this.#rest = null;
    this.emit('error', error);
  }

  handleReadyForQuery(): void {
    this.emit('end');
  }

  handleCopyInResponse(): void {}
  handleRowDescription(): void {}
  handleDataRow(): void {}
  handleEmptyQuery(): void {}
}

/** The messages of all statements and the end of the pipeline; few when there is nothing to copy. */
function* bytesOf(statements: readonly PipelinedStatement[]): Generator<Buffer> {
  const messages = new MessageBuffer();
  for (const { name, text, values, isPrepared, copy } of statements) {
    if (!isPrepared) messages.parse(name ?? '', text);
    messages.bind(name ?? '', values.map(asText));
    messages.execute();
    if (copy === null) continue;
    yield messages.take();
    yield* copyData(copy.rows, copy.positions);
    messages.copyDone();
  }
  messages.sync();
  yield messages.take();
}

function asText(value: Parameter): string | null {
  return value === null ? null : String(value);
}
